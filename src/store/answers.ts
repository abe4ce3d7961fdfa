/** What a holder says of the hashes of a content, for files of the share and of the cache alike. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { P2pError } from '../errors.js'
import type { HashRequest, Source } from '../streams/ports.js'
import {
  answerHashes,
  layerAbove,
  leavesOf,
  makesSense,
  PIECE_BYTES,
  pieceAsked,
  pieceLayerOf,
  subtreeRoot,
  type Tree,
  treeHeight
} from './merkle.js'

/** Trees held between requests: those of 1 TiB of content. A tree has 64 bytes for each MiB. */
const MAX_TREE_BYTES = 64 * 1024 ** 2

/** Hashes joined in one turn of the event loop: some milliseconds. */
const JOINED_AT_ONCE = 4_096

const HASH_BYTES = 32

/** `layerOf` tells the hashes of the pieces of a content of more than one piece. */
export function createAnswers(layerOf: (root: string) => Promise<Uint8Array | undefined>) {
  /** Least recently used first. */
  const trees = new Map<string, { tree: Promise<Tree | undefined>; bytes: number }>()

  function treeOf(root: string, sizeBytes: number): Promise<Tree | undefined> {
    if (sizeBytes <= PIECE_BYTES) return Promise.resolve([Buffer.from(root, 'hex')])
    const known = trees.get(root)
    const entry = known ?? { tree: build(root, sizeBytes), bytes: (sizeBytes / PIECE_BYTES) * 2 * HASH_BYTES }
    trees.delete(root)
    trees.set(root, entry)
    let heldBytes = [...trees.values()].reduce((sum, { bytes }) => sum + bytes, 0)
    for (const [oldest, { bytes }] of trees) {
      if (heldBytes <= MAX_TREE_BYTES || oldest === root) break
      trees.delete(oldest)
      heldBytes -= bytes
    }
    return entry.tree
  }

  async function build(root: string, sizeBytes: number): Promise<Tree | undefined> {
    const pieces = await layerOf(root)
    if (pieces === undefined || pieces.length !== Math.ceil(sizeBytes / PIECE_BYTES) * HASH_BYTES) {
      trees.delete(root)
      return undefined
    }
    const layers = [pieces]
    for (let layer = pieceLayerOf(sizeBytes), top = pieces; layer < treeHeight(sizeBytes); layer++) {
      const joined: Buffer[] = []
      for (let at = 0; at < top.length; at += JOINED_AT_ONCE * HASH_BYTES) {
        joined.push(layerAbove(top.subarray(at, at + JOINED_AT_ONCE * HASH_BYTES), layer))
        if (top.length - at > JOINED_AT_ONCE * HASH_BYTES) await nextTurn()
      }
      top = joined.length === 1 && joined[0] !== undefined ? joined[0] : Buffer.concat(joined)
      layers.push(top)
    }
    // What is kept on a disk may have been damaged there.
    return Buffer.from(layers.at(-1) ?? []).toString('hex') === root ? layers : undefined
  }

  /** From an open file, which is read where the hashes of pieces are not enough. The source is the caller's. */
  async function answer(source: Source, request: HashRequest): Promise<Uint8Array> {
    const { size } = source
    if (!makesSense(request, size)) throw nonsense()
    const tree = await treeOf(request.root, size)
    if (tree === undefined) throw notFound(request.root)
    const piece = pieceAsked(request, size)
    const leaves = piece === undefined ? undefined : await readLeaves(source, piece, tree)
    const hashes = answerHashes(request, tree, size, leaves)
    if (hashes === undefined) throw nonsense()
    return hashes
  }

  return { answer }
}

/** The hashes of the blocks of a piece as it is on the disk now, which has to be the piece that was hashed before. */
async function readLeaves(source: Source, piece: number, [pieces]: Tree): Promise<Uint8Array> {
  const start = piece * PIECE_BYTES
  const chunks: Uint8Array[] = []
  for await (const chunk of source.read(start, Math.min(start + PIECE_BYTES, source.size))) chunks.push(chunk)
  const leaves = leavesOf(Buffer.concat(chunks))
  const expected = pieces?.subarray(piece * HASH_BYTES, (piece + 1) * HASH_BYTES)
  if (expected === undefined || !subtreeRoot(leaves, 0, pieceLayerOf(source.size)).equals(expected)) {
    throw new P2pError('NOT_FOUND', 'The file has changed')
  }
  return leaves
}

export const notFound = (root: string) => new P2pError('NOT_FOUND', `Couldn't find a file with the root ${root}`)

const nonsense = () => new P2pError('BAD_CALL', 'There are no such hashes for this file')
