/**
 * The rules of a query, every case of them; the first success wins in `broadcast.ts`.
 *
 * The state holds the queries that were passed on and the table of queries seen. The book's history and its length end
 * loops and long chains; what the book leaves out is that a query that comes round a second time is known by its id.
 */
import type { Turn } from './actor.js'
import type { Heard } from './broadcast.js'
import type { Happening } from './events.js'
import { isPlainName, isSuspectName } from './names.js'
import type { FailureReason, Offer, Outcome, PeerUrl, Question, SharedFile } from './ports.js'
import { forget, lookUp, NOTHING_SEEN, remember, type SeenTable } from './seen.js'
import { peerKey, peerKeys } from './urls.js'

/** At this many peers in the history a query is not passed on (Listings 27-1 and 27-2). */
export const MAX_HISTORY_LENGTH = 6
/** Queries that run at once; one more is answered as a miss, which no neighbour holds against us (WIRE W11). */
export const MAX_RUNNING_QUERIES = 256

/** Holders gathered by one query: those of an offer on the wire. */
const MAX_GATHERED = 64

/** Peers of one offer that pass its bytes on: one is enough, and another for when it leaves. */
const MAX_RELAYS = 8

/** Where a query comes from. */
export interface Asked {
  readonly question: Question
  /** The spelling of our URL under which the caller knows us; empty when we are a visitor without one. */
  readonly as: PeerUrl
  /** Asked by our own user, not by a neighbour. */
  readonly own: boolean
  /** Ask the neighbours even if the file lies in our share: the user wants theirs. */
  readonly elsewhere?: boolean
}

interface Running extends Asked {
  readonly id: string
  readonly expiresAtMs: number
  /** Of a query for a root: what has been found so far. */
  readonly gathered?: Offer
}

export type QueryCommand =
  /** From a caller, who names the query by a key of its own. */
  | ({ readonly type: 'ask'; readonly key: number; readonly id: string; readonly nowMs: number } & Asked)
  /** From a caller who no longer wants to know. */
  | { readonly type: 'withdraw'; readonly key: number }
  /** From the look-up job. */
  | { readonly type: 'looked-up'; readonly key: number; readonly query: Running; readonly file: SharedFile | undefined }
  /** From the broadcast job. */
  | { readonly type: 'heard'; readonly key: number; readonly heard: Heard }
  | { readonly type: 'all-heard'; readonly key: number }

export interface QueryState {
  readonly running: ReadonlyMap<number, Running>
  readonly seen: SeenTable
}

export type QueryEvent =
  | Happening
  | { readonly type: 'outcome'; readonly key: number; readonly outcome: Outcome }
  /** Some who have the content of a query for a root, while others are still asked. */
  | {
      readonly type: 'gathered'
      readonly key: number
      readonly holders: readonly PeerUrl[]
      readonly relays: readonly PeerUrl[]
    }

export type QueryJob =
  | { readonly type: 'look-up'; readonly key: number; readonly query: Running }
  | ({ readonly type: 'broadcast'; readonly key: number; readonly history: readonly PeerUrl[] } & Running)
  | { readonly type: 'report'; readonly url: PeerUrl; readonly reason: FailureReason }

type QueryTurn = Turn<QueryState, QueryEvent, QueryJob>

export const INITIAL: QueryState = { running: new Map(), seen: NOTHING_SEEN }

