/** The memory of all pieces on their way, shared with the threads that hash them. */
import type { PieceMemory } from '../streams/ports.js'

/** One piece. */
export const SLOT_BYTES = 1024 * 1024
/** Pieces that are being received, hashed or written at once, over all downloads: each lane fills one while others are hashed. */
export const MAX_SLOTS = 20

const WASM_PAGE_BYTES = 64 * 1024

/** A slot of the shared memory. */
export interface Slot extends PieceMemory {
  readonly number: number
}

export interface SlotPool {
  readonly shared: SharedArrayBuffer
  /** At once, or nothing. */
  readonly tryTake: () => Slot | undefined
  /** Those who wait are served in their order. Rejects when the pool ends. */
  readonly take: () => Promise<Slot>
  readonly end: (cause: Error) => void
}

export function createSlotPool(): SlotPool {
  // Pages that nobody touches cost nothing.
  const shared = pageAligned(MAX_SLOTS * SLOT_BYTES)
  // The last one given back is taken first: its pages are warm.
  const free = Array.from({ length: MAX_SLOTS }, (_, index) => MAX_SLOTS - 1 - index)
  /** As many as there are lanes without memory. */
  const waiting: { readonly give: (slot: Slot) => void; readonly fail: (cause: Error) => void }[] = []
  let ended: Error | undefined

  function slot(number: number): Slot {
    let released = false
    return {
      number,
      bytes: new Uint8Array(shared, number * SLOT_BYTES, SLOT_BYTES),
      release() {
        if (released) return
        released = true
        const next = waiting.shift()
        if (next === undefined) free.push(number)
        else next.give(slot(number))
      }
    }
  }

  const tryTake = () => {
    const number = waiting.length > 0 ? undefined : free.pop()
    return number === undefined ? undefined : slot(number)
  }

  return {
    shared,
    tryTake,
    take() {
      if (ended !== undefined) return Promise.reject(ended)
      const now = tryTake()
      if (now !== undefined) return Promise.resolve(now)
      return new Promise((give, fail) => waiting.push({ give, fail }))
    },
    end(cause) {
      ended = cause
      for (const { fail } of waiting.splice(0)) fail(cause)
    }
  }
}

/** Memory that begins at a page, which a disk asks of what is written past the page cache: only that of WebAssembly promises it. */
function pageAligned(sizeBytes: number): SharedArrayBuffer {
  const pages = sizeBytes / WASM_PAGE_BYTES
  return new Memory({ initial: pages, maximum: pages, shared: true }).buffer
}

/** As much of it as is used here: the compiler knows it with the types of browsers only. */
type Wasm = {
  Memory: new (size: { initial: number; maximum: number; shared: true }) => { readonly buffer: SharedArrayBuffer }
}
const { Memory } = (globalThis as unknown as { WebAssembly: Wasm }).WebAssembly
