/** The memory of all pieces on their way, shared with the threads that hash them. */
import type { PieceMemory } from '../streams/ports.js'
import { MAX_TRANSFERS } from '../streams/transfer.js'

/** One piece. */
export const SLOT_BYTES = 1024 * 1024
/**
 * Pieces that each download may always have, whatever the others do: one that comes in while another is hashed. A lane
 * keeps its memory until the piece is whole, and the lanes of a few slow downloads would take all there is.
 */
export const OWN_SLOTS = 2
/** Pieces beyond that, over all downloads: each lane of one download fills one while others are hashed. */
export const COMMON_SLOTS = 18
export const MAX_SLOTS = MAX_TRANSFERS * OWN_SLOTS + COMMON_SLOTS

const WASM_PAGE_BYTES = 64 * 1024

/** A slot of the shared memory. */
export interface Slot extends PieceMemory {
  readonly number: number
}

/** What one download takes its memory from. */
export interface SlotShare {
  /** At once, or nothing. */
  readonly tryTake: () => Slot | undefined
  /** Those who wait are served in their order, each as soon as its share allows. Rejects when the pool ends. */
  readonly take: () => Promise<Slot>
}

export interface SlotPool {
  readonly shared: SharedArrayBuffer
  /** For one download. */
  readonly share: () => SlotShare
  readonly end: (cause: Error) => void
}

interface Waiting {
  readonly mayTake: () => boolean
  readonly give: () => void
  readonly fail: (cause: Error) => void
}

export function createSlotPool(): SlotPool {
  // Pages that nobody touches cost nothing.
  const shared = pageAligned(MAX_SLOTS * SLOT_BYTES)
  // The last one given back is taken first: its pages are warm.
  const free = Array.from({ length: MAX_SLOTS }, (_, index) => MAX_SLOTS - 1 - index)
  /** As many as there are lanes without memory. */
  const waiting: Waiting[] = []
  /** Pieces that downloads have beyond their own. */
  let common = 0
  let ended: Error | undefined

  function serve(): void {
    const next = waiting.findIndex(({ mayTake }) => mayTake())
    if (next >= 0) for (const { give } of waiting.splice(next, 1)) give()
  }

  function share(): SlotShare {
    let used = 0
    const mayTake = () => free.length > 0 && (used < OWN_SLOTS || common < COMMON_SLOTS)

    function slot(): Slot | undefined {
      const number = mayTake() ? free.pop() : undefined
      if (number === undefined) return undefined
      used += 1
      if (used > OWN_SLOTS) common += 1
      let released = false
      return {
        number,
        bytes: new Uint8Array(shared, number * SLOT_BYTES, SLOT_BYTES),
        release() {
          if (released) return
          released = true
          free.push(number)
          if (used > OWN_SLOTS) common -= 1
          used -= 1
          serve()
        }
      }
    }

    // Whoever waits and could be served is before us.
    const tryTake = () => (waiting.some((other) => other.mayTake()) ? undefined : slot())

    return {
      tryTake,
      take() {
        if (ended !== undefined) return Promise.reject(ended)
        const now = tryTake()
        if (now !== undefined) return Promise.resolve(now)
        return new Promise((resolve, fail) => {
          const give = () => {
            const given = slot()
            if (given !== undefined) resolve(given)
          }
          waiting.push({ mayTake, give, fail })
        })
      }
    }
  }

  return {
    shared,
    share,
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
