/** The holder's side of a body: from the disk to the socket, as fast as both and the rate allow, in a bounded memory. */
import type { ServerResponse } from 'node:http'
import type { Source } from '../../streams/ports.js'
import type { Throttle } from './data/connection.js'
import {
  FREE_BYTES,
  type HttpLimits,
  LEAST_CONTENT_BYTES,
  MAX_LENT_BUFFERS,
  MAX_LENT_BUFFERS_PER_ADDRESS,
  SEND_BUFFERS,
  SEND_BYTES,
  SPARE_BYTES
} from './limits.js'

export interface Loan {
  readonly buffer: Uint8Array
  /** A small one, in place of those that are lent out. */
  readonly isSpare: boolean
  readonly giveBack: () => void
}

/**
 * Lends buffers to all answers of a peer. Nobody ever waits for one: a slow reader would hold up the others. So it gives
 * little to who has much already, be it by many connections from one address.
 */
export interface Lender {
  readonly lend: (address: string) => Loan
}

export function createLender(): Lender {
  const kept: Uint8Array[] = []
  const lentTo = new Map<string, number>()
  let lent = 0
  return {
    lend(address) {
      const theirs = lentTo.get(address) ?? 0
      if (lent >= MAX_LENT_BUFFERS || theirs >= MAX_LENT_BUFFERS_PER_ADDRESS)
        return { buffer: Buffer.allocUnsafeSlow(SPARE_BYTES), isSpare: true, giveBack: () => undefined }
      lent++
      lentTo.set(address, theirs + 1)
      const buffer = kept.pop() ?? Buffer.allocUnsafeSlow(SEND_BYTES)
      const giveBack = () => {
        lent--
        const left = (lentTo.get(address) ?? 1) - 1
        if (left === 0) lentTo.delete(address)
        else lentTo.set(address, left)
        // What a burst has needed is not kept for ever.
        if (kept.length < SEND_BUFFERS * 4) kept.push(buffer)
      }
      return { buffer, isSpare: false, giveBack }
    }
  }
}

export interface BytesToSend {
  readonly start: number
  readonly end: number
  readonly lend: () => Loan
  readonly throttle: Throttle
  readonly limits: HttpLimits
}

/** Sends the bytes of a source behind a head that is set. Rejects when not all of them could be sent. */
export async function sendBytes(response: ServerResponse, source: Source, what: BytesToSend): Promise<void> {
  const { start, end, throttle, limits } = what
  let taken: Promise<void> | undefined
  // Who waits for its turn in the rate is not slow.
  response.setTimeout(limits.slowReaderTimeoutMs, () => {
    if (taken === undefined) response.destroy()
  })
  const turn = async (bytes: number) => {
    taken = throttle.take(bytes)
    await taken
    taken = undefined
  }
  const out = new Out(response, limits.slowReaderTimeoutMs)
  const free = throttle.sliceBytes() === Infinity
  if (source.bytes !== undefined && free) {
    response.end(source.bytes.subarray(start, end))
    return
  }
  if (source.readAt !== undefined && end - start <= FREE_BYTES && free) {
    const whole = Buffer.allocUnsafe(end - start)
    await fill(source.readAt, whole, start).catch((error: unknown) => {
      response.flushHeaders()
      throw error
    })
    response.end(whole)
    return
  }
  // The head goes first, so that a source that breaks at once still breaks as a body, not as a refusal.
  response.flushHeaders()
  if (source.readAt === undefined) await copyChunks(source.read(start, end), out, throttle, turn)
  else await copyAhead(source.readAt, out, what, turn)
  response.end()
}

type Turn = (bytes: number) => Promise<void>

