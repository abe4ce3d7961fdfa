/**
 * The tree of hashes by which content is known: BitTorrent v2 (BEP 52). Its leaves are the SHA-256 of blocks of 16 KiB,
 * filled up with zero hashes to a power of two; its layer 6 has one hash for each piece of 1 MiB.
 */
import { createHash, type Hash, hash } from 'node:crypto'
import type { HashRequest } from '../streams/ports.js'

/** What BEP 52 hashes as one leaf. */
export const BLOCK_BYTES = 16 * 1024

/** What is verified, kept and asked for at a time: large enough that its hashes are few, small enough to do again. */
export const PIECE_BYTES = 1024 * 1024

/** Height of a piece above the blocks. */
export const PIECE_LAYER = 6

/** Hashes in one request: those of 8 GiB of pieces, in an answer of 256 KiB. */
export const MAX_HASHES = 8192

/** Root of nothing: a tree of one leaf that is all padding. BEP 52 itself gives empty files no root. */
export const EMPTY_ROOT = '0'.repeat(64)

const HASH_BYTES = 32

/** Roots of subtrees that are nothing but padding, by height: a leaf of padding is 32 zero bytes. */
const PADDING: Buffer[] = [Buffer.alloc(HASH_BYTES)]

const pair = Buffer.alloc(2 * HASH_BYTES)

function join(left: Uint8Array, right: Uint8Array): Buffer {
  pair.set(left, 0)
  pair.set(right, HASH_BYTES)
  return hash('sha256', pair, 'buffer')
}

function padding(height: number): Buffer {
  for (let made = PADDING.length; made <= height; made++) {
    const below = PADDING[made - 1] ?? Buffer.alloc(HASH_BYTES)
    PADDING.push(join(below, below))
  }
  return PADDING[height] ?? Buffer.alloc(HASH_BYTES)
}

const hashAt = (hashes: Uint8Array, number: number) => hashes.subarray(number * HASH_BYTES, (number + 1) * HASH_BYTES)

/** Layers above the leaves: 0 for a file of one block or less. */
export function treeHeight(sizeBytes: number): number {
  let height = 0
  for (let width = BLOCK_BYTES; width < sizeBytes; width *= 2) height += 1
  return height
}

/** Height at which the pieces of a file are: that of its root, when it is one piece or less. */
export const pieceLayerOf = (sizeBytes: number) => Math.min(PIECE_LAYER, treeHeight(sizeBytes))

/** The hashes of the blocks, one after the other. */
export function leavesOf(bytes: Uint8Array): Buffer {
  const leaves = Buffer.allocUnsafe(Math.ceil(bytes.length / BLOCK_BYTES) * HASH_BYTES)
  for (let at = 0, to = 0; at < bytes.length; at += BLOCK_BYTES, to += HASH_BYTES) {
    leaves.set(hash('sha256', bytes.subarray(at, at + BLOCK_BYTES), 'buffer'), to)
  }
  return leaves
}

/** The layer above: half as many hashes, the last one joined with padding where it has no right neighbour. */
export function layerAbove(hashes: Uint8Array, layer: number): Buffer {
  const count = hashes.length / HASH_BYTES
  const above = Buffer.allocUnsafe(Math.ceil(count / 2) * HASH_BYTES)
  for (let number = 0; number < count; number += 2) {
    const right = number + 1 < count ? hashAt(hashes, number + 1) : padding(layer)
    above.set(join(hashAt(hashes, number), right), (number / 2) * HASH_BYTES)
  }
  return above
}

/** The one hash at `height` over hashes of `layer`, of which there are at most 2 ** (height - layer); missing ones are padding. */
export function subtreeRoot(hashes: Uint8Array, layer: number, height: number): Buffer {
  if (hashes.length === 0) return padding(height)
  let folded: Buffer = Buffer.from(hashes)
  for (let at = layer; at < height; at++) folded = layerAbove(folded, at)
  return folded
}