/** Every case of a query. */
export function step(state: QueryState, command: QueryCommand): QueryTurn {
  switch (command.type) {
    case 'ask': {
      const { key, id, question, as, own, elsewhere = false, nowMs } = command
      const { name, history } = question
      const caller = history.at(-1)
      const received: Happening = {
        type: 'query-received',
        name,
        id,
        ...(caller === undefined ? {} : { from: caller })
      }
      // Rule 1. A direct caller may hear that it is denied; a neighbour that relays would drop us for it (W11).
      if (!isPlainName(name)) return { state, events: [received, outcome(key, refusal(history))] }
      if (state.running.size >= MAX_RUNNING_QUERIES) return { state, events: [received, outcome(key, MISSED)] }
      const query: Running = { question, as, own, elsewhere, id, expiresAtMs: nowMs + question.deadlineMs }
      return { state, events: [received], jobs: [{ type: 'look-up', key, query }] }
    }
    case 'looked-up': {
      const { key, query, file } = command
      const { question, as, id } = query
      const answered = (what: Outcome): QueryTurn => ({ state, events: told(key, query, what) })
      const { root } = question
      const own = file === undefined ? undefined : offerOf(file, as)
      // Rule 2. A local file answers at once, whatever the length of the history.
      if (own !== undefined && root === undefined) return answered(offered(own))
      // Harmless here, but a sloppier neighbour might read it as a way out of its share.
      if (!query.own && isSuspectName(question.name)) return answered(refusal(question.history))
      // Rule 3, and the end of loops: whoever finds itself in the history does not ask again.
      const history = as === '' ? question.history : [...question.history, as]
      const round = as !== '' && peerKeys(question.history).has(peerKey(as) ?? as)
      if (history.length >= MAX_HISTORY_LENGTH || round) return answered(offered(own))
      // Rule 5. A second copy is of use only where it may go further than the first.
      const before = lookUp(state.seen, id)
      // Ids come from others, who may have used this one for another name.
      if (before?.offer?.name === question.name) return answered({ type: 'offered', offer: before.offer })
      if (before !== undefined && before.historyLength <= history.length) return answered(offered(own))
      const seen = remember(state.seen, id, { key, historyLength: history.length })
      const passedOn: Running = own === undefined ? query : { ...query, gathered: own }
      const running = new Map(state.running).set(key, passedOn)
      return { state: { running, seen }, jobs: [{ type: 'broadcast', key, history, ...passedOn }] }
    }
    case 'heard': {
      const query = state.running.get(command.key)
      if (query === undefined) return { state }
      const { heard } = command
      const { name } = query.question
      if (heard.type === 'sent') return { state, events: [{ type: 'query-sent', url: heard.peer, name, id: query.id }] }
      switch (heard.outcome.type) {
        case 'answering':
          return { state, events: [outcome(command.key, heard.outcome)] }
        case 'offered': {
          const offer = relayed(heard.outcome.offer, query)
          if (query.question.root === undefined) return settle(state, command.key, { type: 'offered', offer })
          return gather(state, command.key, query, offer)
        }
        case 'failed': // Rule 7.
          return { state, jobs: [{ type: 'report', url: heard.peer, reason: heard.outcome.reason }] }
        case 'missed':
        case 'denied':
          return { state }
      }
      return { state }
    }
    case 'all-heard':
      return settle(state, command.key, offered(state.running.get(command.key)?.gathered))
    case 'withdraw': {
      const query = state.running.get(command.key)
      if (query === undefined) return { state }
      // A question taken back is forgotten, so that a caller whose connection broke may ask again.
      const seen = lookUp(state.seen, query.id)?.key === command.key ? forget(state.seen, query.id) : state.seen
      return { state: { seen, running: withoutKey(state.running, command.key) } }
    }
  }
}

const MISSED: Outcome = { type: 'missed' }

function refusal(history: readonly PeerUrl[]): Outcome {
  return history.length === 0 ? { type: 'denied' } : MISSED
}

function offerOf({ name, size, root }: SharedFile, as: PeerUrl): Offer {
  return { name, size, ...(root === undefined ? {} : { root }), holders: [as] }
}

function offered(offer: Offer | undefined): Outcome {
  return offer === undefined ? MISSED : { type: 'offered', offer }
}

/** What a neighbour offers, with us among those who will pass its bytes on. */
function relayed(offer: Offer, { as, own }: Running): Offer {
  const { relays = [] } = offer
  if (own || as === '' || offer.root === undefined || relays.length >= MAX_RELAYS) return offer
  return { ...offer, relays: [...relays, as] }
}

/** Adds those who have the content of a query for a root; an offer of another content is none. */
function gather(state: QueryState, key: number, query: Running, offer: Offer): QueryTurn {
  if (offer.root !== query.question.root) return { state }
  const before = query.gathered
  const holders = offer.holders.filter((url) => before?.holders.includes(url) !== true)
  const relays = (offer.relays ?? []).filter((url) => before?.relays?.includes(url) !== true)
  const gathered: Offer = {
    ...(before ?? offer),
    holders: [...(before?.holders ?? []), ...holders].slice(0, MAX_GATHERED),
    relays: [...(before?.relays ?? []), ...relays].slice(0, MAX_RELAYS)
  }
  const running = new Map(state.running).set(key, { ...query, gathered })
  return { state: { ...state, running }, events: [{ type: 'gathered', key, holders, relays }] }
}

function outcome(key: number, what: Outcome): QueryEvent {
  return { type: 'outcome', key, outcome: what }
}

/** Ends a query that was passed on: tells the caller, and keeps an offer for copies that come later. */
function settle(state: QueryState, key: number, what: Outcome): QueryTurn {
  const query = state.running.get(key)
  if (query === undefined) return { state }
  const entry = lookUp(state.seen, query.id)
  const found = entry !== undefined && what.type === 'offered'
  const seen = found ? remember(state.seen, query.id, { ...entry, offer: what.offer }) : state.seen
  return { state: { running: withoutKey(state.running, key), seen }, events: told(key, query, what) }
}

/** What the caller, and whoever listens, hear of the end of a query. */
function told(key: number, { question: { name }, id }: Running, what: Outcome): readonly QueryEvent[] {
  const end: Happening =
    what.type === 'offered'
      ? { type: 'query-answered', name, id, holders: what.offer.holders }
      : { type: 'query-missed', name, id }
  return [outcome(key, what), end]
}

function withoutKey<V>(map_: ReadonlyMap<number, V>, key: number): ReadonlyMap<number, V> {
  const next = new Map(map_)
  next.delete(key)
  return next
}
