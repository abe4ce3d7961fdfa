import { describe, expect, test } from 'vitest'
import { fileRowOf, folderRowOf, transferLine } from '../../src/cli/rows.js'
import type { Progress } from '../../src/index.js'

const PROGRESS: Progress = {
  name: 'big.iso',
  bytes: 512 * 1024,
  total: 1024 * 1024,
  bytesPerSecond: 1024 * 128,
  holders: ['http://ann:1', 'http://bob:1'],
  rates: [],
  state: 'running'
}
const [ANN, BOB] = ['http://ann:1', 'http://bob:1']

describe('the row of a file', () => {
  test('has a bar, bytes, rate, time left and holders', () => {
    expect(fileRowOf(PROGRESS, 0)(120)).toEqual([
      'big.iso ██████████░░░░░░░░░░  50%  512.0 KiB of 1.0 MiB  128.0 KiB/s  4 s left  from 2'
    ])
  })

  test.each([
    [{ state: 'queued', position: 3 }, /number 3 in the queue$/],
    [{ state: 'queued' }, /waits its turn$/],
    [{ state: 'waiting', code: 'DISK' }, /waits for room on the disk$/],
    [{ state: 'waiting', code: 'NOT_FOUND' }, /waits for somebody who has it$/],
    [{ state: 'waiting', code: 'NEW\x1b' }, /waits \(NEW\\x1b\)$/],
    [{ bytes: 1024 * 1024 }, /100% {2}1\.0 MiB of 1\.0 MiB {2}128\.0 KiB\/s {2}from 2$/],
    [{ bytes: 0, total: 0 }, / 100% {2}0 B of 0 B/],
    [{ bytesPerSecond: 0 }, /0 B\/s {2}from 2$/]
  ] as const)('of %j ends in %s', (more, end) => {
    expect(fileRowOf({ ...PROGRESS, ...more }, 0)(120)[0]).toMatch(end)
  })

  test('gives up the bar, then the middle of the name, where there is no room', () => {
    const long = { ...PROGRESS, name: 'a very long name of a file.iso' }
    expect(fileRowOf(long, 0)(120)[0]).toMatch(/^a very long name of a file\.iso █/)
    expect(fileRowOf(long, 0)(105)[0]).toMatch(/^a very long …f a file\.iso █/)
    expect(fileRowOf(long, 0)(80)[0]).toMatch(/^a very.*a file\.iso {2}50%/)
    expect(fileRowOf(long, 0)(20)[0]).toMatch(/^a very…\S*\.iso {2}50%/)
    for (const columns of [80, 105, 120]) expect(fileRowOf(long, 0)(columns)[0]?.length).toBeLessThan(columns)
  })

  test('has what each holder sends below with -v', () => {
    const rates = [
      { url: ANN, bytesPerSecond: 100 },
      { url: BOB, bytesPerSecond: 2_048 }
    ]
    expect(fileRowOf({ ...PROGRESS, rates }, 1)(120).slice(1)).toEqual([
      '  http://ann:1  100 B/s',
      '  http://bob:1  2.0 KiB/s'
    ])
    expect(fileRowOf({ ...PROGRESS, rates }, 0)(120)).toHaveLength(1)
  })

  test('does not let a name act on the terminal', () => {
    expect(fileRowOf({ ...PROGRESS, name: 'a\x1b[2J' }, 0)(120)[0]).toMatch(/^a\\x1b\[2J /)
  })
})

test('the row of a folder counts files too', () => {
  const folder = { files: 300, done: 100, skipped: 19, bytes: 1024, total: 2048, bytesPerSecond: 512 }
  const failed = [{ name: 'x', code: 'DISK', message: 'Full' }]
  const [line] = folderRowOf('photos/**', { ...folder, failed, listing: true }, 0)(120)
  expect(line).toBe('photos/** ██████████░░░░░░░░░░ 120 of 300+ files  1.0 KiB of 2.0 KiB  512 B/s  2 s left  1 failed')
  expect(transferLine({ kind: 'folder', pattern: 'photos/**', ...folder, failed: 0, listing: false })).toBe(
    'photos/**  119 of 300 files  1.0 KiB of 2.0 KiB  512 B/s  2 s left'
  )
  const below = folderRowOf('photos/**', { ...folder, failed: [], listing: false, latest: PROGRESS }, 1)(120)
  expect(below[1]).toBe('  big.iso')
})
