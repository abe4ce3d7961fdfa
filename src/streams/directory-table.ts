/** The table of known peers: its rows, and how one is found. Pure. */
import type { Contact, Dialect, FailureReason, PeerUrl, Transport } from './ports.js'
import { peerKey } from './urls.js'

/** A peer we know. */
export interface KnownPeer {
  /** Where it is reached; of several addresses the one that answered. */
  readonly url: PeerUrl
  /** All its addresses that are known. */
  readonly urls?: readonly PeerUrl[]
  /** Names it for good, wherever it is; absent where it has no such name, or has not been met. */
  readonly id?: string
  /** `new`: not reached yet. `up`: answered last time. `failing`: left out, and tried again after a pause. */
  readonly state: 'new' | 'up' | 'failing'
  /** What it speaks; known once it was reached. */
  readonly dialect?: Dialect
  /** How long its last greeting took. */
  readonly roundTripMs?: number
  /** Why it is failing. */
  readonly reason?: FailureReason
  /** When it last answered, here or in an earlier process; milliseconds since 1970. */
  readonly seenMs?: number
  /** By how much its clock is ahead of ours; absent while they agree to within a few seconds. */
  readonly clockAheadMs?: number
  /** Failures in a row. */
  readonly failures: number
}

export interface Entry {
  readonly peer: KnownPeer
  /** Where it may be reached, in the order of trying. */
  readonly urls: readonly PeerUrl[]
  /** Under these a user named it: then it is never dropped to make room. */
  readonly told: readonly PeerUrl[]
  /** Its id is that of a key it has shown. */
  readonly proven: boolean
  /** The key of the neighbour that told of it, as long as it has not answered itself. */
  readonly by?: string
  readonly phase: 'waiting' | 'greeting' | 'settled'
  /** Somebody named it during this pause, and it was tried at once; once a pause is enough. */
  readonly nudged: boolean
  /** Counts the pauses begun, so that the end of an outdated one is ignored. */
  readonly pauses: number
  /** When it last answered, here or in an earlier process; milliseconds since 1970. */
  readonly seenMs?: number
  /** How often it was asked whom it knows. */
  readonly exchanges: number
}

/** By the key of the URL where each is reached. */
export type DirectoryState = ReadonlyMap<string, Entry>

export type Row = readonly [key: string, entry: Entry]

/** The row of this very peer, if its id was proven, or else of whoever is reached at its first address. */
export function rowOf(state: DirectoryState, { id, urls: [url = ''] }: Contact): Row | undefined {
  if (id !== undefined) for (const row of state) if (row[1].proven && row[1].peer.id === id) return row
  const key = peerKey(url)
  const entry = key === undefined ? undefined : state.get(key)
  return key === undefined || entry === undefined ? undefined : [key, entry]
}

/** The row of the peer that a user named so. */
export function rowToldAs(state: DirectoryState, url: PeerUrl): Row | undefined {
  const key = peerKey(url)
  for (const row of state) if (row[0] === key || row[1].told.some((told) => peerKey(told) === key)) return row
  return undefined
}

export function includesUrl(urls: readonly PeerUrl[], url: PeerUrl): boolean {
  const key = peerKey(url)
  return urls.some((other) => peerKey(other) === key)
}

/** Drops the peer that is missed least: never one that answers or that a user named. */
export function makeRoom(state: DirectoryState): DirectoryState | undefined {
  let worst: Row | undefined
  for (const [key, entry] of state) {
    if (entry.told.length > 0 || entry.peer.state === 'up' || entry.phase === 'greeting') continue
    if (worst === undefined || entry.peer.failures > worst[1].peer.failures) worst = [key, entry]
  }
  return worst === undefined ? undefined : without(state, worst[0])
}

export function with_(state: DirectoryState, key: string, entry: Entry): DirectoryState {
  return new Map(state).set(key, entry)
}

export function without(state: DirectoryState, key: string): DirectoryState {
  const next = new Map(state)
  next.delete(key)
  return next
}

/** Known peers, in the order in which they became known. */
export function knownPeers(state: DirectoryState): readonly KnownPeer[] {
  return [...state.values()].map(knownPeer)
}

/** A row as others see it. */
export function knownPeer({ peer, urls, seenMs }: Entry): KnownPeer {
  return { ...peer, urls, ...(seenMs === undefined ? {} : { seenMs }) }
}

/** Who is asked now: those that answered last time, the quickest first, then those not reached yet. */
export function askablePeers(state: DirectoryState): readonly PeerUrl[] {
  return quickestFirst([...state.values()].map(({ peer }) => peer).filter((peer) => peer.state !== 'failing'))
}

/** Of those, the ones that may understand what only our kind does: who has not been reached yet is tried. */
export function searchablePeers(state: DirectoryState): readonly PeerUrl[] {
  const peers = [...state.values()].map(({ peer }) => peer)
  return quickestFirst(peers.filter(({ state: how, dialect = 'p2prx' }) => how !== 'failing' && dialect === 'p2prx'))
}

function quickestFirst(peers: readonly KnownPeer[]): readonly PeerUrl[] {
  return [...peers]
    .sort((one, other) => (one.roundTripMs ?? Number.MAX_VALUE) - (other.roundTripMs ?? Number.MAX_VALUE))
    .map(({ url }) => url)
}

/** All addresses of the peer that is reached at this one. */
export function addressesOf(state: DirectoryState, url: PeerUrl): readonly PeerUrl[] {
  const key = peerKey(url)
  return (key === undefined ? undefined : state.get(key)?.urls) ?? [url]
}

/**
 * Where the peer is reached that announces this URL: the same, unless another of its addresses answered. One that two peers
 * announce is not believed of either.
 */
export function reachedAt(state: DirectoryState, url: PeerUrl): PeerUrl {
  const key = peerKey(url)
  if (key === undefined || state.has(key)) return url
  const rows = [...state.values()].filter(({ peer, urls }) => peer.state === 'up' && includesUrl(urls, url))
  return rows.length === 1 ? (rows[0]?.peer.url ?? url) : url
}

/** The same transport, reading from each holder where it is reached. */
export function reachedBy(transport: Transport, state: () => DirectoryState): Transport {
  const at = (url: PeerUrl) => reachedAt(state(), url)
  return {
    ...transport,
    read: (holder, request) => transport.read(at(holder), request),
    hashes: (holder, request) => transport.hashes(at(holder), request),
    rootOf: (holder, name, waitMs) => transport.rootOf(at(holder), name, waitMs)
  }
}

/** Those that neighbours may be told of: they answer, and are of our kind. */
export function contactsIn(state: DirectoryState): readonly Contact[] {
  return [...state.values()]
    .filter(({ peer }) => peer.state === 'up' && peer.dialect === 'p2prx')
    .map(({ peer, urls }) => ({ urls, ...(peer.id === undefined ? {} : { id: peer.id }) }))
}
