/** `get --tiny` and `start --tiny-password-file` as somebody at a terminal sees them. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { jsonLines, run, serve, testFolder } from './program.js'

/** A folder with a share and the password, and a peer that serves them. */
async function network(files: Readonly<Record<string, string>>) {
  const folder = await testFolder()
  await writeFile(join(folder, 'password'), 'sesame\n', { mode: 0o600 })
  const share = join(folder, 'share')
  const { url } = await serve(folder, share, ['--tiny-password-file', 'password'])
  for (const [name, content] of Object.entries(files)) await writeFile(join(share, name), content)
  await writeFile(join(share, 'zzz'), '')
  // Until the newest file is listed; written again, it would have to rest again.
  for (let out = ''; !out.includes('zzz'); ) out = (await run(folder, ['ls', '--peer', url])).out
  const get = (...args: string[]) => run(folder, ['get', '--tiny', url, '--tiny-password-file', 'password', ...args])
  return { folder, url, get }
}

test('gets what fits and is not here yet, and says what it did', async () => {
  const { folder, get } = await network({ 'a.txt': 'a', 'b.txt': 'b', c: 'c' })
  await writeFile(join(folder, 'b.txt'), 'mine')
  const { code, out, err } = await get('[ab].txt$')
  expect([code, out]).toEqual([0, ''])
  expect(err).toMatch(/^Fetched a\.txt \(1 B\) to \/.*\/a\.txt\nSkipped b\.txt: it is here already\.\n$/)
  expect(await readFile(join(folder, 'a.txt'), 'utf8')).toBe('a')
  expect(await readFile(join(folder, 'b.txt'), 'utf8')).toBe('mine')
  expect((await readdir(folder)).includes('.p2p-rx')).toBe(false)
  const again = await get('', '-o', 'new', '--json')
  expect(again.code).toBe(0)
  expect(jsonLines(again.out).map(({ type, name }) => [type, name])).toEqual(
    ['a.txt', 'b.txt', 'c', 'zzz'].map((name) => ['transfer-completed', name])
  )
})

test('says why there is nothing, with a code for each', async () => {
  const { folder, url, get } = await network({ 'a.txt': 'a' })
  const nothing = await get('nothing')
  expect([nothing.code, nothing.err]).toEqual([3, expect.stringContaining('Nobody has a file that fits nothing')])
  const refused = await get('*')
  expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('nothing to repeat')])
  await writeFile(join(folder, 'wrong'), 'wrong', { mode: 0o600 })
  const wrong = await run(folder, ['get', '--tiny', url, '--tiny-password-file', 'wrong', ''])
  expect([wrong.code, wrong.err]).toEqual([4, expect.stringContaining('does not take the password')])
  const nobody = await run(folder, ['get', '--tiny', 'http://127.0.0.1:1', '--tiny-password-file', 'password', ''])
  expect(nobody.code).toBe(5)
  const unasked = await run(folder, ['get', '--tiny', url, ''])
  expect([unasked.code, unasked.err]).toEqual([2, expect.stringContaining('--tiny-password-file')])
  for (const args of [
    ['a', 'b'],
    ['a', '-o', '-'],
    ['a', '--peer', url],
    ['a', '--overwrite']
  ])
    expect((await get(...args)).code).toBe(2)
})

test('a private peer is no server of a network in the clear', async () => {
  const folder = await testFolder()
  await writeFile(join(folder, 'password'), 'sesame', { mode: 0o600 })
  const args = ['start', '--dir', 'share', '--port', '0', '--no-shell', '--tiny-password-file', 'password']
  const { code, err } = await run(folder, args, { env: { P2PRX_OPEN: '' } })
  expect([code, err]).toEqual([2, expect.stringMatching(/TinyP2P speaks in the clear.*Add --open/)])
  expect(await readdir(folder)).toEqual(['password'])
})