/** The hash of a piece, or of a whole file that is no longer than one. `sizeBytes` is that of the file. */
export function pieceHash(piece: Uint8Array, sizeBytes: number): Buffer {
  return subtreeRoot(leavesOf(piece), 0, pieceLayerOf(sizeBytes))
}

/** Whether there can be an answer for a file of this size. */
export function makesSense({ layer, index, length, proofLayers }: HashRequest, sizeBytes: number): boolean {
  const height = treeHeight(sizeBytes)
  if (![layer, index, length, proofLayers].every((number) => Number.isSafeInteger(number) && number >= 0)) return false
  if (layer > height || length < 1 || length > MAX_HASHES || (length & (length - 1)) !== 0) return false
  if (layer + Math.log2(length) + proofLayers !== height || index % length !== 0) return false
  return index < Math.max(1, Math.ceil(sizeBytes / (BLOCK_BYTES * 2 ** layer)))
}

/**
 * The `length` hashes that were asked for, as a view of the answer, when the root vouches for them. Nothing when they are
 * wrong in any way, or when the request makes no sense for a file of this size.
 */
export function provenHashes(request: HashRequest, bytes: Uint8Array, sizeBytes: number): Buffer | undefined {
  const { root, layer, index, length, proofLayers } = request
  if (!makesSense(request, sizeBytes) || bytes.length !== (length + proofLayers) * HASH_BYTES) return undefined
  const hashes = bytes.subarray(0, length * HASH_BYTES)
  let proven = subtreeRoot(hashes, layer, layer + Math.log2(length))
  let position = index / length
  for (let number = 0; number < proofLayers; number++) {
    const uncle = hashAt(bytes, length + number)
    proven = position % 2 === 0 ? join(proven, uncle) : join(uncle, proven)
    position = Math.floor(position / 2)
  }
  if (proven.toString('hex') !== root) return undefined
  return Buffer.from(hashes.buffer, hashes.byteOffset, hashes.length)
}

/** What a holder keeps of a tree: the layer of its pieces (the root of a file of one piece or less), and those above, lowest first. */
export type Tree = readonly Uint8Array[]

/** The piece whose content is needed for an answer; nothing when the tree is enough. Hashes below the pieces never span two. */
export function pieceAsked({ layer, index, length }: HashRequest, sizeBytes: number): number | undefined {
  const below = pieceLayerOf(sizeBytes) - layer
  return below <= 0 || length > 2 ** below ? undefined : Math.floor(index / 2 ** below)
}

/**
 * The answer of a holder, who reads the piece that `pieceAsked` names and gives its `leaves`. Nothing when the request
 * makes no sense: also when it is for more blocks at a time than a piece has.
 */
export function answerHashes(
  request: HashRequest,
  tree: Tree,
  sizeBytes: number,
  leaves?: Uint8Array
): Buffer | undefined {
  const { layer, index, length, proofLayers } = request
  if (!makesSense(request, sizeBytes)) return undefined
  const pieceLayer = pieceLayerOf(sizeBytes)
  const piece = pieceAsked(request, sizeBytes)
  if (layer < pieceLayer && (piece === undefined || leaves === undefined)) return undefined
  // Layers below the pieces begin where the piece does.
  const below: Uint8Array[] = []
  for (let at = 0, hashes = leaves; piece !== undefined && hashes !== undefined && at < pieceLayer; at++) {
    below.push(hashes)
    hashes = layerAbove(hashes, at)
  }
  const hashOf = (at: number, number: number): Uint8Array => {
    const inPiece = at < pieceLayer
    const hashes = (inPiece ? below[at] : tree[at - pieceLayer]) ?? Buffer.alloc(0)
    const found = hashAt(hashes, inPiece ? number - (piece ?? 0) * 2 ** (pieceLayer - at) : number)
    return found.length === HASH_BYTES ? found : padding(at)
  }
  const answer = Buffer.allocUnsafe((length + proofLayers) * HASH_BYTES)
  for (let number = 0; number < length; number++) answer.set(hashOf(layer, index + number), number * HASH_BYTES)
  let position = index / length
  for (let number = 0; number < proofLayers; number++) {
    const uncle = position % 2 === 0 ? position + 1 : position - 1
    answer.set(hashOf(layer + Math.log2(length) + number, uncle), (length + number) * HASH_BYTES)
    position = Math.floor(position / 2)
  }
  return answer
}

