/** What `get` shows of a fetch that a running peer plays by hand: the socket is real, the peer behind it is not. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { P2pError } from '../../src/index.js'
import { controlled, progressOf } from '../control/fake-peer.js'
import { launch, run, testFolder } from './program.js'
import { onTerminal, python } from './pty.js'

/** Far more than anything here takes, also on a machine with much else to do. */
const PATIENT = { timeout: 10_000 }

const FOLDER = { files: 3, done: 1, skipped: 0, failed: [], bytes: 1, total: 3, bytesPerSecond: 1, listing: false }

describe('get through a running peer', () => {
  test('says what it wants', async () => {
    const folder = await testFolder()
    const { stateDir, progress$, log } = await controlled()
    const running = launch(folder, ['get', 'a.txt', '--state-dir', stateDir, '--wait', '--rename', '-o', 'here'])
    const options = { ifExists: 'rename', into: join(folder, 'here'), wait: true }
    await expect.poll(() => log, PATIENT).toEqual([['fetch', 'a.txt', options]])
    progress$.next(progressOf('a.txt', 100, { path: join(folder, 'here/a (1).txt') }))
    progress$.complete()
    const ended = await running.ended
    expect(ended.err).toContain(`Fetched a.txt (100 B) to ${join(folder, 'here/a (1).txt')}\n`)
    expect(ended.code).toBe(0)
  })

  test('waits for a pattern as a pattern', async () => {
    const folder = await testFolder()
    const { stateDir, progress$, folder$, log } = await controlled()
    const running = launch(folder, ['get', 'x/*', '--state-dir', stateDir, '--wait', '--overwrite'])
    await expect.poll(() => log, PATIENT).toEqual([['fetch', 'x/*', { ifExists: 'overwrite', into: folder }]])
    progress$.error(new P2pError('NOT_FOUND', "Couldn't find the file x/*"))
    const options = { ifExists: 'overwrite', into: folder, wait: true }
    await expect.poll(() => log, PATIENT).toContainEqual(['fetch-all', 'x/*', options])
    folder$.next({ ...FOLDER, done: 3, bytes: 3 })
    folder$.complete()
    expect(await running.ended).toMatchObject({ code: 0, err: `Fetched 3 files (3 B) of x/* to ${folder}\n` })
  })

  test('stops at Ctrl-C, and says how to go on', async () => {
    const folder = await testFolder()
    const { stateDir, progress$, log } = await controlled()
    const running = launch(folder, ['get', 'a.txt', '--state-dir', stateDir, '--json'])
    await expect.poll(() => log, PATIENT).toHaveLength(1)
    progress$.next(progressOf('a.txt', 10))
    await running.seen('out', /transfer-progressed/)
    running.child.kill('SIGINT')
    expect(await running.ended).toMatchObject({
      code: 130,
      signal: null,
      err: 'Stopped; what has come so far is kept. Run the same command again to go on.\n'
    })
    await expect.poll(() => log, PATIENT).toContainEqual(['fetch over', 'a.txt'])
  })

  test('stops in the middle of a folder, and says how to go on', async () => {
    const folder = await testFolder()
    const { stateDir, progress$, folder$, log } = await controlled()
    const running = launch(folder, ['get', 'x/*', '--state-dir', stateDir, '--json'])
    await expect.poll(() => log, PATIENT).toHaveLength(1)
    progress$.error(new P2pError('NOT_FOUND', 'No'))
    await expect.poll(() => log, PATIENT).toHaveLength(3)
    folder$.next({ ...FOLDER, latest: progressOf('x/a', 100, { path: '/x/a' }) })
    await running.seen('out', /"type":"transfer-completed","name":"x\/a"/)
    running.child.kill('SIGINT')
    const ended = await running.ended
    expect(ended.code).toBe(130)
    expect(ended.err).toMatch(/^Stopped; .* Run the same command again to go on\.\n$/)
    await expect.poll(() => log, PATIENT).toContainEqual(['fetch-all over', 'x/*'])
  })

  test('takes a pattern without any answer for one that matches nothing', async () => {
    const folder = await testFolder()
    const { stateDir, progress$, folder$, log } = await controlled()
    const running = launch(folder, ['get', 'x/*', '--state-dir', stateDir])
    await expect.poll(() => log, PATIENT).toHaveLength(1)
    progress$.error(new P2pError('NOT_FOUND', 'No'))
    await expect.poll(() => log, PATIENT).toHaveLength(3)
    folder$.complete()
    expect((await running.ended).code).toBe(3)
  })

  test.each([
    ['the code of the first failure when nothing came', { done: 0 }, 9],
    ['unfinished when some came', { done: 1 }, 7],
    ['unfinished when some were there', { done: 0, skipped: 1 }, 7]
  ])('ends with %s', async (_, more, code) => {
    const folder = await testFolder()
    const { stateDir, progress$, folder$, log } = await controlled()
    const running = launch(folder, ['get', 'x/*', '--state-dir', stateDir])
    await expect.poll(() => log, PATIENT).toHaveLength(1)
    progress$.error(new P2pError('NOT_FOUND', 'No'))
    await expect.poll(() => log, PATIENT).toHaveLength(3)
    folder$.next({ ...FOLDER, ...more, failed: [{ name: 'x/b\x1b[2J', code: 'DISK', message: 'Disk full' }] })
    folder$.complete()
    const ended = await running.ended
    expect(ended.code).toBe(code)
    expect(ended.err).toMatch(/^p2p-rx: 1 of 3 files of x\/\* failed\. .*\n {2}x\/b\\x1b\[2J: Disk full\n$/m)
  })

  test('does not know an error of a newer peer, and tells it all the same', async () => {
    const folder = await testFolder()
    const { stateDir, progress$, log } = await controlled()
    const ending = run(folder, ['get', 'a.txt', '--state-dir', stateDir])
    await expect.poll(() => log, PATIENT).toHaveLength(1)
    progress$.error(Object.assign(new Error('The moon is full'), { code: 'MOON', advice: 'Wait.' }))
    expect(await ending).toMatchObject({ code: 1, err: 'p2p-rx: The moon is full. Wait.\n' })
  })
})

describe.skipIf(python === undefined)('on a terminal the bars show', () => {
  test('the place in the queue, what is waited for, and each holder with -v', async () => {
    const folder = await testFolder()
    const { stateDir, progress$, log } = await controlled()
    const running = onTerminal(folder, ['get', 'a.txt', '--state-dir', stateDir, '-v'])
    await expect.poll(() => log, PATIENT).toHaveLength(1)
    progress$.next(progressOf('a.txt', 0, { state: 'queued', position: 4 }))
    await running.seen('out', /a\.txt .*number 4 in the queue/)
    progress$.next(progressOf('a.txt', 10, { state: 'waiting', code: 'DISK' }))
    await running.seen('out', /a\.txt .*10%.*waits for room on the disk/)
    const rates = [{ url: 'http://ann:1', bytesPerSecond: 2_048 }]
    progress$.next(progressOf('a.txt', 50, { state: 'running', rates }))
    await running.seen('out', /a\.txt .*50%.*50 B of 100 B.*50 B\/s {2}1 s left {2}from 1/)
    await running.seen('out', / {2}http:\/\/ann:1 {2}2\.0 KiB\/s/)
    progress$.next(progressOf('a.txt', 100, { path: '/x/a.txt' }))
    progress$.complete()
    await running.seen('out', /100%/)
    const ended = await running.ended
    expect(ended.out).toMatch(/Fetched a\.txt \(100 B\) to \/x\/a\.txt\r\n$/)
    expect(ended.code).toBe(0)
  })

  test('one question at a time, and none after an answer for all', async () => {
    const folder = await testFolder()
    const { stateDir, progress$, folder$, log } = await controlled()
    const running = onTerminal(folder, ['get', 'x/*', 'a.txt', '--state-dir', stateDir])
    await expect.poll(() => log, PATIENT).toHaveLength(2)
    progress$.error(new P2pError('EXISTS', 'You have it already'))
    await running.seen('out', /x\/\* is here already: .*for all\. /)
    running.child.stdin.write('S\r')
    const ended = await running.ended
    expect(ended.out.match(/\(o\)verwrite/g)).toHaveLength(1)
    expect(ended.out).toMatch(/Skipped x\/\*: it is here already\.\r\n/)
    expect(ended.out).toMatch(/Skipped a\.txt: it is here already\.\r\n/)
    expect(folder$.observed).toBe(false)
    expect(ended.code).toBe(0)
  })

  test('a folder as one, and the question about its files once', async () => {
    const folder = await testFolder()
    const { stateDir, progress$, folder$, log } = await controlled()
    const running = onTerminal(folder, ['get', 'x/*', '--state-dir', stateDir])
    await expect.poll(() => log, PATIENT).toHaveLength(1)
    progress$.error(new P2pError('NOT_FOUND', 'No'))
    await expect.poll(() => log, PATIENT).toHaveLength(3)
    folder$.next({ ...FOLDER, files: 12, listing: true })
    await running.seen('out', /x\/\* .*1 of 12\+ files/)
    const failed = ['x/b', 'x/c'].map((name) => ({ name, code: 'EXISTS', message: `You have ${name} already` }))
    folder$.next({ ...FOLDER, failed })
    folder$.complete()
    await running.seen('out', /2 files of x\/\* are here already: \(o\)verwrite/)
    running.child.stdin.write('s\r')
    const ended = await running.ended
    expect(ended.out).toMatch(/Fetched 1 file \(1 B\) of x\/\* to .*; 2 files here already\r\n$/)
    expect(ended.code).toBe(0)
  })
})
