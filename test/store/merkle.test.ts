import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createRootHasher, EMPTY_ROOT } from '../../src/store/merkle.js'
import { bytesOf, newFolder, plainRoot } from './disk.js'

const BLOCK = 16_384

function rootOf(content: Buffer, chunkBytes: number): string {
  const hasher = createRootHasher()
  for (let at = 0; at < content.length; at += chunkBytes) hasher.update(content.subarray(at, at + chunkBytes))
  return hasher.digest()
}

test.each([
  1,
  100,
  BLOCK - 1,
  BLOCK,
  BLOCK + 1,
  2 * BLOCK,
  3 * BLOCK,
  5 * BLOCK + 7,
  31 * BLOCK,
  32 * BLOCK,
  33 * BLOCK + 1
])('the root of %i bytes is that of the whole tree, however they come', (length) => {
  const content = bytesOf(length)
  const expected = plainRoot(content)
  for (const chunkBytes of [length, 1000, BLOCK, BLOCK + 1, 65_536]) expect(rootOf(content, chunkBytes)).toBe(expected)
})

test('a file of one block has the hash of the block for its root', () => {
  // SHA-256 of "abc", as in FIPS 180-2.
  expect(rootOf(Buffer.from('abc'), 1)).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
})

test('nothing has the root of padding', () => {
  expect(rootOf(Buffer.alloc(0), 1)).toBe(EMPTY_ROOT)
  expect(EMPTY_ROOT).toBe('0'.repeat(64))
})

const hasLibtorrent = (() => {
  try {
    execFileSync('python3', ['-c', 'import libtorrent'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

test.runIf(hasLibtorrent)('libtorrent computes the same roots (needs python3-libtorrent)', async () => {
  const folder = await newFolder()
  const script = `
import libtorrent as lt, sys, os
fs = lt.file_storage(); lt.add_files(fs, sys.argv[1])
t = lt.create_torrent(fs, 0, lt.create_torrent.v2_only); lt.set_piece_hashes(t, os.path.dirname(sys.argv[1]))
e = t.generate()[b'info'][b'file tree']
print(list(e.values())[0][b''][b'pieces root'].hex())`
  for (const length of [100, BLOCK + 1, 5 * BLOCK, 1_000_000]) {
    const path = join(folder, `f${length}`)
    await writeFile(path, bytesOf(length))
    const root = execFileSync('python3', ['-c', script, path], { encoding: 'utf8' }).trim()
    expect(rootOf(bytesOf(length), 65_536)).toBe(root)
  }
})
