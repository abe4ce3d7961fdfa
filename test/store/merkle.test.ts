import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  answerHashes,
  createRootHasher,
  EMPTY_ROOT,
  leavesOf,
  MAX_HASHES,
  makesSense,
  pieceAsked,
  pieceHash,
  pieceLayerOf,
  provenHashes,
  subtreeRoot,
  treeHeight
} from '../../src/store/merkle.js'
import type { HashRequest } from '../../src/streams/ports.js'
import { type Bencoded, bdecode, entry } from './bencode.js'
import { bytesOf, newFolder, plainLayers, plainRoot } from './disk.js'

const BLOCK = 16_384
const MIB = 1_048_576
const PIECE = MIB

function hashed(content: Buffer, chunkBytes = 65_536) {
  const hasher = createRootHasher()
  for (let at = 0; at < content.length; at += chunkBytes) hasher.update(content.subarray(at, at + chunkBytes))
  return { root: hasher.digest(), layer: hasher.layer() }
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
  for (const chunkBytes of [length, 1000, BLOCK, BLOCK + 1, 65_536])
    expect(hashed(content, chunkBytes).root).toBe(expected)
})

test('a file of one block has the hash of the block for its root', () => {
  // SHA-256 of "abc", as in FIPS 180-2.
  expect(hashed(Buffer.from('abc')).root).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
})

test('nothing has the root of padding', () => {
  expect(hashed(Buffer.alloc(0))).toEqual({ root: EMPTY_ROOT, layer: Buffer.alloc(0) })
  expect(EMPTY_ROOT).toBe('0'.repeat(64))
})

// The figures of MerkleTreeTest, the tests for BitTorrent v2 in a branch of Transmission.
test.each([
  [Buffer.from('hello world'), 'b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9'],
  [Buffer.alloc(BLOCK, '1'), 'a0819c70c286c7bf0a12eb9e7d958db95e0f4812766609406ced2053ba271df8'],
  [Buffer.alloc(BLOCK, 2), '746664dba900c81ef311c8456e15b02a5efeee3736a4f3827ce1eb1e0c24d8da']
])('a block has the hash that Transmission computes (%#)', (block, expected) => {
  expect(leavesOf(block).toString('hex')).toBe(expected)
  expect(hashed(block).root).toBe(expected)
})

test.each([
  [1, 'f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b'],
  [7, '87eb0ddba57e35f6d286673802a4af5975e22506c7cf4c64bb6be5ee11527f2c']
])('the padding of layer %i is that of Transmission', (layer, expected) => {
  expect(subtreeRoot(Buffer.alloc(0), 0, layer).toString('hex')).toBe(expected)
  expect(subtreeRoot(Buffer.alloc(32), 0, layer).toString('hex')).toBe(expected)
})

// Two torrents with pieces of 4 MiB, layer 8, from the same tests.
test.each([
  [
    9,
    'jjHTD54lxjNnaOl4JhIZyKnui6gfG/igfYuEZkQozMY=',
    '6Rdd2Fu7yzUND0cRRVT/FL3wQwuD3nJxrx+MYQPt7JT/ABBrhlpdWYRGTPKLLT42M00OPco1T2vYY5OdXU4hnA=='
  ],
  [
    11,
    'gf0/7MXGw52wVukbfHO9e7EewgEaIQhGNMAb/iQF6vk=',
    't7OpV+gNtijQ1J91aRFX2o57EKe42zd+pfEdl+ESSBxMyWGnNL24pe4MCm6GnS+iFWGYcK2tpcjX+sBPxQpwWarWlSMkFhBKhFzBLFIBVomBZGjlJ1RE1zrxA0z4JP5cZZxwmTeniGa6twe9p1YZKo6M535xfsS73g1nMkuBloWV8u8tEixSj/6x5MuAlMWTXfOJp8fx+VKDcByqSU9DmTV+w6TjSi6zanMaHYEJgDtY76uTkwViVjFJafw/Q4dZrs4X+hIPuGvidOV5FOys5rVfAShTZVGcoDVjMoikyAc='
  ]
])('the piece layer of a published torrent folds up to its root (%#)', (height, root, layer) => {
  expect(subtreeRoot(Buffer.from(layer, 'base64'), 8, height).toString('base64')).toBe(root)
})

// The cases of libtorrent's test/test_merkle.cpp, `merkle_root` and `merkle_root_scratch`.
test('leaves that do not fill a tree are padded as libtorrent does', () => {
  const [a, b, c, d, e, f] = ['1', 'b', 'c', 'd', 'e', 'f'].map((letter) => Buffer.alloc(32, letter))
  const o = Buffer.alloc(32)
  const join = (...parts: (Buffer | undefined)[]) =>
    createHash('sha256')
      .update(Buffer.concat(parts.map((part) => part ?? o)))
      .digest()
  const leaves = (...parts: (Buffer | undefined)[]) => Buffer.concat(parts.map((part) => part ?? o))
  const ad = join(join(a, b), join(c, d))
  expect(subtreeRoot(leaves(a, b, c, d, e, f), 0, 3)).toEqual(join(ad, join(join(e, f), join(o, o))))
  expect(subtreeRoot(leaves(a, b), 0, 1)).toEqual(join(a, b))
  expect(subtreeRoot(leaves(a), 0, 0)).toEqual(a)
  expect(subtreeRoot(leaves(a, b, c), 0, 3)).toEqual(join(join(join(a, b), join(c, o)), join(join(o, o), join(o, o))))
})

