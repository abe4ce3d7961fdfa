/**
 * Puts the bytes of a read where they belong: piece by piece into memory of the download. A transport that can reads
 * straight into that memory; what comes in memory of its own is copied.
 */
import { PIECE_BYTES } from './pieces.js'
import type { Download, Memory, PieceMemory } from './ports.js'

/** What is lent when there is no memory for the next piece at once: small, since it has to be copied. */
const SPILL_BYTES = 64 * 1024

export interface Filler {
  /** For the transport. */
  readonly memory: Memory
  /** Takes a chunk, in order; gives the pieces that are whole now. Waits for memory where there is none. */
  readonly accept: (chunk: Uint8Array) => AsyncIterable<number>
  /** Hands the memory of a whole piece over. */
  readonly take: (piece: number) => PieceMemory | undefined
  /** Gives back all memory that was not handed over. */
  readonly release: () => void
}

/** `start` and `end` are bytes of the file; `start` is where a piece begins. */
export function createFiller(place: Pick<Download, 'memory' | 'memoryNow' | 'size'>, start: number): Filler {
  const slots = new Map<number, PieceMemory>()
  const spills: Uint8Array[] = []
  let released = false
  /** Where the transport is, and where we are. */
  let lentTo = start
  let takenTo = start

  const pieceAt = (position: number) => Math.floor(position / PIECE_BYTES)
  const endOf = (piece: number) => Math.min(place.size, (piece + 1) * PIECE_BYTES)

  /** Whoever waited for memory may have been sent home meanwhile. */
  function put(piece: number, slot: PieceMemory): PieceMemory | undefined {
    if (released) {
      slot.release()
      return undefined
    }
    slots.set(piece, slot)
    return slot
  }

  return {
    memory(filledBytes) {
      lentTo += filledBytes
      const piece = pieceAt(lentTo)
      const from = lentTo - piece * PIECE_BYTES
      const room = endOf(piece) - lentTo
      let slot = slots.get(piece)
      if (slot === undefined && room > 0 && from === 0 && !released) {
        const now = place.memoryNow()
        if (now !== undefined) slot = put(piece, now)
      }
      if (slot !== undefined && room > 0) return slot.bytes.subarray(from, from + room)
      // Two in turn: what is in the one has not been taken yet when the other is lent.
      const spill = spills.length < 2 ? new Uint8Array(SPILL_BYTES) : (spills.shift() ?? new Uint8Array(SPILL_BYTES))
      spills.push(spill)
      return room > 0 ? spill.subarray(0, room) : spill
    },
    async *accept(chunk) {
      for (let rest = chunk; rest.length > 0; ) {
        if (released) return
        const piece = pieceAt(takenTo)
        const slot = slots.get(piece) ?? put(piece, await place.memory())
        if (slot === undefined) return
        const at = takenTo - piece * PIECE_BYTES
        const part = rest.subarray(0, endOf(piece) - takenTo)
        const inPlace = part.buffer === slot.bytes.buffer && part.byteOffset === slot.bytes.byteOffset + at
        if (!inPlace) slot.bytes.set(part, at)
        rest = rest.subarray(part.length)
        takenTo += part.length
        if (takenTo === endOf(piece)) yield piece
      }
    },
    take(piece) {
      const slot = slots.get(piece)
      slots.delete(piece)
      return slot
    },
    release() {
      released = true
      for (const slot of slots.values()) slot.release()
      slots.clear()
    }
  }
}
