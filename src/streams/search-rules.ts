/**
 * The rules of a find, every case of them; how its answers flow stands in `searching.ts`.
 *
 * History, id and the peers asked at the same time bound it as they bound a query. It has a cap of its own, because it stays
 * open while there is something to tell.
 */
import type { Turn } from './actor.js'
import type { Finding, Pattern, PeerUrl, Search } from './ports.js'
import { MAX_HISTORY_LENGTH } from './query-rules.js'
import { forget, lookUp, NOTHING_SEEN, remember, type SeenTable } from './seen.js'
import { peerKey, peerKeys } from './urls.js'

/** Finds of others that run at once, */
export const MAX_RUNNING_FINDS = 64
/** and of those one neighbour's; one more is declined, and nobody holds that against us. */
export const MAX_FINDS_OF_ONE = 32
/** Standing ones are open for minutes, and so have caps of their own. */
export const MAX_STANDING_FINDS = 64
export const MAX_STANDING_OF_ONE = 8
/** Our own user's, of both kinds. */
export const MAX_OWN_FINDS = 16
/** Hits of one find: each peer on the way remembers what it told, 16 to 32 bytes for each. */
export const MAX_LIMIT = 250_000
/** What a pattern may be long: a longest name fits. */
export const MAX_PATTERN_CHARS = 4_096
/** How long others may have us search. */
export const MAX_FIND_MS = 120_000
/** The same of a standing find: its asker asks anew before. */
export const MAX_STANDING_MS = 11 * 60_000

/** Where a find comes from. */
export interface SearchAsked {
  readonly search: Search
  /** The spelling of our URL under which the asker knows us; empty when we are a visitor without one. */
  readonly as: PeerUrl
  /** Asked by our own user, not by a neighbour. */
  readonly own: boolean
}

interface RunningSearch extends SearchAsked {
  readonly expiresAtMs: number
}

export type SearchCommand =
  /** From an asker, who names the find by a key of its own. */
  | ({ readonly type: 'ask'; readonly key: number; readonly nowMs: number } & SearchAsked)
  /** From an asker who no longer wants to know. */
  | { readonly type: 'withdraw'; readonly key: number }
  /** From the job: all has been told. */
  | { readonly type: 'over'; readonly key: number }

export interface SearchState {
  readonly running: ReadonlyMap<number, RunningSearch>
  readonly seen: SeenTable
}

/** A find that is over before it began. */
export interface SearchEvent {
  readonly type: 'refused'
  readonly key: number
  readonly how: (Finding & { readonly type: 'ended' })['how']
}

export interface SearchJob {
  readonly type: 'search'
  readonly key: number
  readonly running: RunningSearch
  /** With us in it. */
  readonly history: readonly PeerUrl[]
  /** Whether neighbours are asked, too. */
  readonly far: boolean
}

type SearchTurn = Turn<SearchState, SearchEvent, SearchJob>

export const NOTHING_SEARCHED: SearchState = { running: new Map(), seen: NOTHING_SEEN }

/** Every case of a find. */
export function step(state: SearchState, command: SearchCommand): SearchTurn {
  switch (command.type) {
    case 'ask': {
      const { key, as, own, nowMs } = command
      const { pattern, history: before, id, standing = false } = command.search
      const refused = (how: SearchEvent['how']): SearchTurn => ({ state, events: [{ type: 'refused', key, how }] })
      if (!isPattern(pattern) || !hasRoom(state, command)) return refused('declined')
      // Rule 3 of a query, and the end of loops.
      const history = as === '' ? before : [...before, as]
      if (as !== '' && peerKeys(before).has(peerKey(as) ?? as)) return refused('seen')
      // Rule 5. What we have was told to the first copy; a second is of use only where it may go further.
      const seen = lookUp(state.seen, id)
      if (seen !== undefined && seen.historyLength <= history.length) return refused('seen')
      const search = {
        ...command.search,
        limit: Math.max(1, Math.min(command.search.limit || 1, MAX_LIMIT)),
        deadlineMs: Math.min(command.search.deadlineMs, own ? Infinity : standing ? MAX_STANDING_MS : MAX_FIND_MS)
      }
      const running: RunningSearch = { search, as, own, expiresAtMs: nowMs + search.deadlineMs }
      return {
        state: {
          running: new Map(state.running).set(key, running),
          seen: remember(state.seen, id, { key, historyLength: history.length })
        },
        jobs: [{ type: 'search', key, running, history, far: history.length < MAX_HISTORY_LENGTH }]
      }
    }
    case 'over':
      return { state: { ...state, running: withoutKey(state.running, command.key) } }
    case 'withdraw': {
      const running = state.running.get(command.key)
      if (running === undefined) return { state }
      const { id } = running.search
      // As of a query: an asker whose connection broke may ask again.
      const seen = lookUp(state.seen, id)?.key === command.key ? forget(state.seen, id) : state.seen
      return { state: { seen, running: withoutKey(state.running, command.key) } }
    }
  }
}

/** Whether it can be looked for at all; whether a glob or an expression makes sense is known where it is matched. */
export function isPattern({ kind, text, content = false }: Pattern): boolean {
  if (!KINDS.has(kind) || text.trim() === '' || text.length > MAX_PATTERN_CHARS) return false
  return !content || kind === 'words' || kind === 'regex'
}

const KINDS: ReadonlySet<Pattern['kind']> = new Set(['words', 'glob', 'regex', 'name'])

function hasRoom({ running }: SearchState, { own, search }: SearchAsked): boolean {
  const standing = search.standing === true
  const caller = callerOf(search)
  let all = 0
  let ofOne = 0
  for (const other of running.values()) {
    if (other.own !== own || (!own && (other.search.standing === true) !== standing)) continue
    all++
    if (callerOf(other.search) === caller) ofOne++
  }
  if (own) return all < MAX_OWN_FINDS
  return standing
    ? all < MAX_STANDING_FINDS && ofOne < MAX_STANDING_OF_ONE
    : all < MAX_RUNNING_FINDS && ofOne < MAX_FINDS_OF_ONE
}

/** Visitors are all one. */
function callerOf({ history }: Search): string {
  const caller = history.at(-1) ?? ''
  return peerKey(caller) ?? caller
}

function withoutKey<V>(map: ReadonlyMap<number, V>, key: number): ReadonlyMap<number, V> {
  const next = new Map(map)
  next.delete(key)
  return next
}