/** Root and hashes of the pieces of each file of a v2 torrent, by size. */
function filesOf(torrent: Bencoded) {
  const tree = entry(torrent, 'info', 'file tree')
  return (tree instanceof Map ? [...tree.values()] : []).map((file) => {
    const root = entry(file, '', 'pieces root') as Buffer
    const layer = entry(torrent, 'piece layers', root.toString('latin1')) as Buffer | undefined
    return { size: entry(file, '', 'length') as number, root: root.toString('hex'), layer: layer ?? Buffer.alloc(0) }
  })
}

test('roots and piece layers are those of a torrent that libtorrent 2.0.8 made', async () => {
  // Its files are `bytesOf` each size, its pieces have 1 MiB; made by create_torrent with v2_only.
  const files = filesOf(bdecode(await readFile(new URL('fixtures/content-v2.torrent', import.meta.url))))
  expect(files.map(({ size }) => size)).toEqual([1, 100, BLOCK, BLOCK + 1, 5 * BLOCK, MIB, MIB + 1, 3 * MIB, 5_000_000])
  for (const { size, root, layer } of files) expect(hashed(bytesOf(size))).toEqual({ root, layer })
})

/** The python that has libtorrent, which need not be the first on the path. */
const python = ['python3', '/usr/bin/python3'].find(
  (command) => spawnSync(command, ['-c', 'import libtorrent'], { stdio: 'ignore' }).status === 0
)

test.runIf(python !== undefined)('libtorrent computes the same (needs python3-libtorrent)', async () => {
  const folder = await newFolder()
  await mkdir(join(folder, 'content'))
  const script = `
import libtorrent as lt, sys
fs = lt.file_storage(); lt.add_files(fs, sys.argv[1] + '/content')
t = lt.create_torrent(fs, 1 << 20, lt.create_torrent.v2_only); lt.set_piece_hashes(t, sys.argv[1])
open(sys.argv[1] + '/torrent', 'wb').write(lt.bencode(t.generate()))`
  const sizes = [100, BLOCK + 1, 5 * BLOCK, MIB, MIB + 1, 5_000_000]
  for (const size of sizes) await writeFile(join(folder, 'content', String(size).padStart(8, '0')), bytesOf(size, 7))
  execFileSync(python ?? '', ['-c', script, folder])
  const files = filesOf(bdecode(readFileSync(join(folder, 'torrent'))))
  expect(files.map(({ size }) => size)).toEqual(sizes)
  for (const { size, root, layer } of files) expect(hashed(bytesOf(size, 7))).toEqual({ root, layer })
})

const HOLDERS = [0, 1, BLOCK, BLOCK + 1, 63 * BLOCK + 1, PIECE, PIECE + 1, 2 * PIECE, 5 * PIECE + BLOCK, 9 * PIECE + 3]
  // Content, its layers the plain way, and what its holder keeps.
  .map((size) => {
    const content = bytesOf(size, 3)
    const layers = plainLayers(content)
    const pieceLayer = pieceLayerOf(size)
    const real = Math.max(1, Math.ceil(size / PIECE))
    const tree = layers
      .slice(pieceLayer)
      .map((layer, above) => Buffer.concat(layer.slice(0, Math.ceil(real / 2 ** above))))
    return { size, content, layers, tree, root: plainRoot(content) }
  })

type Holder = (typeof HOLDERS)[number]

function ask({ tree, size, content }: Holder, request: HashRequest): Buffer | undefined {
  const piece = pieceAsked(request, size)
  const leaves = piece === undefined ? undefined : leavesOf(content.subarray(piece * PIECE, (piece + 1) * PIECE))
  return answerHashes(request, tree, size, leaves)
}

const anyRequest = fc
  .tuple(fc.constantFrom(...HOLDERS), fc.nat(), fc.nat(), fc.nat())
  .map(([holder, layerSeed, lengthSeed, indexSeed]) => {
    const height = holder.layers.length - 1
    const layer = layerSeed % (height + 1)
    const most = layer < pieceLayerOf(holder.size) ? pieceLayerOf(holder.size) - layer : height - layer
    const lengthBits = lengthSeed % (most + 1)
    const length = 2 ** lengthBits
    const real = Math.max(1, Math.ceil(Math.ceil(holder.size / BLOCK) / 2 ** layer))
    const index = (indexSeed % Math.ceil(real / length)) * length
    const request: HashRequest = {
      root: holder.root,
      layer,
      index,
      length,
      proofLayers: height - layer - lengthBits
    }
    return { holder, request }
  })

