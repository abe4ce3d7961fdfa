/** What p2p-rx peers say to each other: an offer instead of content, and a little more about the query. */
import * as v from 'valibot'
import type {
  Contact,
  ContactsOutcome,
  FileList,
  HandOver,
  Inbound,
  Outcome,
  PeerUrl,
  Question
} from '../../streams/ports.js'
import { callerId } from '../http/caller.js'
import { CallFailed } from '../http/failure.js'
import { MAX_DEADLINE_MS } from '../http/limits.js'
import { answerOf, call, type Line, post } from './call.js'
import { ACCESS_DENIED, fault, introduce, type Speaker, UNHANDLED } from './foreign.js'
import { MAX_MESSAGE_BYTES } from './guard.js'
import { settled } from './outcome.js'
import {
  Addresses,
  Asking,
  ContactsStruct,
  ForeignUrl,
  HelloStruct,
  History,
  Id,
  ListStruct,
  MAX_ASKING,
  MAX_HOLDERS,
  Milliseconds,
  Name,
  NetworkSecret,
  OfferStruct,
  WholeRoot
} from './schemas.js'
import type { Method, Methods } from './serve.js'
import { isXmlText, type XmlRpcValue } from './values.js'

/** What a peer says of itself in a greeting. */
export interface Self {
  /** Random, and another one in each process: who meets its own has reached itself under another name. */
  readonly id: string
  /** Name and version of the program; for people, nothing depends on it. */
  readonly software: { readonly name: string; readonly version: string }
}

const VERSION = 1

const HelloParams = v.strictTuple([
  v.strictObject({ url: ForeignUrl, id: Id, v: v.literal(VERSION), urls: v.optional(Addresses, []) })
])
const ContactsParams = v.strictTuple([v.strictObject({})])
const QueryParams = v.strictTuple([
  v.strictObject({
    name: Name,
    history: History,
    id: v.optional(Id),
    asking: Asking,
    deadlineMs: Milliseconds,
    root: v.optional(WholeRoot)
  })
])
const RotateParams = v.strictTuple([v.strictObject({ secret: NetworkSecret })])
const ListParams = v.strictTuple([v.strictObject({ after: Name })])

const unhandled = fault(UNHANDLED, "Couldn't handle the query")
const denied = fault(ACCESS_DENIED, 'Access denied')

export function p2prxMethods(self: Self, { inbound, as, addresses = () => [as()] }: Speaker): Methods {
  const hello: Method = {
    signatures: [['struct', 'struct']],
    help: 'Introduces a peer {url, id, v, urls}; url is empty for one that cannot be reached. Tells the same of this one.',
    inBatch: true,
    run(params, { callerId, mayName, mayIntroduce }) {
      const [{ url, id, urls }] = v.parse(HelloParams, params)
      if (callerId !== undefined && id !== callerId) return denied()
      if (id !== self.id && mayIntroduce(url)) introduce(inbound, url, { id, urls: urls.filter(mayName) })
      return { url: as(), id: self.id, v: VERSION, urls: [...addresses()], ...self.software }
    }
  }
  const peers: Method = {
    signatures: [['struct', 'struct']],
    help: 'Some of the peers this one knows: {peers: [{id, urls}]}.',
    inBatch: true,
    run(params) {
      v.parse(ContactsParams, params)
      const contacts = inbound.contacts?.() ?? []
      return { peers: contacts.map(({ id, urls }) => ({ urls: [...urls], ...(id === undefined ? {} : { id }) })) }
    }
  }
  const query: Method = {
    signatures: [['struct', 'struct']],
    help: 'Who has the file of this name? Takes {name, history, id, asking, deadlineMs}, gives {name, size, root, holders, relays}.',
    inBatch: false,
    async run(params, answer) {
      const [{ id, root: wanted, ...rest }] = v.parse(QueryParams, params)
      const deadlineMs = Math.min(rest.deadlineMs, MAX_DEADLINE_MS)
      const question: Question = {
        ...rest,
        deadlineMs,
        ...(id === undefined ? {} : { id }),
        ...(wanted === undefined ? {} : { root: wanted })
      }
      const outcome = await settled(inbound.asked(question, as()), answer, deadlineMs)
      if (outcome.type === 'offered') {
        const { root = '', holders, relays = [], ...offer } = outcome.offer
        const told = { ...offer, root, holders: holders.slice(0, MAX_HOLDERS) }
        return relays.length === 0 ? told : { ...told, relays: relays.slice(0, MAX_HOLDERS) }
      }
      return outcome.type === 'denied' && rest.history.length === 0 ? denied() : unhandled()
    }
  }
  const list: Method = {
    signatures: [['struct', 'struct']],
    help: 'Shared files after a name: {after} gives {files: [{name, size, modified, root}], more}.',
    inBatch: false,
    run(params) {
      const [{ after }] = v.parse(ListParams, params)
      const { files, more } = inbound.list(after)
      // A name with characters XML does not have cannot be told; it must not cost the caller the other ones.
      const rows = files.filter(({ name }) => isXmlText(name))
      return {
        files: rows.map(({ name, size, modifiedMs, root = '' }) => ({ name, size, modified: modifiedMs, root })),
        more
      }
    }
  }
  const methods = new Map([
    ['p2prx.hello', hello],
    ['p2prx.peers', peers],
    ['p2prx.query', query],
    ['p2prx.list', list]
  ])
  const { handed } = inbound
  if (handed !== undefined) methods.set('p2prx.rotate', rotate(handed))
  return methods
}

