import { execFileSync } from 'node:child_process'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { jsonLines, run, testFolder } from './program.js'

const ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
const EMPTY = '0'.repeat(64)
// The root of 5,000,000 bytes of zeros, as libtorrent 2.0.8 computes it.
const ZEROS = '106231715fdd10b18f81f102b11d344d115f36c32f2128894ab83b1bf0acd564'

test('the roots of files are told one a line, as sha256sum does', async () => {
  const dir = await testFolder()
  await writeFile(join(dir, 'abc'), 'abc')
  await writeFile(join(dir, 'no thing'), '')
  await writeFile(join(dir, 'zeros'), Buffer.alloc(5_000_000))
  const { code, out, err } = await run(dir, ['hash', 'abc', 'no thing', 'zeros'])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toBe(`${ABC}  abc\n${EMPTY}  no thing\n${ZEROS}  zeros\n`)
})

test('with --json they are told one object a line', async () => {
  const dir = await testFolder()
  await writeFile(join(dir, 'abc'), 'abc')
  const { code, out } = await run(dir, ['hash', '--json', 'abc', './abc'])
  expect(code).toBe(0)
  expect(jsonLines(out)).toEqual([
    { file: 'abc', size: 3, root: ABC },
    { file: './abc', size: 3, root: ABC }
  ])
})

test('a file that cannot be read does not keep the others from being read, and the first sets the exit code', async () => {
  const dir = await testFolder()
  await writeFile(join(dir, 'abc'), 'abc')
  await mkdir(join(dir, 'folder'))
  execFileSync('mkfifo', [join(dir, 'pipe')])
  const { code, out, err } = await run(dir, ['hash', 'absent', 'folder', 'abc', 'abc/x', 'pipe'])
  expect(code).toBe(3)
  expect(out).toBe(`${ABC}  abc\n`)
  expect(err.trim().split('\n')).toEqual([
    'p2p-rx: There is no file absent. Check the spelling.',
    'p2p-rx: folder is a folder. Name files.',
    'p2p-rx: There is no file abc/x. Check the spelling.',
    'p2p-rx: pipe is no regular file. Name files.'
  ])
  expect((await run(dir, ['hash', 'folder', 'absent'])).code).toBe(2)
  expect((await run(dir, ['hash'])).code).toBe(2)
})

test.skipIf(process.geteuid?.() === 0)('a file without the right to read it is denied', async () => {
  const dir = await testFolder()
  await writeFile(join(dir, 'secret'), '')
  await chmod(join(dir, 'secret'), 0)
  expect(await run(dir, ['hash', 'secret'])).toMatchObject({ code: 4, out: '' })
})