test('the height of a tree and the hash of a piece are those of the whole tree', () => {
  for (const { size, content, layers } of HOLDERS) {
    expect(treeHeight(size)).toBe(layers.length - 1)
    layers[pieceLayerOf(size)]?.slice(0, Math.ceil(size / PIECE)).forEach((expected, piece) => {
      expect(pieceHash(content.subarray(piece * PIECE, (piece + 1) * PIECE), size)).toEqual(expected)
    })
  }
})

test('any sensible request is answered, and its answer is proven', () => {
  fc.assert(
    fc.property(anyRequest, ({ holder, request }) => {
      const { layer, index, length } = request
      const answer = ask(holder, request)
      if (answer === undefined) throw new Error('no answer')
      const expected = Buffer.concat(holder.layers[layer]?.slice(index, index + length) ?? [])
      expect(provenHashes(request, answer, holder.size)).toEqual(expected)
    }),
    { numRuns: 500 }
  )
})

test('an answer with any bit flipped, cut short, too long or for another place is refused', () => {
  fc.assert(
    fc.property(anyRequest, fc.nat(), ({ holder, request }, bitSeed) => {
      const answer = ask(holder, request) ?? Buffer.alloc(32)
      const flipped = Buffer.from(answer)
      const bit = bitSeed % (answer.length * 8)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(provenHashes(request, flipped, holder.size)).toBeUndefined()
      expect(provenHashes(request, answer.subarray(0, -1), holder.size)).toBeUndefined()
      expect(provenHashes(request, answer.subarray(32), holder.size)).toBeUndefined()
      expect(provenHashes(request, Buffer.concat([answer, Buffer.alloc(32)]), holder.size)).toBeUndefined()
      const elsewhere = { ...request, index: request.index + request.length }
      const same = ask(holder, elsewhere)?.equals(answer) === true
      if (!same) expect(provenHashes(elsewhere, answer, holder.size)).toBeUndefined()
    }),
    { numRuns: 500 }
  )
})

test('every bit of one answer counts', () => {
  const holder = HOLDERS.find(({ size }) => size === 5 * PIECE + BLOCK)
  if (holder === undefined) throw new Error('no holder')
  const request = { root: holder.root, layer: 6, index: 4, length: 2, proofLayers: 2 }
  const answer = ask(holder, request) ?? Buffer.alloc(0)
  expect(provenHashes(request, answer, holder.size)).toHaveLength(64)
  for (let bit = 0; bit < answer.length * 8; bit++) {
    const flipped = Buffer.from(answer)
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    expect(provenHashes(request, flipped, holder.size)).toBeUndefined()
  }
})

const SIZE = 5 * PIECE // height 9: 8 places for pieces at layer 6, of which 5 are real
const fine = { root: EMPTY_ROOT, layer: 6, index: 0, length: 4, proofLayers: 1 }
test.each([
  ['a whole layer', { length: 8, proofLayers: 0 }, true],
  ['a part of a layer', {}, true],
  ['what begins with the last piece', { index: 4 }, true],
  ['padding alone', { index: 5, length: 1, proofLayers: 3 }, false],
  ['a length that is no power of two', { length: 3 }, false],
  ['nothing', { length: 0 }, false],
  ['an index that is no multiple of the length', { index: 2 }, false],
  ['an index below zero', { index: -4 }, false],
  ['half an index', { index: 0.5 }, false],
  ['a proof that ends below the root', { proofLayers: 0 }, false],
  ['a proof that goes beyond the root', { proofLayers: 2 }, false],
  ['more than the layer has', { length: 16, proofLayers: 0 }, false],
  ['a layer above the root', { layer: 10, length: 1, proofLayers: 0 }, false],
  ['the root itself', { layer: 9, length: 1, proofLayers: 0 }, true],
  ['a layer below the leaves', { layer: -1, length: 1024, proofLayers: 0 }, false]
])('a request for %s', (_, change, expected) => {
  expect(makesSense({ ...fine, ...change }, SIZE)).toBe(expected)
})

test('a request has 8,192 hashes at the most', () => {
  const size = 32_768 * PIECE
  const request = { ...fine, length: MAX_HASHES, proofLayers: 2 }
  expect(makesSense(request, size)).toBe(true)
  expect(makesSense({ ...request, length: 2 * MAX_HASHES, proofLayers: 1 }, size)).toBe(false)
})

test('blocks of more than one piece are not answered at once', () => {
  const holder = HOLDERS.find(({ size }) => size === 2 * PIECE)
  if (holder === undefined) throw new Error('no holder')
  expect(ask(holder, { root: holder.root, layer: 0, index: 0, length: 128, proofLayers: 0 })).toBeUndefined()
})
