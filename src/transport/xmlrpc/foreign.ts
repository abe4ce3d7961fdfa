/** What the two programs of the book have in common: `hello`, `query` and `fetch`, served and asked. */
import * as v from 'valibot'
import { P2pError } from '../../errors.js'
import type { Cache, Contact, Inbound, Outcome, PeerUrl, Question, Source } from '../../streams/ports.js'
import { peerKey } from '../../streams/urls.js'
import type { Answer } from '../http/answer.js'
import { bodyOf } from '../http/client.js'
import { CallFailed } from '../http/failure.js'
import { LEAST_CONTENT_BYTES } from '../http/limits.js'
import { type Line, post } from './call.js'
import { readAnswer } from './content-in.js'
import { contentAtOnce, contentForm, contentResponse, formAtOnce, formFor } from './content-out.js'
import { fetched, settled } from './outcome.js'
import { ForeignUrl, History, Name, Secret } from './schemas.js'
import { Fault, type Method, type Methods, SENT } from './serve.js'
import type { XmlRpcValue } from './values.js'
import { XmlRpcError } from './xmlrpc-error.js'

/** Faults of the book's second program, which p2p-rx peers use among themselves too. */
export const UNHANDLED = 100
export const ACCESS_DENIED = 200

/** How one of the two says what both mean. What is no value is thrown as a fault. */
export interface Wording {
  readonly dialect: 'book' | 'simple'
  readonly greeted: number
  readonly fetched: number
  readonly missed: () => XmlRpcValue
  readonly denied: () => XmlRpcValue
  readonly fetchMissed: () => XmlRpcValue
  readonly fetchDenied: () => XmlRpcValue
  readonly fetchFailed: () => XmlRpcValue
}

/** Who may speak: what neighbours may ask, and the spelling of our URL under which they know us here. */
export interface Speaker {
  readonly inbound: Inbound
  readonly as: () => PeerUrl
  /** All our addresses, that one first. Default: that one. */
  readonly addresses?: () => readonly PeerUrl[]
  /** How long a query may run, in milliseconds. */
  readonly deadlineMs: number
}

const HelloParams = v.strictTuple([ForeignUrl])
const QueryParams = v.strictTuple([Name, v.optional(History, [])])
const FetchParams = v.strictTuple([Name, Secret])

export function foreignMethods(wording: Wording, { inbound, as, deadlineMs }: Speaker): Methods {
  const hello: Method = {
    signatures: [['int', 'string']],
    help: 'Introduces a peer by its URL.',
    inBatch: true,
    run(params, { mayIntroduce }) {
      const [url] = v.parse(HelloParams, params)
      if (mayIntroduce(url)) introduce(inbound, url)
      return wording.greeted
    }
  }
  const query: Method = {
    signatures: [
      [wording.dialect === 'book' ? 'string' : 'array', 'string'],
      [wording.dialect === 'book' ? 'string' : 'array', 'string', 'array']
    ],
    help: 'The content of the file of this name, wherever it is. The list has the URLs of those who ask already.',
    inBatch: false,
    async run(params, answer) {
      const [name, history] = v.parse(QueryParams, params)
      const question: Question = { name, history, asking: [], deadlineMs }
      const outcome = await settled(inbound.askedForContent(question, as()), answer, deadlineMs)
      if (outcome.type === 'opened') return await sendContent(outcome.source, wording, history.length > 1, answer)
      // To somebody who relays, 200 would mean that we are no use as a neighbour (WIRE W11).
      return outcome.type === 'denied' && history.length === 0 ? wording.denied() : wording.missed()
    }
  }
  const fetch: Method = {
    signatures: [['int', 'string', 'string']],
    help: 'Finds a file and keeps it here, for whoever knows the secret.',
    inBatch: false,
    async run(params, answer) {
      const [name, secret] = v.parse(FetchParams, params)
      switch (await fetched(inbound.askedToFetch(name, secret), answer, deadlineMs)) {
        case 'done':
          return wording.fetched
        case 'denied':
          return wording.fetchDenied()
        case 'missed':
          return wording.fetchMissed()
        case 'failed':
          return wording.fetchFailed()
      }
    }
  }
  return new Map([
    ['hello', hello],
    ['query', query],
    ['fetch', fetch]
  ])
}

/** A URL that can be no peer's is let pass without a word: the book's nodes do not look at it either. */
export function introduce(inbound: Inbound, url: string, about?: Contact): void {
  if (peerKey(url) !== undefined) inbound.introduced(url, about)
}

/** How content is sent, and what is said where it cannot be; without `noText` what is no text goes as base64. */
type ContentWording = Pick<Wording, 'dialect' | 'missed'> & { readonly noText?: () => XmlRpcValue }

/** Closes the source. */
export async function sendContent(
  source: Source,
  wording: ContentWording,
  relayed: boolean,
  answer: Answer
): Promise<XmlRpcValue | typeof SENT> {
  let gone = false
  const watching = answer.gone$.subscribe(() => {
    gone = true
  })
  try {
    if (source.bytes !== undefined) {
      if (wording.noText !== undefined && formAtOnce(source.bytes) === 'base64') return wording.noText()
      answer.end(contentAtOnce(source.bytes, wording.dialect, relayed))
      return SENT
    }
    // The form depends on every byte, so a large file is read twice; the caller is told to wait.
    answer.begin()
    const form = await contentForm(unless(() => gone, source.read())).catch(() => undefined)
    // It changed under us, but nothing of it has been sent yet.
    if (form === undefined) return wording.missed()
    if (form === 'base64' && wording.noText !== undefined) return wording.noText()
    await answer.stream(contentResponse(source.read(), formFor(form, relayed), wording.dialect))
    return SENT
  } finally {
    watching.unsubscribe()
    await source.close()
  }
}

/** The same bytes, as long as somebody wants them: a file of gigabytes is not read for a caller who has left. */
async function* unless(gone: () => boolean, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    if (gone()) throw new P2pError('CLOSED', 'The caller has gone.')
    yield chunk
  }
}

/** Asks a foreign neighbour. What it sends goes into the cache, and is offered from there. */
export async function askForeign(
  line: Line,
  question: Question,
  dialect: Wording['dialect'],
  { cache, us, emit }: { cache: Cache; us: PeerUrl; emit: (outcome: Outcome) => void }
): Promise<Outcome> {
  const { name, history } = question
  const response = await post(line, 'query', [name, history])
  let answer: Awaited<ReturnType<typeof readAnswer>>
  try {
    answer = await readAnswer(bodyOf(response, line.limits.idleTimeoutMs, LEAST_CONTENT_BYTES), dialect)
    if (answer.type === 'content') {
      emit({ type: 'answering' })
      const { size, root } = await cache.keep(name, answer.bytes)
      return { type: 'offered', offer: { name, size, ...(root === undefined ? {} : { root }), holders: [us] } }
    }
  } catch (error) {
    throw error instanceof XmlRpcError ? new CallFailed('nonsense', error.message, error) : error
  } finally {
    response.destroy()
  }
  if (answer.type === 'missed' || answer.code === UNHANDLED) return { type: 'missed' }
  if (answer.code === ACCESS_DENIED) return { type: 'denied' }
  return { type: 'failed', reason: 'nonsense', detail: `fault ${answer.code}` }
}

/** A {@link Wording} in which something is a fault. One for all times: an Error takes its time to be made. */
export function fault(code: number, message: string): () => never {
  const fault_ = new Fault(code, message)
  return () => {
    throw fault_
  }
}