/** With buffers in turn: a buffer is free again when the kernel has taken what was in it. */
async function copyAhead(
  readAt: NonNullable<Source['readAt']>,
  out: Out,
  { start, end, lend, throttle }: BytesToSend,
  turn: Turn
): Promise<void> {
  const wanted = Math.min(SEND_BUFFERS, Math.ceil((end - start) / SEND_BYTES))
  const loans: (Loan & { sent: Promise<void> })[] = []
  // One spare buffer is enough to go on with, and there may be many who get one.
  while (loans.length < wanted && loans.at(-1)?.isSpare !== true) loans.push({ ...lend(), sent: Promise.resolve() })
  const count = loans.length
  try {
    for (let position = start, at = 0; position < end; at = (at + 1) % count) {
      const loan = loans[at]
      if (loan === undefined) break
      await loan.sent
      const length = Math.min(loan.buffer.length, end - position, throttle.sliceBytes())
      const filled = loan.buffer.subarray(0, length)
      await fill(readAt, filled, position)
      await turn(length)
      loan.sent = out.write(filled)
      position += length
    }
    for (const { sent } of loans) await sent
  } finally {
    out.close()
    for (const { giveBack } of loans) giveBack()
  }
}

async function copyChunks(chunks: AsyncIterable<Uint8Array>, out: Out, throttle: Throttle, turn: Turn): Promise<void> {
  let sent = Promise.resolve()
  try {
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length; ) {
        const slice = chunk.subarray(at, at + throttle.sliceBytes())
        at += slice.length
        await turn(slice.length)
        await sent
        sent = out.write(slice)
      }
    }
    await sent
  } finally {
    out.close()
  }
}

async function fill(readAt: NonNullable<Source['readAt']>, memory: Uint8Array, position: number): Promise<void> {
  if ((await readAt(memory, position)) < memory.length) throw new Error('The file ended early.')
}

/**
 * A response as a row of writes, each of which settles, also when the connection breaks. A reader that takes a few bytes now
 * and then would keep its slot for ever, so it has to keep the pace that we ask of a holder. Only the time counts in which
 * there is something to take.
 */
class Out {
  readonly #response: ServerResponse
  readonly #paceMs: number
  /** What has been given and not been taken yet, first the one that is being taken. */
  readonly #untaken: number[] = []
  /** Until when the first of them has to be taken. */
  #dueAtMs = 0
  /** How far ahead of the pace the reader is. */
  #aheadMs: number
  #timer: NodeJS.Timeout | undefined
  readonly #pending = new Set<(error: Error) => void>()
  readonly #broke = () => {
    for (const reject of this.#pending) reject(new Error('The reader has gone.'))
  }

  /** `paceMs`: for `LEAST_CONTENT_BYTES`. */
  constructor(response: ServerResponse, paceMs: number) {
    this.#response = response
    this.#paceMs = paceMs
    this.#aheadMs = paceMs
    response.once('close', this.#broke)
  }

  /** Resolves when the kernel has taken it all, so that its memory may be used again. */
  write(bytes: Uint8Array): Promise<void> {
    const written = new Promise<void>((resolve, reject) => {
      if (this.#response.destroyed) throw new Error('The reader has gone.')
      this.#pending.add(reject)
      if (this.#untaken.push(bytes.length) === 1) this.#watch()
      this.#response.write(bytes, (error) => {
        this.#pending.delete(reject)
        this.#taken()
        if (error) reject(error)
        else resolve()
      })
    })
    // It is waited for later, or not at all when something else has broken first.
    written.catch(() => undefined)
    return written
  }

  #watch(): void {
    const [bytes = 0] = this.#untaken
    const leftMs = this.#aheadMs + (bytes / LEAST_CONTENT_BYTES) * this.#paceMs
    this.#dueAtMs = performance.now() + leftMs
    this.#timer = setTimeout(() => this.#response.destroy(), leftMs)
  }

  #taken(): void {
    clearTimeout(this.#timer)
    this.#aheadMs = Math.min(this.#paceMs, Math.max(0, this.#dueAtMs - performance.now()))
    this.#untaken.shift()
    if (this.#untaken.length > 0 && !this.#response.destroyed) this.#watch()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#response.off('close', this.#broke)
  }
}
