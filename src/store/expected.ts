/** What the root of a file promises of its pieces: hashes of the piece layer, taken in window by window as they are needed. */
import type { HashRequest } from '../streams/ports.js'
import { BLOCK_BYTES, leavesOf, PIECE_BYTES, PIECE_LAYER, provenHashes, treeHeight } from './merkle.js'

/** Hashes asked for at once: 32 KiB, those of 1 GiB. */
const WINDOW = 1_024
const HASH_BYTES = 32

export function expectedPieces(root: string, sizeBytes: number) {
  const pieces = Math.ceil(sizeBytes / PIECE_BYTES)
  const height = treeHeight(sizeBytes)
  /** The piece layer, filled up to a power of two. */
  const width = 2 ** Math.max(0, height - PIECE_LAYER)
  const window = Math.min(WINDOW, width)
  const hashes = new Map<number, Buffer>()
  const windowOf = (piece: number) => Math.floor(piece / window)

  return {
    /** The hash of a piece, once it is known. A file of one piece has its root there. */
    hash(piece: number): Uint8Array | undefined {
      if (pieces <= 1) return Buffer.from(root, 'hex')
      const known = hashes.get(windowOf(piece))
      const at = (piece % window) * HASH_BYTES
      return known?.subarray(at, at + HASH_BYTES)
    },
    /** What has to be asked for to know it. */
    wants(piece: number): HashRequest | undefined {
      if (pieces <= 1 || hashes.has(windowOf(piece))) return undefined
      const proofLayers = height - PIECE_LAYER - Math.log2(window)
      return { root, layer: PIECE_LAYER, index: windowOf(piece) * window, length: window, proofLayers }
    },
    learn(request: HashRequest, bytes: Uint8Array): boolean {
      const proven = provenHashes(request, bytes, sizeBytes)
      if (proven === undefined || request.layer !== PIECE_LAYER || request.length !== window) return false
      hashes.set(request.index / window, proven)
      return true
    },
    /** The hashes of the blocks of a piece, alone: the hash of the piece, which is known, vouches for them. */
    wantsBlocks(piece: number): HashRequest {
      const length = pieces <= 1 ? 2 ** height : 2 ** PIECE_LAYER
      return { root, layer: 0, index: piece * length, length, proofLayers: height - Math.log2(length) }
    },
    /** Which blocks of a piece in memory differ from what is promised; nothing when `answer` is not what was asked for. */
    wrongBlocks(request: HashRequest, piece: Uint8Array, answer: Uint8Array): readonly number[] | undefined {
      const right = provenHashes(request, answer, sizeBytes)
      if (right === undefined) return undefined
      const leaves = leavesOf(piece)
      const blocks = Math.ceil(piece.length / BLOCK_BYTES)
      return Array.from({ length: blocks }, (_, block) => block).filter((block) => {
        const at = block * HASH_BYTES
        return !leaves.subarray(at, at + HASH_BYTES).equals(right.subarray(at, at + HASH_BYTES))
      })
    }
  }
}
