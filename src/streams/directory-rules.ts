/** The rules of the directory, every case of them: who enters the table, who is greeted, who is left alone for a while. Pure. */
import type { Turn } from './actor.js'
import {
  type DirectoryState,
  type Entry,
  includesUrl,
  type KnownPeer,
  makeRoom,
  rowOf,
  with_,
  without
} from './directory-table.js'
import type { Happening } from './events.js'
import { MAX_CONTACTS } from './exchange.js'
import type { FailureReason, Greeting, PeerUrl } from './ports.js'
import { distinctUrls, peerKey } from './urls.js'

/** Peers remembered at most. A query asks all of them, and a group of people who trust each other is smaller. */
export const MAX_KNOWN_PEERS = 256
/** Greetings under way at once, so that being told a thousand URLs does not open a thousand sockets. */
export const MAX_GREETINGS = 8
/** Peers in the table that one neighbour told of and that have not answered: as many as it tells at a time. */
export const MAX_UNMET_PER_NEIGHBOUR = MAX_CONTACTS
/** First pause before a failing peer is tried again; it doubles with each failure. */
const FIRST_PAUSE_MS = 1_000
/** Longest pause: what a returning peer waits at the most, and what a dead one costs: a call a minute. */
export const LONGEST_PAUSE_MS = 60_000

export type DirectoryCommand =
  /** From the user (`told`), from a peer that named itself or another, or from what was remembered. */
  | {
      readonly type: 'introduce'
      readonly url: PeerUrl
      readonly told: boolean
      /** Its other addresses. */
      readonly urls?: readonly PeerUrl[]
      readonly id?: string
      /** The key of the neighbour that told of it, when asked whom it knows. */
      readonly by?: string
      /** When it last answered an earlier process. */
      readonly seenMs?: number
    }
  /** From a query: this peer could not be used. */
  | { readonly type: 'fail'; readonly url: PeerUrl; readonly reason: FailureReason }
  /** From the greeting job; `url` is the address that answered. */
  | {
      readonly type: 'greeted'
      readonly key: string
      readonly greeting: Greeting
      readonly url?: PeerUrl
      readonly atMs?: number
    }
  /** From the pause job. */
  | { readonly type: 'pause-over'; readonly key: string; readonly pauses: number }
  /** From the clock: somebody is asked again whom it knows. */
  | { readonly type: 'exchange-due' }

export type DirectoryJob =
  | { readonly type: 'greet'; readonly key: string; readonly urls: readonly PeerUrl[]; readonly id?: string }
  | { readonly type: 'pause'; readonly key: string; readonly pauses: number; readonly pauseMs: number }
  | { readonly type: 'exchange'; readonly key: string; readonly url: PeerUrl }

type DirectoryTurn = Turn<DirectoryState, Happening, DirectoryJob>

/** Every case of the directory. */
export function step(state: DirectoryState, command: DirectoryCommand): DirectoryTurn {
  switch (command.type) {
    case 'introduce':
      return introduce(state, command)
    case 'fail': {
      const key = peerKey(command.url)
      const entry = key === undefined ? undefined : state.get(key)
      // Several queries may find out at once; one of them counts.
      if (key === undefined || entry === undefined || entry.peer.state === 'failing') return { state }
      return fail(state, key, entry, command.reason)
    }
    case 'greeted': {
      const entry = state.get(command.key)
      if (entry === undefined) return startGreetings(state)
      const { greeting } = command
      if (greeting.type === 'greeted') return met(state, command.key, entry, { ...command, greeting })
      if (greeting.reason === 'ourselves') {
        const lost: Happening = { type: 'peer-lost', url: entry.peer.url, reason: 'ourselves' }
        return { ...startGreetings(without(state, command.key)), events: [lost] }
      }
      const turn = fail(state, command.key, entry, greeting.reason)
      const next = startGreetings(turn.state)
      return { ...turn, state: next.state, jobs: [...(turn.jobs ?? []), ...(next.jobs ?? [])] }
    }
    case 'pause-over': {
      const entry = state.get(command.key)
      if (entry?.phase !== 'settled' || entry.pauses !== command.pauses || entry.peer.state !== 'failing')
        return { state }
      return startGreetings(with_(state, command.key, { ...entry, phase: 'waiting', nudged: false }))
    }
    case 'exchange-due': {
      let next: readonly [string, Entry] | undefined
      for (const row of state) {
        if (isOfOurKind(row[1]) && (next === undefined || row[1].exchanges < next[1].exchanges)) next = row
      }
      return next === undefined ? { state } : exchangeWith(state, next[0], next[1])
    }
  }
}

