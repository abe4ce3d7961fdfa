/** A place in memory: a file on its way in without a disk. Its roots are plain text, so its hashes are what a test says. */

import { PIECE_BYTES, piecesOf } from '../../src/streams/pieces.js'
import type { Download, Downloads, HashRequest, PieceMemory } from '../../src/streams/ports.js'

export interface PlaceOptions {
  /** What is right; anything when absent. */
  readonly content?: Uint8Array
  /** Told what is done to the place. */
  readonly log?: string[]
  /** Pieces that an earlier try left. */
  readonly there?: readonly number[]
  readonly remains?: Download['remains']
  readonly slots?: number
  /** Whether the hashes have to be learnt first. */
  readonly hashes?: 'known' | 'wanted'
  readonly keep?: () => Promise<never>
  readonly rootOf?: (bytes: Uint8Array) => string
}

export interface MemoryPlace extends Download {
  readonly bytes: Uint8Array
  /** Memory that is lent at the moment, and those who wait for some. */
  readonly lent: () => number
  readonly waiting: () => number
}

export const HASHES = Uint8Array.of(1, 2, 3)
const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')

export function createPlace(size: number, options: PlaceOptions = {}): MemoryPlace {
  const { content, log = [], there = [], remains, slots = 8, hashes = 'known', keep, rootOf = textOf } = options
  const bytes = new Uint8Array(size)
  const pieces = piecesOf(size)
  const have = new Set<number>()
  const waiting: ((memory: PieceMemory) => void)[] = []
  let lent = 0
  let known = hashes === 'known'
  const lengthOf = (piece: number) => Math.min(PIECE_BYTES, size - piece * PIECE_BYTES)

  function memory(): PieceMemory {
    let released = false
    lent += 1
    return {
      bytes: new Uint8Array(PIECE_BYTES),
      release() {
        if (released) return
        released = true
        lent -= 1
        if (waiting.length > 0) waiting.shift()?.(memory())
      }
    }
  }

  return {
    bytes,
    lent: () => lent,
    waiting: () => waiting.length,
    size,
    pieces,
    remains,
    memory: () => (lent < slots ? Promise.resolve(memory()) : new Promise((give) => waiting.push(give))),
    memoryNow: () => (lent < slots ? memory() : undefined),
    wants: () => (known ? undefined : requestOf()),
    learn: (_, given) => {
      known ||= Buffer.from(given).equals(HASHES)
      return known
    },
    async keep(piece, given) {
      if (keep !== undefined) {
        given.release()
        return keep()
      }
      const part = given.bytes.slice(0, lengthOf(piece))
      await Promise.resolve()
      const right = content?.slice(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES)
      if (right !== undefined && !Buffer.from(right).equals(part)) return { type: 'wrong' }
      bytes.set(part, piece * PIECE_BYTES)
      have.add(piece)
      given.release()
      log.push(`keep ${piece}`)
      return { type: 'kept' }
    },
    wantsBlocks: requestOf,
    wrongBlocks(piece, given, answer) {
      if (content === undefined || !Buffer.from(answer).equals(HASHES)) return undefined
      const wrong: { start: number; end: number }[] = []
      for (let at = piece * PIECE_BYTES; at < piece * PIECE_BYTES + lengthOf(piece); at += 16_384) {
        const end = Math.min(at + 16_384, piece * PIECE_BYTES + lengthOf(piece))
        const mine = given.bytes.subarray(at - piece * PIECE_BYTES, end - piece * PIECE_BYTES)
        if (!Buffer.from(content.subarray(at, end)).equals(mine)) wrong.push({ start: at, end })
      }
      return wrong
    },
    async *check() {
      await Promise.resolve()
      for (const piece of there) {
        if (!known) return
        bytes.set(content?.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES) ?? [], piece * PIECE_BYTES)
        have.add(piece)
        yield piece
      }
    },
    rewind() {
      log.push('rewind')
      have.clear()
      return Promise.resolve()
    },
    finish(promised) {
      const root = rootOf(bytes)
      const right = have.size === pieces && (promised === undefined || promised === root)
      if (right) return Promise.resolve({ path: '/x', root })
      return Promise.reject(Object.assign(new Error('not what was offered'), { code: 'INTEGRITY' }))
    },
    abandon() {
      if (log.at(-1) !== 'abandon') log.push('abandon')
      return Promise.resolve()
    }
  }
}

const requestOf = (): HashRequest => ({ root: 'root', layer: 0, index: 0, length: 1, proofLayers: 0 })

export const placing = (place: Download): Downloads => ({ begin: () => Promise.resolve(place) })
