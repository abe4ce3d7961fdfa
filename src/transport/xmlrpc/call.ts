/** One XML-RPC call to a neighbour. */
import type { Agent, IncomingMessage } from 'node:http'
import type { PeerUrl } from '../../streams/ports.js'
import type { Carrier } from '../http/carrier.js'
import { exchange, readWhole } from '../http/client.js'
import { CallFailed } from '../http/failure.js'
import { type HttpLimits, MAX_ANSWER_BYTES } from '../http/limits.js'
import { decodeResponse, encodeCall, type XmlRpcAnswer } from './codec.js'
import type { XmlRpcValue } from './values.js'
import { XmlRpcError } from './xmlrpc-error.js'

/** What a call needs beside its words. */
export interface Line {
  readonly peer: PeerUrl
  /**
   * Keeps connections to p2p-rx neighbours. To all others every call has a connection of its own that ends with
   * the answer: a Python peer serves one at a time, and an idle one would block it for everybody (WIRE W4).
   */
  readonly agent: Agent | undefined
  readonly carrier: Carrier
  readonly limits: HttpLimits
  /** Time to the head of an answer; without one the caller has a deadline of its own. */
  readonly headTimeoutMs?: number
  readonly signal: AbortSignal
}

/** Sends a call and resolves with the head of its answer. Rejects with CallFailed, or BAD_CALL for what cannot be said. */
export async function post(line: Line, method: string, params: readonly XmlRpcValue[]): Promise<IncomingMessage> {
  const response = await exchange({
    ...line,
    method: 'POST',
    path: pathOf(line.peer),
    headers: { 'Content-Type': 'text/xml', 'User-Agent': 'p2p-rx', 'Accept-Encoding': 'identity' },
    body: encodeCall(method, params)
  })
  const { statusCode = 0, headers } = response
  const what =
    statusCode !== 200 ? `HTTP ${statusCode}` : headers['content-type']?.includes('html') ? 'a web page' : undefined
  if (what === undefined) return response
  response.destroy()
  throw new CallFailed('not-a-peer', `it answers with ${what}`)
}

/** Reads a short answer. Rejects with CallFailed. */
export async function answerOf(
  response: IncomingMessage,
  { limits }: Line,
  maxBytes = MAX_ANSWER_BYTES
): Promise<XmlRpcAnswer> {
  const body = await readWhole(response, maxBytes, limits.idleTimeoutMs)
  try {
    return decodeResponse(body)
  } catch (error) {
    if (error instanceof XmlRpcError) throw new CallFailed('nonsense', error.message, error)
    throw error
  }
}

/** A call with a short answer. */
export async function call(line: Line, method: string, params: readonly XmlRpcValue[]): Promise<XmlRpcAnswer> {
  return await answerOf(await post(line, method, params), line)
}

/** Python's ServerProxy posts to the path of the URL, and to /RPC2 where there is none (WIRE W1). */
function pathOf(peer: PeerUrl): string {
  if (/^https?:\/\/[^/]+$/.test(peer)) return '/RPC2'
  return URL.canParse(peer) ? new URL(peer).pathname : '/'
}