function introduce(state: DirectoryState, command: DirectoryCommand & { type: 'introduce' }): DirectoryTurn {
  const { url, told, id, by } = command
  const urls = distinctUrls([url, ...(command.urls ?? [])])
  if (urls.length === 0) return { state }
  const row = rowOf(state, { id, urls })
  if (row === undefined) return add(state, urls, command)
  const [key, entry] = row
  if (id !== undefined && entry.peer.id !== undefined && entry.peer.id !== id) {
    // Another peer at an address of one that has left it; as long as that one answers, or its user wants it, it stays.
    const vacant = entry.peer.state === 'failing' && entry.phase === 'settled' && entry.told.length === 0
    return vacant ? add(without(state, key), urls, command) : { state }
  }
  const { peer, phase, told: names, nudged, proven } = entry
  const up = peer.state === 'up'
  const elsewhere = urls.some((other) => !includesUrl(entry.urls, other))
  // Whoever names itself is alive, a user who names a failing peer wants it tried now, and one that answers may have moved.
  const worthwhile = up
    ? proven && by === undefined && elsewhere && !nudged
    : peer.state === 'failing' && (told || !nudged)
  const again = phase === 'settled' && worthwhile
  const named = told && !includesUrl(names, url)
  // As long as a peer answers, its addresses are what it says itself.
  const learns = again || (elsewhere && !up)
  if (!learns && !named) return { state }
  const next: Entry = {
    ...entry,
    urls: learns ? distinctUrls([peer.url, ...names, ...urls, ...entry.urls]) : entry.urls,
    told: named ? distinctUrls([...names, url]) : names,
    nudged: nudged || (again && !told),
    phase: again ? 'waiting' : phase
  }
  return startGreetings(with_(state, key, next))
}

function add(
  state: DirectoryState,
  urls: readonly PeerUrl[],
  { told, id, by, seenMs }: DirectoryCommand & { type: 'introduce' }
): DirectoryTurn {
  const [url = ''] = urls
  if (by !== undefined) {
    let unmet = 0
    for (const entry of state.values()) if (entry.by === by) unmet++
    if (unmet >= MAX_UNMET_PER_NEIGHBOUR) return { state }
  }
  const roomy = state.size < MAX_KNOWN_PEERS ? state : makeRoom(state)
  if (roomy === undefined) return { state }
  const entry: Entry = {
    peer: { url, state: 'new', failures: 0, ...(id === undefined ? {} : { id }) },
    urls,
    told: told ? [url] : [],
    proven: false,
    phase: 'waiting',
    nudged: false,
    pauses: 0,
    exchanges: 0,
    ...(by === undefined ? {} : { by }),
    ...(seenMs === undefined ? {} : { seenMs })
  }
  return startGreetings(with_(roomy, peerKey(url) ?? url, entry))
}

