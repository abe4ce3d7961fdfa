/** One HTTP request as a neighbour makes it: bounded in every phase, and gone at once when nobody wants it any more. */
import { type Agent, type IncomingMessage, request } from 'node:http'
import { type ErrorCode, P2pError } from '../../errors.js'
import type { FailureReason, PeerUrl } from '../../streams/ports.js'
import type { HttpLimits } from './limits.js'

/** Why a neighbour gave no usable answer. */
export class CallFailed extends P2pError {
  constructor(
    readonly reason: FailureReason,
    message: string,
    cause?: unknown
  ) {
    super(CODE_OF[reason], message, { cause })
  }
}

const CODE_OF: Readonly<Record<FailureReason, ErrorCode>> = {
  refused: 'NETWORK',
  reset: 'NETWORK',
  'timed-out': 'TIMEOUT',
  'not-a-peer': 'NETWORK',
  nonsense: 'NETWORK',
  ourselves: 'OWN_ALIAS',
  'other-id': 'NETWORK'
}

export interface Exchange {
  readonly peer: PeerUrl
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Buffer
  /** Keeps connections for later; without one the connection ends with the answer. */
  readonly agent: Agent | undefined
  /** Time to the head of the answer, in milliseconds; without one the caller has a deadline of its own. */
  readonly headTimeoutMs?: number
  readonly limits: HttpLimits
  readonly signal: AbortSignal
}

/**
 * Sends a request and resolves with the head of its answer; redirects are not followed. Rejects with
 * {@link CallFailed}. A kept-alive connection may have been closed by the other side just as we used it:
 * then, and only then, the request is sent once more on a new one, as all our calls may be repeated.
 */
export async function exchange(init: Exchange): Promise<IncomingMessage> {
  try {
    return await attempt(init)
  } catch (error) {
    if (!(error instanceof StaleConnection)) throw error
    return await attempt({ ...init, agent: undefined })
  }
}

/** Worth one more try on a new connection. */
export class StaleConnection extends CallFailed {}

function attempt(init: Exchange): Promise<IncomingMessage> {
  const { peer, method, path, headers, body, agent, headTimeoutMs, limits, signal } = init
  const { hostname, port } = addressOf(peer)
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(new CallFailed('reset', 'taken back'))
      return
    }
    const call = request({
      hostname,
      port,
      method,
      path,
      // Foreign peers serve one connection at a time and need the length beforehand (WIRE W3, W4).
      headers: {
        ...headers,
        ...(body === undefined ? {} : { 'Content-Length': body.length }),
        ...(agent === undefined ? { Connection: 'close' } : {})
      },
      agent: agent ?? false,
      maxHeaderSize: limits.maxHeaderBytes
    })
    const timers: NodeJS.Timeout[] = []
    const limit = (ms: number, phase: string) => {
      const timer = setTimeout(() => call.destroy(new CallFailed('timed-out', `${phase} took over ${ms} ms`)), ms)
      timers.push(timer)
      return timer
    }
    const takeBack = () => call.destroy()
    const settled = () => timers.forEach(clearTimeout)
    signal.addEventListener('abort', takeBack, { once: true })
    call.once('close', () => {
      settled()
      signal.removeEventListener('abort', takeBack)
    })
    call.once('socket', (socket) => {
      if (headTimeoutMs !== undefined) limit(headTimeoutMs, 'the answer')
      if (!socket.connecting) return
      const timer = limit(limits.connectTimeoutMs, 'connecting')
      socket.once('connect', () => clearTimeout(timer))
    })
    call.once('response', (response) => {
      settled()
      // Kept for whoever reads the body later; without a listener Node drops the cause.
      response.on('error', () => undefined)
      resolve(response)
    })
    call.on('error', (error: NodeJS.ErrnoException) => {
      settled()
      reject(failureOf(error, call.reusedSocket))
    })
    call.end(body)
  })
}

/** Where a peer listens; any URL of another scheme is no peer of ours. */
export function addressOf(peer: PeerUrl): { hostname: string; port: number } {
  const url = URL.canParse(peer) ? new URL(peer) : undefined
  if (url?.protocol !== 'http:') throw new CallFailed('not-a-peer', `${peer} is not an http URL`)
  return { hostname: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? 80 : Number(url.port) }
}

const BROKEN = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED'])

export function failureOf(error: NodeJS.ErrnoException, reused: boolean): CallFailed {
  if (error instanceof CallFailed) return error
  const code = error.code ?? ''
  // An AggregateError (one per address of a name) has no message of its own.
  const message = error.message === '' ? code : error.message
  if (BROKEN.has(code)) return new (reused ? StaleConnection : CallFailed)('reset', message, error)
  if (code === 'ETIMEDOUT') return new CallFailed('timed-out', message, error)
  if (code === 'HPE_HEADER_OVERFLOW') return new CallFailed('nonsense', message, error)
  if (code.startsWith('HPE_')) return new CallFailed('not-a-peer', message, error)
  return new CallFailed('refused', message, error)
}

/**
 * The body of an answer. While the reader is busy with a piece no clock runs, so a slow disk of ours
 * is never taken for a slow neighbour. `leastBytes` have to come within each `idleTimeoutMs`: for content more than one,
 * or a neighbour could hold us for years. Throws {@link CallFailed}; leaving the loop closes the connection.
 */
export async function* bodyOf(
  response: IncomingMessage,
  idleTimeoutMs: number,
  leastBytes = 1
): AsyncGenerator<Buffer, void> {
  let waiting = true
  let bytes = 0
  // One timer for the whole body: a new one for each piece would cost more than reading it.
  const timer = setTimeout(() => {
    if (waiting) response.destroy(new CallFailed('timed-out', `too slow: ${bytes} bytes in ${idleTimeoutMs} ms`))
    else timer.refresh()
  }, idleTimeoutMs)
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      waiting = false
      bytes += chunk.length
      yield chunk
      waiting = true
      if (bytes < leastBytes) continue
      bytes = 0
      timer.refresh()
    }
  } catch (error) {
    throw error instanceof CallFailed ? error : new CallFailed('reset', 'the connection broke within the answer', error)
  } finally {
    clearTimeout(timer)
  }
}

/** A short body as a whole. Throws {@link CallFailed}. */
export async function readWhole(response: IncomingMessage, maxBytes: number, idleTimeoutMs: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of bodyOf(response, idleTimeoutMs)) {
    length += chunk.length
    if (length > maxBytes) throw new CallFailed('nonsense', `the answer is longer than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
