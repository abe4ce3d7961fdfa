/** What has come on a connection and is not worked on yet: heads, and bytes that came behind them. */
import { CallFailed } from '../failure.js'
import { type Head, parseHead } from './head.js'

/** Holds a head, or a good number of short answers at once. */
const HEAD_BUFFER_BYTES = 64 * 1024

export class Intake {
  readonly #buffer: Buffer
  #from = 0
  #to = 0
  /** Where the search for the end of the head goes on. */
  #searched = 0

  /** One that reads on takes what comes after reading was stopped, too. */
  constructor(readsOn: boolean) {
    this.#buffer = Buffer.allocUnsafeSlow(readsOn ? 2 * HEAD_BUFFER_BYTES : HEAD_BUFFER_BYTES)
  }

  get isEmpty(): boolean {
    return this.#from === this.#to
  }

  get isFull(): boolean {
    return this.#to === this.#buffer.length
  }

  /** Where the next bytes may go. */
  room(): Uint8Array {
    return this.#buffer.subarray(this.#to)
  }

  /** All of it, whatever lies there: for bytes that nobody will read. */
  anyRoom(): Uint8Array {
    return this.#buffer
  }

  owns(memory: Uint8Array): boolean {
    return memory.buffer === this.#buffer.buffer
  }

  /** Bytes have come into `memory`, a place that was chosen before what lay there was worked on. */
  arrived(memory: Uint8Array, count: number): void {
    const at = memory.byteOffset - this.#buffer.byteOffset
    if (this.#from === this.#to) this.#from = this.#to = this.#searched = at
    else if (at !== this.#to) this.#buffer.copyWithin(this.#to, at, at + count)
    this.#to += count
  }

  /** Copies as many bytes as fit, and gives how many. */
  move(room: Uint8Array): number {
    const count = Math.min(room.length, this.#to - this.#from)
    room.set(this.#buffer.subarray(this.#from, this.#from + count))
    this.#from += count
    return count
  }

  /** The next head, once all of it is here. Throws {@link CallFailed} and BadHead. */
  takeHead(maxHeaderBytes: number, maxHeaders: number): Head | undefined {
    const at = this.#buffer.indexOf('\r\n\r\n', Math.max(this.#from, this.#searched - 3), 'latin1')
    const end = at === -1 || at >= this.#to - 3 ? this.#to : at
    if (end - this.#from > Math.min(maxHeaderBytes, HEAD_BUFFER_BYTES / 2))
      throw new CallFailed('nonsense', 'the head of the answer is too long')
    if (end === this.#to) {
      this.#searched = this.#to
      return undefined
    }
    const head = parseHead(this.#buffer.toString('latin1', this.#from, end), maxHeaders)
    this.#from = this.#searched = end + 4
    return head
  }

  /** Makes room again for the next read. */
  tidy(): void {
    if (this.#from === this.#to) this.#from = this.#to = this.#searched = 0
    else if (this.#from > 0) {
      this.#buffer.copyWithin(0, this.#from, this.#to)
      this.#searched = Math.max(0, this.#searched - this.#from)
      this.#to -= this.#from
      this.#from = 0
    }
  }
}
