/**
 * One connection of the data plane. Requests go out one behind the other, answers come back in the same order, and
 * their bytes go from the socket straight to where their reader wants them.
 *
 * Node reads into a buffer of our choice (`onread`), and asks for the next one right after each read: also when
 * reading is stopped, and also when an answer has just ended. So there always has to be one that is not empty.
 */
import type { Socket } from 'node:net'
import type { Address, Carrier } from '../carrier.js'
import { CallFailed, failureOf, StaleConnection } from '../failure.js'
import { type HttpLimits, LEAST_CONTENT_BYTES } from '../limits.js'
import { type DataRequest, type Exchange, Unwanted, written } from './exchange.js'
import { BadHead, type Head } from './head.js'
import { Intake } from './intake.js'
import { Landing } from './landing.js'
import { late, Patience } from './patience.js'

/** Interim answers (1xx) before the answer; nobody has reason to send more. */
const MAX_INTERIM = 4
/** What is left of a body nobody wants is read and dropped up to here; a new connection would cost more. */
const MAX_DRAIN_BYTES = 64 * 1024

/** Takes its share of a rate: nothing when there is none left to wait for. */
export interface Throttle {
  /** The most to take at once. */
  readonly sliceBytes: () => number
  readonly take: (bytes: number) => Promise<void> | undefined
}

interface ConnectionInit {
  readonly address: Address
  readonly carrier: Carrier
  readonly limits: HttpLimits
  readonly throttle: Throttle
  /** There is room for another request, or none ever again. */
  readonly onChange: (connection: Connection) => void
}

export class Connection {
  readonly #init: ConnectionInit
  readonly #socket: Socket
  readonly #intake: Intake
  readonly #patience: Patience
  #interim = 0
  /** Where the next read goes, when it is the reader's memory. */
  #direct: Landing | undefined
  readonly #exchanges: Exchange[] = []
  #answered = 0
  #stopped = false
  /** Turns of the rate that are waited for. */
  #turns = 0
  #isOpen = true
  /** The other side ends the connection with the present answer. */
  #isLast = false
  /** Bytes of content since the clock was set. */
  #paced = 0
  #phase: 'connecting' | 'idle' | 'head' | 'body' = 'connecting'

