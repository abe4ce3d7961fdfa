/** Where the bytes of one body land, and the reader's view of them. */
import type { Memory } from '../../../streams/ports.js'

/** Fewer bytes wait for the end of the turn of the event loop before their reader is woken: a TLS record is 16 KiB. */
const WAKE_BYTES = 256 * 1024

/** Memory of our own for readers who bring none: more is not faster, and what is not read yet is held. */
const OWN_BYTES = 256 * 1024

interface LandingInit {
  readonly length: number
  readonly memory: Memory | undefined
  /** The reader wants more, and there may be room for it again. */
  readonly onWanted: () => void
  /** The reader has read all, or has stopped. */
  readonly onLeft: () => void
}

/**
 * The bytes are put into memory by the connection and read out of it as views, without a copy. Bytes land ahead of their
 * reader only as far as one stretch of memory goes; the next stretch waits until the reader is done with the last one.
 */
export class Landing implements AsyncIterableIterator<Uint8Array> {
  readonly #memory: Memory
  readonly #init: LandingInit
  #bytesLeft: number
  /** What is still free of the present stretch, and what has landed in it. */
  #free: Uint8Array | undefined
  #filledBytes = 0
  /** Landed and not read yet. */
  #landed: Uint8Array | undefined
  /** A stretch has ended; bytes may land in the next one when its reader comes back for more. */
  #turning = false
  #state: 'open' | 'left' | Error = 'open'
  #waking = false
  #waiting: { resolve: (result: IteratorResult<Uint8Array>) => void; reject: (error: Error) => void } | undefined

  constructor(init: LandingInit) {
    this.#init = init
    this.#bytesLeft = init.length
    this.#memory = init.memory ?? ownMemory(init.length)
  }

  get bytesLeft(): number {
    return this.#bytesLeft
  }

  /** Whether bytes may land now. */
  get isOpen(): boolean {
    return !this.#turning
  }

  /** Where the next bytes of this body belong, never beyond its end; never empty before that. */
  room(): Uint8Array {
    this.#free ??= this.#memory(0)
    if (this.#free.length === 0) throw new Error('There is no memory for the bytes of an answer.')
    return this.#free.length > this.#bytesLeft ? this.#free.subarray(0, this.#bytesLeft) : this.#free
  }

  /** `count` bytes have come into `room`. */
  took(count: number): void {
    const free = this.#free
    if (free === undefined || count === 0) return
    this.#bytesLeft -= count
    const filled = free.subarray(0, count)
    const landed = this.#landed
    this.#landed =
      landed === undefined ? filled : new Uint8Array(landed.buffer, landed.byteOffset, landed.length + count)
    this.#filledBytes += count
    this.#free = free.subarray(count)
    if (this.#bytesLeft > 0 && count < free.length) {
      this.#wake()
      return
    }
    // Not asked for at the end: what is lent is scarce.
    if (this.#bytesLeft > 0) {
      this.#free = this.#memory(this.#filledBytes)
      this.#filledBytes = 0
      this.#turning = true
    }
    this.#hand()
  }

  /** More may come in this turn of the event loop, and waking a reader costs as much as a read. */
  #wake(): void {
    if (this.#waiting === undefined || this.#waking) return
    if ((this.#landed?.length ?? 0) >= WAKE_BYTES) {
      this.#hand()
      return
    }
    this.#waking = true
    setImmediate(() => {
      this.#waking = false
      this.#hand()
    })
  }

  /** The connection broke. What has landed before is read first. */
  fail(error: Error): void {
    if (this.#state !== 'open' || this.#bytesLeft === 0) return
    this.#state = error
    this.#hand()
  }

  /** The read was taken back. Whoever reads on all the same must not take this for the end. */
  cut(error: Error): void {
    if (this.#state !== 'open') return
    this.#state = error
    this.#landed = undefined
    this.#hand()
    this.#init.onLeft()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      const open = this.#turning && this.#landed === undefined
      if (open) this.#turning = false
      this.#hand()
      if (open && this.#bytesLeft > 0) this.#init.onWanted()
    })
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.#leave()
    return Promise.resolve({ done: true, value: undefined })
  }

  /** The reader goes away; bytes that still come are nobody's. */
  #leave(): void {
    if (this.#state !== 'open') return
    this.#state = 'left'
    this.#landed = undefined
    this.#waiting?.resolve({ done: true, value: undefined })
    this.#waiting = undefined
    this.#init.onLeft()
  }

  #hand(): void {
    const waiting = this.#waiting
    if (waiting === undefined) return
    const landed = this.#landed
    if (landed !== undefined) {
      this.#waiting = undefined
      this.#landed = undefined
      waiting.resolve({ done: false, value: landed })
    } else if (this.#state instanceof Error) {
      this.#waiting = undefined
      waiting.reject(this.#state)
    } else if (this.#state === 'left' || this.#bytesLeft === 0) {
      this.#waiting = undefined
      this.#leave()
      waiting.resolve({ done: true, value: undefined })
    }
  }
}

/** One stretch after the other, each as long as what is left needs; what was handed out is the reader's for ever. */
function ownMemory(length: number): Memory {
  let left = length
  let free = new Uint8Array(0)
  return (filledBytes) => {
    left -= filledBytes
    free = free.subarray(filledBytes)
    if (free.length === 0 && left > 0) {
      const stretch = Buffer.allocUnsafeSlow(Math.min(left, OWN_BYTES))
      free = new Uint8Array(stretch.buffer, stretch.byteOffset, stretch.length)
    }
    return free
  }
}
