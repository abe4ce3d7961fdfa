/** The calls of a TinyP2P client. Each has a connection of its own: such a server answers one at a time (WIRE W4). */
import * as v from 'valibot'
import { P2pError } from '../../errors.js'
import type { PeerUrl } from '../../streams/ports.js'
import { peerKey } from '../../streams/urls.js'
import { mayName } from '../http/caller-address.js'
import { IN_THE_CLEAR } from '../http/carrier.js'
import { bodyOf, readWhole } from '../http/client.js'
import { CallFailed } from '../http/failure.js'
import { DEFAULT_LIMITS, LEAST_CONTENT_BYTES } from '../http/limits.js'
import { type Line, post } from './call.js'
import { decodeResponse, type XmlRpcAnswer } from './codec.js'
import { readAnswer } from './content-in.js'
import { MAX_MESSAGE_BYTES } from './guard.js'
import { CONTENT, NAMES, NO_TEXT, SERVERS, WHOLE } from './tiny.js'
import { tinyProof } from './tiny-password.js'
import { isTinyUrl, MAX_TINY_PEERS } from './tiny-peers.js'
import { toXmlText, type XmlRpcValue } from './values.js'
import { XmlRpcError } from './xmlrpc-error.js'

/** The longest fault that is repeated to the user. */
const MAX_TOLD_CHARS = 200

export interface TinyCall {
  /** As it was typed, or told of: its hash shows that we know the password. */
  readonly server: PeerUrl
  readonly password: string
  /** To a whole short answer, or to the beginning of a content, in milliseconds. */
  readonly waitMs: number
  readonly signal: AbortSignal
}

const Urls = v.array(v.string())
const Names = v.tuple([v.array(v.string())])

/**
 * All servers of the network, as this one tells of them. Rejects with DENIED when it does not take the password, with NETWORK
 * or TIMEOUT.
 */
export async function tinyServers(call: TinyCall): Promise<readonly PeerUrl[]> {
  const { server } = call
  const answer = await short(call, SERVERS, [])
  // The original is at a loss for an answer while it knows no other server.
  if (answer.type === 'fault') return [server]
  const told = read(Urls, answer.value, call)
  // Whoever is elsewhere knows nothing of the services of this machine, and has no business with them.
  const mayTell = mayName(null, server) ? (url: PeerUrl) => mayName(null, url) : () => true
  const fitting = told.filter((url) => isTinyUrl(url) && mayTell(url)).slice(0, MAX_TINY_PEERS)
  const isTold = fitting.some((url) => peerKey(url) === peerKey(server))
  return [...new Set(isTold ? fitting : [server, ...fitting])]
}

/** The names that fit. Rejects as {@link tinyServers}, and with BAD_PATTERN. */
export async function tinyList(call: TinyCall, pattern: string): Promise<readonly string[]> {
  const answer = await short(call, NAMES, pattern)
  if (answer.type === 'fault') {
    const message = `${call.server} does not take the pattern: ${told(answer.message)}`
    throw new P2pError('BAD_PATTERN', message, { advice: "It is one of Python's re.search." })
  }
  return read(Names, answer.value, call)[0]
}

/** A file while it comes; whoever does not want it calls `return`. Rejects with NOT_FOUND, NETWORK or TIMEOUT. */
export async function tinyContent(call: TinyCall, name: string): Promise<AsyncIterable<Uint8Array>> {
  let answer = await long(call, CONTENT, name)
  // Only our own kind has this fault, and more to offer.
  if (answer.type === 'fault' && answer.code === NO_TEXT) answer = await long(call, WHOLE, name)
  if (answer.type === 'content') return answer.bytes
  const why = answer.type === 'fault' ? told(answer.message) : 'nothing'
  throw new P2pError('NOT_FOUND', `${call.server} does not give ${name}: ${why}`)
}

async function long(call: TinyCall, n: number, name: string) {
  const { server, waitMs } = call
  try {
    const response = await post({ ...lineTo(call), headTimeoutMs: waitMs }, 'f', [proof(call), n, name])
    return await readAnswer(bodyOf(response, DEFAULT_LIMITS.idleTimeoutMs, LEAST_CONTENT_BYTES), 'book')
  } catch (error) {
    throw failure(server, error)
  }
}

/** A call whose answer is read whole, within the time. */
async function short(call: TinyCall, n: number, argument: XmlRpcValue): Promise<XmlRpcAnswer> {
  const { server, waitMs, signal } = call
  const timeUp = AbortSignal.timeout(waitMs)
  let answer: XmlRpcAnswer
  try {
    const line = lineTo({ ...call, signal: AbortSignal.any([signal, timeUp]) })
    const response = await post(line, 'f', [proof(call), n, argument])
    const body = await readWhole(response, MAX_MESSAGE_BYTES, DEFAULT_LIMITS.idleTimeoutMs)
    // Python 2 writes names byte for byte; one that is no text must not cost us the others.
    answer = decodeResponse(Buffer.from(toXmlText(body.toString('utf8'))))
  } catch (error) {
    if (timeUp.aborted)
      throw new P2pError('TIMEOUT', `${server} gave no answer in ${waitMs / 1_000} s`, { cause: error })
    throw failure(server, error)
  }
  if (answer.type === 'value' && answer.value === false) throw wrongPassword(server)
  return answer
}

function lineTo({ server, signal }: TinyCall): Line {
  return { peer: server, agent: undefined, carrier: IN_THE_CLEAR, limits: DEFAULT_LIMITS, signal }
}

const proof = ({ password, server }: TinyCall): string => tinyProof(password, server)

function read<S extends v.GenericSchema>(schema: S, value: XmlRpcValue, { server }: TinyCall): v.InferOutput<S> {
  const result = v.safeParse(schema, value)
  if (result.success) return result.output
  throw new P2pError('NETWORK', `${server} is no TinyP2P server: its answer has another form`)
}

function wrongPassword(server: PeerUrl): P2pError {
  return new P2pError('DENIED', `${server} does not take the password`, {
    advice: 'Check it, and spell the URL as the server was started: localhost is not 127.0.0.1 to it.'
  })
}

/** What goes wrong underneath, with whom it went wrong. */
export function failure(server: PeerUrl, error: unknown): unknown {
  if (error instanceof CallFailed)
    return new P2pError(error.code, `Cannot use ${server}: ${error.message}`, { cause: error })
  if (error instanceof XmlRpcError)
    return new P2pError('NETWORK', `${server} answers with nonsense: ${error.message}`, { cause: error })
  return error
}

const told = (message: string): string => message.slice(0, MAX_TOLD_CHARS)
