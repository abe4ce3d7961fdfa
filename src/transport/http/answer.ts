/** The answer to one call, at once or after a long wait. */
import type { ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { Observable } from 'rxjs'
import type { PeerUrl } from '../../streams/ports.js'
import { callerId } from './caller.js'
import { callerAddress, isFromHere } from './caller-address.js'
import { HEARTBEAT_MS, type HttpLimits } from './limits.js'
import type { Caller } from './pace.js'

export interface Answer {
  /** Who calls, in a private network. */
  readonly callerId: string | undefined
  /** Where the call comes from. */
  readonly caller: Caller
  /** Whether the caller may tell us of this URL. */
  readonly mayName: (url: PeerUrl) => boolean
  /** Whether somebody at this URL is greeted now because the caller says so; counts, and not without bound. */
  readonly mayIntroduce: (url: PeerUrl) => boolean
  /** Emits when the caller has gone before it was answered. */
  readonly gone$: Observable<unknown>
  /**
   * Tells the caller that an answer will come, by sending its head. From now on a line feed now and then keeps
   * the caller waiting: white space is allowed there in XML, and Python's parsers take it.
   */
  readonly begin: () => void
  /** The whole answer. */
  readonly end: (xml: Buffer) => void
  /** The whole answer, piece by piece, as fast as the caller takes it. Rejects when it could not be sent whole. */
  readonly stream: (xml: AsyncIterable<Uint8Array>) => Promise<void>
}

/** Less than any kernel keeps for a socket. */
const BUFFERED_BYTES = 4_096

const HEAD = { 'Content-Type': 'text/xml', 'X-Content-Type-Options': 'nosniff' }
const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

/** For answers that are none to a call. */
const NO_NAMES = { mayName: () => false, mayIntroduce: () => false }

export function createAnswer(
  response: ServerResponse,
  { slowReaderTimeoutMs }: HttpLimits,
  { mayName, mayIntroduce }: Pick<Answer, 'mayName' | 'mayIntroduce'> = NO_NAMES
): Answer {
  let heartbeat: NodeJS.Timeout | undefined

  const watchReader = () => response.setTimeout(slowReaderTimeoutMs, () => response.destroy())
  const begin = () => {
    if (response.headersSent || response.destroyed) return
    response.writeHead(200, HEAD)
    response.write(DECLARATION)
    heartbeat = setInterval(() => response.write('\n'), HEARTBEAT_MS)
    response.once('close', () => clearInterval(heartbeat))
  }

  return {
    callerId: callerId(response.req),
    // Few want to know.
    get caller() {
      const { socket } = response.req
      return { address: callerAddress(socket), isHere: isFromHere(socket) }
    },
    mayName,
    mayIntroduce,
    gone$: new Observable((subscriber) => {
      const close = () => {
        if (!response.writableFinished) subscriber.next(undefined)
      }
      if (response.destroyed) close()
      response.once('close', close)
      return () => response.off('close', close)
    }),
    begin,
    end(xml) {
      if (response.destroyed) return
      clearInterval(heartbeat)
      // What fits the kernel's buffer needs no reader.
      if (xml.length > BUFFERED_BYTES) watchReader()
      if (response.headersSent) response.end(withoutDeclaration(xml))
      else response.writeHead(200, { ...HEAD, 'Content-Length': xml.length }).end(xml)
    },
    async stream(xml) {
      begin()
      clearInterval(heartbeat)
      watchReader()
      await pipeline(continuing(xml), response)
    }
  }
}

/** A document has one declaration, and `begin` has sent it. */
function withoutDeclaration(xml: Uint8Array): Uint8Array {
  const buffer = Buffer.from(xml.buffer, xml.byteOffset, xml.byteLength)
  return buffer.subarray(0, 5).equals(Buffer.from('<?xml')) ? buffer.subarray(buffer.indexOf('?>') + 2) : buffer
}

async function* continuing(xml: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let first = true
  for await (const chunk of xml) {
    yield first ? withoutDeclaration(chunk) : chunk
    first = false
  }
}
