import { createHash, type Hash, hash } from 'node:crypto'

/** What BEP 52 hashes as one leaf. */
const BLOCK_BYTES = 16 * 1024

/** Root of nothing: a tree of one leaf that is all padding. BEP 52 itself gives empty files no root. */
export const EMPTY_ROOT = '0'.repeat(64)

/** Hashes a file as it comes in. */
export interface RootHasher {
  update: (chunk: Uint8Array) => void
  /** The root, 64 lower-case hex digits. Ends the hasher. */
  digest: () => string
}

/** Roots of subtrees that are nothing but padding, by height: a leaf of padding is 32 zero bytes. */
const PADDING: Buffer[] = [Buffer.alloc(32)]

/**
 * A hasher for the BitTorrent v2 (BEP 52) merkle root of a file: SHA-256 over blocks of 16 KiB, filled up with zero
 * hashes to a power of two. Keeps one hash a level of the tree, so memory does not grow with the file.
 */
export function createRootHasher(): RootHasher {
  // Roots of full subtrees, highest first: at most one of each height, as the ones of a binary number.
  const stack: { height: number; digest: Buffer }[] = []
  const pair = Buffer.alloc(64)
  // Blocks that lie across chunks are hashed piece by piece; whole ones in one call, which is faster by a third.
  let partial: Hash | undefined
  let partialBytes = 0

  function join(left: Buffer, right: Buffer): Buffer {
    left.copy(pair, 0)
    right.copy(pair, 32)
    return hash('sha256', pair, 'buffer')
  }

  function addLeaf(leaf: Buffer): void {
    let digest = leaf
    let height = 0
    for (let left = stack.at(-1); left?.height === height; left = stack.at(-1)) {
      stack.pop()
      digest = join(left.digest, digest)
      height += 1
    }
    stack.push({ height, digest })
  }

  function update(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length) {
      if (partialBytes === 0 && chunk.length - at >= BLOCK_BYTES) {
        addLeaf(hash('sha256', chunk.subarray(at, at + BLOCK_BYTES), 'buffer'))
        at += BLOCK_BYTES
        continue
      }
      const piece = chunk.subarray(at, at + BLOCK_BYTES - partialBytes)
      partial ??= createHash('sha256')
      partial.update(piece)
      partialBytes += piece.length
      at += piece.length
      if (partialBytes === BLOCK_BYTES) endPartial()
    }
  }

  function endPartial(): void {
    if (partial !== undefined) addLeaf(partial.digest())
    partial = undefined
    partialBytes = 0
  }

  function digest(): string {
    endPartial()
    let root = stack.pop()
    if (root === undefined) return EMPTY_ROOT
    for (let left = stack.pop(); left !== undefined; left = stack.pop()) {
      while (root.height < left.height)
        root = { height: root.height + 1, digest: join(root.digest, padding(root.height)) }
      root = { height: root.height + 1, digest: join(left.digest, root.digest) }
    }
    return root.digest.toString('hex')
  }

  function padding(height: number): Buffer {
    for (let made = PADDING.length; made <= height; made++) {
      const below = PADDING[made - 1] ?? Buffer.alloc(32)
      PADDING.push(join(below, below))
    }
    return PADDING[height] ?? Buffer.alloc(32)
  }

  return { update, digest }
}