/** Hashes a file as it comes in. */
export interface RootHasher {
  update: (chunk: Uint8Array) => void
  /** The root, 64 lower-case hex digits. Ends the hasher. */
  digest: () => string
  /** After `digest`: the hashes of the pieces, one after the other; empty for a file of one piece or less. */
  layer: () => Buffer
}

/** A hasher for the root of a file. Keeps one hash a level of the tree and one a piece. */
export function createRootHasher(): RootHasher {
  // Roots of full subtrees, highest first: at most one of each height, as the ones of a binary number.
  const stack: { height: number; digest: Buffer }[] = []
  let pieces = Buffer.alloc(0)
  let pieceCount = 0
  // Blocks that lie across chunks are hashed piece by piece; whole ones in one call, which is faster by a third.
  let partial: Hash | undefined
  let partialBytes = 0

  function add(node: Buffer, nodeHeight: number): void {
    let digest = node
    let height = nodeHeight
    for (let left = stack.at(-1); ; left = stack.at(-1)) {
      if (height === PIECE_LAYER) keepPiece(digest)
      if (left?.height !== height) break
      stack.pop()
      digest = join(left.digest, digest)
      height += 1
    }
    stack.push({ height, digest })
  }

  function keepPiece(digest: Buffer): void {
    const at = pieceCount * HASH_BYTES
    if (at === pieces.length) pieces = Buffer.concat([pieces], Math.max(16 * HASH_BYTES, 2 * at))
    pieces.set(digest, at)
    pieceCount += 1
  }

  function update(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length) {
      if (partialBytes === 0 && chunk.length - at >= BLOCK_BYTES) {
        add(hash('sha256', chunk.subarray(at, at + BLOCK_BYTES), 'buffer'), 0)
        at += BLOCK_BYTES
        continue
      }
      const part = chunk.subarray(at, at + BLOCK_BYTES - partialBytes)
      partial ??= createHash('sha256')
      partial.update(part)
      partialBytes += part.length
      at += part.length
      if (partialBytes === BLOCK_BYTES) endPartial()
    }
  }

  function endPartial(): void {
    if (partial !== undefined) add(partial.digest(), 0)
    partial = undefined
    partialBytes = 0
  }

  /** Takes what stands on the stack up to `below` as one subtree of that height at least. */
  function fold(below: number): { height: number; digest: Buffer } | undefined {
    const last = stack.at(-1)
    if (last === undefined || last.height >= below) return undefined
    let { height, digest } = last
    stack.pop()
    for (let left = stack.at(-1); left !== undefined && left.height < below; left = stack.at(-1)) {
      stack.pop()
      for (; height < left.height; height++) digest = join(digest, padding(height))
      digest = join(left.digest, digest)
      height += 1
    }
    return { height, digest }
  }

  function digest(): string {
    endPartial()
    const last = pieceCount === 0 ? undefined : fold(PIECE_LAYER)
    if (last !== undefined) {
      let piece = last.digest
      for (let height = last.height; height < PIECE_LAYER; height++) piece = join(piece, padding(height))
      add(piece, PIECE_LAYER)
    }
    return fold(Infinity)?.digest.toString('hex') ?? EMPTY_ROOT
  }

  return {
    update,
    digest,
    layer: () => (pieceCount < 2 ? Buffer.alloc(0) : Buffer.from(pieces.subarray(0, pieceCount * HASH_BYTES)))
  }
}