  constructor(init: ConnectionInit) {
    this.#init = init
    this.#intake = new Intake(init.carrier.readsOn)
    this.#patience = new Patience({
      allowedMs: () => this.#allowedMs(),
      // While a reader is busy, or the rate makes us wait, it is not the other side that is slow.
      isExcused: () => this.#phase === 'body' && this.#stopped,
      onExcused: () => this.#restart(),
      onLate: (allowedMs) => this.#end(late(this.#phase, allowedMs, this.#paced))
    })
    this.#socket = init.carrier.open(init.address, () => this.#opened(), {
      buffer: () => this.#nextBuffer(),
      callback: (count, buffer) => this.#read(count, buffer)
    })
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#end(failureOf(error, false)))
    this.#socket.once('end', () => this.#end(new CallFailed('reset', 'the connection broke within the answer')))
    this.#socket.once('close', () => this.#end(new CallFailed('reset', 'the connection was closed')))
    // Without it nobody would hear of the other side's end.
    this.#socket.resume()
    this.#restart()
  }

  /** Requests that have not been answered to the end. */
  get inFlight(): number {
    return this.#exchanges.length
  }

  /** Whether another request may follow. */
  get takesMore(): boolean {
    return this.#isOpen && !this.#isLast
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Resolves with what `receive` makes of the head. Rejects with {@link CallFailed}. */
  send<T>(request: DataRequest<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const takeBack = () => this.#takeBack(exchange)
      const exchange: Exchange = {
        request,
        resolve: resolve as (outcome: unknown) => void,
        reject,
        forget: () => request.signal.removeEventListener('abort', takeBack),
        settled: false,
        landing: undefined
      }
      request.signal.addEventListener('abort', takeBack, { once: true })
      if (this.#exchanges.push(exchange) === 1) {
        this.#socket.ref()
        if (this.#phase === 'idle') this.#enter('head')
      }
      if (this.#phase !== 'connecting') this.#write(request)
    })
  }

  /** It is clear now who is at the other end: what has waited for that may be sent. */
  #opened(): void {
    for (const { request } of this.#exchanges) this.#write(request)
    this.#enter(this.#exchanges.length === 0 ? 'idle' : 'head')
  }

  #write(request: DataRequest<unknown>): void {
    this.#socket.write(written(request, this.#init.address), 'latin1')
  }

  close(): void {
    this.#end(new CallFailed('reset', 'taken back'))
  }

  #nextBuffer(): Uint8Array {
    try {
      const mayLand = this.#isOpen && (!this.#init.carrier.readsOn || this.#mayRead())
      const direct = mayLand ? this.#direct : undefined
      if (direct !== undefined && this.#intake.isEmpty) {
        const room = direct.room()
        const slice = this.#init.throttle.sliceBytes()
        return room.length > slice ? room.subarray(0, slice) : room
      }
    } catch (error) {
      this.#end(asFailure(error))
    }
    if (this.#intake.isFull) this.#end(new CallFailed('nonsense', 'more came than could be held'))
    // Never empty: a head without an end has failed by then, and what waits for its reader came behind a head.
    return this.#isOpen ? this.#intake.room() : this.#intake.anyRoom()
  }

  #read(count: number, buffer: Uint8Array): boolean {
    if (!this.#isOpen) return false
    try {
      if (this.#intake.owns(buffer)) this.#intake.arrived(buffer, count)
      else this.#landed(count)
      this.#work()
    } catch (error) {
      this.#end(asFailure(error))
      return false
    }
    this.#stopped = !this.#mayRead()
    return !this.#stopped
  }

  #mayRead(): boolean {
    if (!this.#isOpen || this.#turns > 0) return false
    return this.#direct?.isOpen ?? true
  }

  /** Bytes have come straight into the reader's memory. */
  #landed(count: number): void {
    const landing = this.#direct
    if (landing === undefined) return
    this.#pace(count)
    landing.took(count)
  }

  /** Content keeps coming at its least pace, and not above the rate. */
  #pace(count: number): void {
    this.#paced += count
    if (this.#paced >= LEAST_CONTENT_BYTES) this.#restart()
    const turn = this.#init.throttle.take(count)
    if (turn === undefined) return
    this.#turns++
    void turn.then(() => {
      this.#turns--
      this.#goOn()
    })
  }

  /** Works on what lies in the buffer, as far as its readers let it. */
  #work(): void {
    while (this.#isOpen) {
      const landing = this.#direct
      if (landing !== undefined) {
        while (landing.bytesLeft > 0 && !this.#intake.isEmpty && landing.isOpen) {
          const count = this.#intake.move(landing.room())
          this.#pace(count)
          landing.took(count)
        }
        if (landing.bytesLeft > 0) break
        this.#direct = undefined
        this.#answerEnded()
        continue
      }
      if (this.#intake.isEmpty || !this.#readHead()) break
    }
    this.#intake.tidy()
  }

  /** Whether a head was there as a whole. */
  #readHead(): boolean {
    const { limits } = this.#init
    const [exchange] = this.#exchanges
    if (exchange === undefined) throw new CallFailed('nonsense', 'an answer came that nobody had asked for')
    const head = this.#intake.takeHead(limits.maxHeaderBytes, limits.maxHeaders)
    if (head === undefined) return false
    if (head.status < 200) {
      if (head.status === 101 || ++this.#interim > MAX_INTERIM) throw new CallFailed('nonsense', `HTTP ${head.status}`)
      return true
    }
    this.#interim = 0
    this.#answer(exchange, head)
    return true
  }

  #answer(exchange: Exchange, head: Head): void {
    const { request } = exchange
    const bodyless = request.method === 'HEAD' || head.status === 204 || head.status === 304
    const length = bodyless ? 0 : head.contentLength
    // Without a length its end would be told in ways we do not read; its head may say what we need all the same.
    this.#isLast ||= !head.keepsAlive || length === undefined
    if (exchange.settled) {
      this.#drop(exchange, length)
      return
    }
    const landing = new Landing({
      length: length ?? 0,
      memory: request.memory,
      onWanted: () => this.#goOn(),
      onLeft: () => this.#left(exchange)
    })
    exchange.settled = true
    let received: unknown
    try {
      received = request.receive(head, landing)
    } catch (error) {
      exchange.reject(asFailure(error))
      this.#drop(exchange, length)
      return
    }
    if (received instanceof Unwanted) {
      exchange.resolve((received as Unwanted<unknown>).outcome)
      this.#drop(exchange, length)
      return
    }
    exchange.resolve(received)
    this.#begin(exchange, landing)
  }

  #begin(exchange: Exchange, landing: Landing): void {
    exchange.landing = landing
    this.#direct = landing
    this.#enter('body')
  }

  /** A body that nobody reads is read and dropped where it is short. */
  #drop(exchange: Exchange, length: number | undefined): void {
    if (length === undefined || length > MAX_DRAIN_BYTES) {
      this.close()
      return
    }
    const landing = new Landing({
      length,
      memory: () => DROPPED,
      onWanted: () => this.#goOn(),
      onLeft: () => undefined
    })
    void drain(landing)
    this.#begin(exchange, landing)
  }

  #answerEnded(): void {
    this.#exchanges.shift()?.forget()
    this.#answered++
    if (this.#isLast) {
      this.close()
      return
    }
    this.#enter(this.#exchanges.length === 0 ? 'idle' : 'head')
    this.#init.onChange(this)
  }

  /**
   * Its reader has gone. The next bytes would still go into memory that is not ours any more (which was chosen when the
   * last ones had come), so nothing may be read to the end here.
   */
  #left({ landing }: Exchange): void {
    if (landing !== undefined && landing.bytesLeft > 0) this.close()
  }

  #takeBack(exchange: Exchange): void {
    if (exchange.landing !== undefined) {
      exchange.landing.cut(new CallFailed('reset', 'taken back'))
      return
    }
    if (exchange.settled) return
    exchange.settled = true
    exchange.reject(new CallFailed('reset', 'taken back'))
    // Unless others wait here too: then its answer is dropped when it comes.
    if (this.#exchanges.length === 1) this.close()
  }

  /** A reader, or the rate, lets us go on. */
  #goOn(): void {
    if (!this.#stopped || !this.#mayRead()) return
    try {
      this.#work()
    } catch (error) {
      this.#end(asFailure(error))
      return
    }
    if (!this.#mayRead()) return
    this.#stopped = false
    if (this.#phase === 'body') this.#restart()
    this.#socket.resume()
  }

  #enter(phase: 'idle' | 'head' | 'body'): void {
    this.#phase = phase
    // Nobody waits for an idle one, so it keeps no process alive.
    if (phase === 'idle') this.#socket.unref()
    this.#restart()
  }

  #allowedMs(): number {
    const { connectTimeoutMs, keepAliveTimeoutMs, idleTimeoutMs } = this.#init.limits
    switch (this.#phase) {
      case 'connecting':
        return connectTimeoutMs
      case 'idle':
        return keepAliveTimeoutMs
      case 'head':
        return this.#exchanges[0]?.request.headTimeoutMs ?? idleTimeoutMs
      case 'body':
        return idleTimeoutMs
    }
  }

  /** The clock of the phase begins anew. */
  #restart(): void {
    this.#paced = 0
    this.#patience.restart()
  }

  #end(error: CallFailed): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#patience.end()
    this.#socket.destroy()
    this.#exchanges.forEach((exchange, at) => {
      exchange.forget()
      if (exchange.landing !== undefined) exchange.landing.fail(error)
      if (exchange.settled) return
      exchange.settled = true
      // Closed by the other side just as we used it, or behind an answer that others wanted: worth another connection.
      const innocent = at > 0 || (this.#answered > 0 && error.reason === 'reset' && this.#intake.isEmpty)
      exchange.reject(innocent ? new StaleConnection('reset', error.message, error) : error)
    })
    this.#exchanges.length = 0
    this.#init.onChange(this)
  }
}

const DROPPED = new Uint8Array(MAX_DRAIN_BYTES)

async function drain(landing: Landing): Promise<void> {
  try {
    while ((await landing.next()).done !== true);
  } catch {
    // The connection has ended, and with it what nobody wanted.
  }
}

function asFailure(error: unknown): CallFailed {
  if (error instanceof CallFailed) return error
  if (error instanceof BadHead) return new CallFailed(error.reason, error.message, error)
  return new CallFailed('nonsense', String(error), error)
}