function rotate(handed: NonNullable<Inbound['handed']>): Method {
  return {
    signatures: [['boolean', 'struct']],
    help: 'Hands over the changed secret of the network as {secret}, in base64url; false when it is not taken from the caller.',
    inBatch: false,
    async run(params, { callerId }) {
      const [{ secret }] = v.parse(RotateParams, params)
      if (callerId === undefined) return denied()
      return await handed(new Uint8Array(Buffer.from(secret, 'base64url')), callerId)
    }
  }
}

/** Who a neighbour is, and what its clock says where that differs from ours. */
export type Met = Contact & { readonly clockAheadMs?: number }

/** Clocks that differ by less agree: HTTP tells whole seconds, and the answer was under way. */
const CLOCK_TOLERANCE_MS = 5_000

/** Says hello; no addresses are a visitor's. Tells who the neighbour is, or nothing when it is none of our kind. */
export async function greet(line: Line, urls: readonly PeerUrl[], { id }: Self): Promise<Met | undefined> {
  const [url = ''] = urls
  const response = await post(line, 'p2prx.hello', [{ url, id, v: VERSION, urls: [...urls] }])
  // Looked at before the answer has been read to its end: then the connection is somebody else's.
  const provenId = callerId(response)
  const answer = await answerOf(response, line)
  if (answer.type === 'fault') {
    // An overloaded p2p-rx peer must not be taken for a Python one, which says 1 of an unknown method.
    if (answer.code === UNHANDLED) throw new CallFailed('timed-out', 'it is overloaded')
    return undefined
  }
  const theirs = read(HelloStruct, answer.value)
  if (theirs.id === id) throw new CallFailed('ourselves', `${line.peer} is this very peer`)
  if (provenId !== undefined && provenId !== theirs.id) throw new CallFailed('nonsense', 'it claims an id not its own')
  const clockAheadMs = Date.parse(response.headers.date ?? '') - Date.now()
  const differs = Math.abs(clockAheadMs) > CLOCK_TOLERANCE_MS
  return { id: theirs.id, urls: theirs.urls, ...(differs ? { clockAheadMs } : {}) }
}

/** Whom the neighbour knows. One of an earlier version does not say. */
export async function contactsOf(line: Line): Promise<ContactsOutcome> {
  const answer = await call(line, 'p2prx.peers', [{}])
  if (answer.type === 'fault') return { type: 'contacts', contacts: [] }
  return { type: 'contacts', contacts: read(ContactsStruct, answer.value).peers }
}

export async function askP2prx(line: Line, question: Question, emit: (outcome: Outcome) => void): Promise<Outcome> {
  const response = await post(line, 'p2prx.query', [{ ...question, asking: question.asking.slice(0, MAX_ASKING) }])
  // A short answer has a length; without one it has only begun.
  if (response.headers['content-length'] === undefined) emit({ type: 'answering' })
  const answer = await answerOf(response, line)
  if (answer.type === 'value') {
    const { root, ...offer } = read(OfferStruct, answer.value)
    if (question.root === undefined ? offer.name !== question.name : root !== question.root)
      throw new CallFailed('nonsense', 'it offers another file')
    return { type: 'offered', offer: root === '' ? offer : { ...offer, root } }
  }
  if (answer.code === UNHANDLED) return { type: 'missed' }
  if (answer.code === ACCESS_DENIED) return { type: 'denied' }
  return { type: 'failed', reason: 'nonsense', detail: `fault ${answer.code}` }
}

export async function listP2prx(line: Line, after: string): Promise<FileList> {
  const answer = await answerOf(await post(line, 'p2prx.list', [{ after }]), line, MAX_MESSAGE_BYTES)
  if (answer.type === 'fault') throw new CallFailed('nonsense', `fault ${answer.code}`)
  const { files, more } = read(ListStruct, answer.value)
  const rows = files.map(({ name, size, modified, root }) => ({
    name,
    size,
    modifiedMs: modified,
    ...(root === '' ? {} : { root })
  }))
  return { files: rows, more }
}

export async function rotateP2prx(line: Line, secret: Uint8Array): Promise<HandOver> {
  const words = { secret: Buffer.from(secret).toString('base64url') }
  const answer = await answerOf(await post(line, 'p2prx.rotate', [words]), line)
  return answer.type === 'value' && answer.value === true ? { type: 'taken' } : { type: 'declined' }
}

function read<S extends v.GenericSchema>(schema: S, value: XmlRpcValue): v.InferOutput<S> {
  const result = v.safeParse(schema, value)
  if (!result.success) throw new CallFailed('nonsense', 'its answer has not the agreed form')
  return result.output
}