/** A peer answered. Other rows that are the same peer end here: one row for each, or it would be asked twice. */
function met(
  state: DirectoryState,
  key: string,
  entry: Entry,
  command: DirectoryCommand & { type: 'greeted'; greeting: Greeting & { type: 'greeted' } }
): DirectoryTurn {
  const { dialect, roundTripMs, id, clockAheadMs, proven = false, urls: announced = [] } = command.greeting
  const url = command.url ?? entry.peer.url
  const urlKey = peerKey(url) ?? url
  let { told } = entry
  let rest = state
  for (const [otherKey, other] of state) {
    const sameId = id !== undefined && other.peer.id === id
    if (otherKey === key || (otherKey !== urlKey && !sameId)) continue
    if (sameId && other.peer.state === 'up') {
      const ofBoth = includesUrl(other.urls, url) && includesUrl(announced, other.peer.url)
      // An id that is only claimed must not take the place of one who answers.
      if (!proven && !ofBoth) continue
      const merged = {
        ...other,
        urls: distinctUrls([...other.urls, url]),
        told: distinctUrls([...other.told, ...told])
      }
      return startGreetings(with_(without(rest, key), otherKey, merged))
    }
    told = distinctUrls([...told, ...other.told])
    rest = without(rest, otherKey)
  }
  const peer: KnownPeer = {
    ...{ url, state: 'up', dialect, roundTripMs, failures: 0 },
    ...(id === undefined ? {} : { id }),
    ...(clockAheadMs === undefined ? {} : { clockAheadMs })
  }
  const { by: _by, ...known } = entry
  const next: Entry = {
    ...known,
    peer,
    urls: distinctUrls([url, ...told, ...announced]),
    told,
    proven,
    phase: 'settled',
    nudged: false,
    ...(command.atMs === undefined ? {} : { seenMs: command.atMs })
  }
  // With the address the key changes, but not the place of a peer that has stayed.
  const turn = startGreetings(with_(key === urlKey ? rest : without(rest, key), urlKey, next))
  const was = entry.peer
  if (was.state === 'up') {
    return was.url === url ? turn : { ...turn, events: [{ type: 'peer-moved', url, from: was.url }] }
  }
  const joined = isOfOurKind(next) ? exchangeWith(turn.state, urlKey, next) : { state: turn.state }
  return {
    state: joined.state,
    events: [{ type: 'peer-joined', url }],
    jobs: [...(turn.jobs ?? []), ...(joined.jobs ?? [])]
  }
}

const isOfOurKind = ({ peer }: Entry) => peer.state === 'up' && peer.dialect === 'p2prx'

function exchangeWith(state: DirectoryState, key: string, entry: Entry): DirectoryTurn {
  const next = { ...entry, exchanges: entry.exchanges + 1 }
  return { state: with_(state, key, next), jobs: [{ type: 'exchange', key, url: entry.peer.url }] }
}

function fail(state: DirectoryState, key: string, entry: Entry, reason: FailureReason): DirectoryTurn {
  const failures = entry.peer.failures + 1
  const pauses = entry.pauses + 1
  const peer: KnownPeer = { ...entry.peer, state: 'failing', reason, failures }
  const events: readonly Happening[] =
    entry.peer.state === 'failing' ? [] : [{ type: 'peer-lost', url: peer.url, reason }]
  // It answers elsewhere already.
  if (entry.told.length === 0 && isUpElsewhere(state, key, entry)) return { state: without(state, key), events }
  return {
    state: with_(state, key, { ...entry, peer, phase: 'settled', pauses }),
    events,
    jobs: [{ type: 'pause', key, pauses, pauseMs: pauseMs(failures) }]
  }
}

function isUpElsewhere(state: DirectoryState, key: string, { peer: { id } }: Entry): boolean {
  if (id === undefined) return false
  for (const [otherKey, { peer }] of state) if (otherKey !== key && peer.id === id && peer.state === 'up') return true
  return false
}

/** How long to leave a peer alone after this many failures in a row. */
export function pauseMs(failures: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS)
}

/** Moves waiting peers on to being greeted, as many as there is room for. */
function startGreetings(state: DirectoryState): DirectoryTurn {
  let room = MAX_GREETINGS
  for (const { phase } of state.values()) if (phase === 'greeting') room--
  const jobs: DirectoryJob[] = []
  const next = new Map(state)
  for (const [key, entry] of state) {
    if (room <= 0) break
    if (entry.phase !== 'waiting') continue
    room--
    next.set(key, { ...entry, phase: 'greeting' })
    const { id } = entry.peer
    jobs.push({ type: 'greet', key, urls: entry.urls, ...(id === undefined ? {} : { id }) })
  }
  return { state: next, jobs }
}
