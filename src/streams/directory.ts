/**
 * Peer discovery: whom we know, who is failing, who came back.
 *
 * Owns the table of known peers. A peer enters it when somebody names it (the user, itself, or another
 * peer), is greeted once, and from then on is asked. One that fails leaves the set that is asked but
 * not the table: it is greeted again after growing pauses and comes back by itself (DESIGN 4, rule 7;
 * the book's nodes forget it for ever).
 */
import { map, type Observable, of, type SchedulerLike, timeout, timer } from 'rxjs'
import { type Actor, createActor, type Turn } from './actor.js'
import type { Happening } from './events.js'
import type { Dialect, FailureReason, Greeting, PeerUrl } from './ports.js'
import { peerKey } from './urls.js'

/** Peers remembered at most. A query asks all of them, and a group of people who trust each other is smaller. */
export const MAX_KNOWN_PEERS = 256
/** Greetings under way at once, so that being told a thousand URLs does not open a thousand sockets. */
export const MAX_GREETINGS = 8
/** First pause before a failing peer is tried again; it doubles with each failure. */
const FIRST_PAUSE_MS = 1_000
/** Longest wait for a greeting: a neighbour that never answers must not keep its place for ever. */
const GREETING_TIMEOUT_MS = 6_000
/** Longest pause: what a returning peer waits at the most, and what a dead one costs: a call a minute. */
export const LONGEST_PAUSE_MS = 60_000

/** A peer we know. */
export interface KnownPeer {
  readonly url: PeerUrl
  /** `new`: not reached yet. `up`: answered last time. `failing`: left out, and tried again after a pause. */
  readonly state: 'new' | 'up' | 'failing'
  /** What it speaks; known once it was reached. */
  readonly dialect?: Dialect
  /** How long its last greeting took. */
  readonly roundTripMs?: number
  /** Who it is, in a private network: the hash of its public key. */
  readonly id?: string
  /** Why it is failing. */
  readonly reason?: FailureReason
  /** Failures in a row. */
  readonly failures: number
}

interface Entry {
  readonly peer: KnownPeer
  /** A user named it: never dropped to make room. */
  readonly told: boolean
  readonly phase: 'waiting' | 'greeting' | 'settled'
  /** Somebody named it during this pause, and it was tried at once; once a pause is enough. */
  readonly nudged: boolean
  /** Counts the pauses begun, so that the end of an outdated one is ignored. */
  readonly pauses: number
}

export type DirectoryCommand =
  /** From the user (`told`), or from a peer that named itself or another. */
  | { readonly type: 'introduce'; readonly url: PeerUrl; readonly told: boolean }
  /** From a query: this peer could not be used. */
  | { readonly type: 'fail'; readonly url: PeerUrl; readonly reason: FailureReason }
  /** From the greeting job. */
  | { readonly type: 'greeted'; readonly key: string; readonly greeting: Greeting }
  /** From the pause job. */
  | { readonly type: 'pause-over'; readonly key: string; readonly pauses: number }

export type DirectoryState = ReadonlyMap<string, Entry>

type DirectoryJob =
  | { readonly type: 'greet'; readonly key: string; readonly url: PeerUrl }
  | { readonly type: 'pause'; readonly key: string; readonly pauses: number; readonly pauseMs: number }

type DirectoryTurn = Turn<DirectoryState, Happening, DirectoryJob>

/** Every case of the directory. */
export function step(state: DirectoryState, command: DirectoryCommand): DirectoryTurn {
  switch (command.type) {
    case 'introduce': {
      const key = peerKey(command.url)
      if (key === undefined) return { state }
      const entry = state.get(key)
      // Whoever names itself is alive, and a user who names a failing peer wants it tried now.
      if (entry !== undefined) {
        const told = entry.told || command.told
        const resting = entry.peer.state === 'failing' && entry.phase === 'settled'
        const again = resting && (command.told || !entry.nudged)
        if (!again && told === entry.told) return { state }
        const nudged = entry.nudged || (again && !command.told)
        return startGreetings(with_(state, key, { ...entry, told, nudged, phase: again ? 'waiting' : entry.phase }))
      }
      const roomy = state.size < MAX_KNOWN_PEERS ? state : makeRoom(state)
      if (roomy === undefined) return { state }
      const peer: KnownPeer = { url: command.url, state: 'new', failures: 0 }
      return startGreetings(with_(roomy, key, { peer, told: command.told, phase: 'waiting', nudged: false, pauses: 0 }))
    }
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
      if (greeting.type === 'failed') {
        if (greeting.reason === 'ourselves') {
          const lost: Happening = { type: 'peer-lost', url: entry.peer.url, reason: 'ourselves' }
          return { ...startGreetings(without(state, command.key)), events: [lost] }
        }
        const turn = fail(state, command.key, entry, greeting.reason)
        const next = startGreetings(turn.state)
        return { ...turn, state: next.state, jobs: [...(turn.jobs ?? []), ...(next.jobs ?? [])] }
      }
      const { type: _, ...met } = greeting
      const peer: KnownPeer = { url: entry.peer.url, state: 'up', ...met, failures: 0 }
      const turn = startGreetings(with_(state, command.key, { ...entry, peer, phase: 'settled', nudged: false }))
      return entry.peer.state === 'up' ? turn : { ...turn, events: [{ type: 'peer-joined', url: peer.url }] }
    }
    case 'pause-over': {
      const entry = state.get(command.key)
      if (entry?.phase !== 'settled' || entry.pauses !== command.pauses || entry.peer.state !== 'failing')
        return { state }
      return startGreetings(with_(state, command.key, { ...entry, phase: 'waiting', nudged: false }))
    }
  }
}

function fail(state: DirectoryState, key: string, entry: Entry, reason: FailureReason): DirectoryTurn {
  const failures = entry.peer.failures + 1
  const pauses = entry.pauses + 1
  const peer: KnownPeer = { ...entry.peer, state: 'failing', reason, failures }
  return {
    state: with_(state, key, { ...entry, peer, phase: 'settled', pauses }),
    events: entry.peer.state === 'failing' ? [] : [{ type: 'peer-lost', url: peer.url, reason }],
    jobs: [{ type: 'pause', key, pauses, pauseMs: pauseMs(failures) }]
  }
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
    jobs.push({ type: 'greet', key, url: entry.peer.url })
  }
  return { state: next, jobs }
}

/** Drops the peer that is missed least: never one that answers or that a user named. */
function makeRoom(state: DirectoryState): DirectoryState | undefined {
  let worst: [string, Entry] | undefined
  for (const [key, entry] of state) {
    if (entry.told || entry.peer.state === 'up' || entry.phase === 'greeting') continue
    if (worst === undefined || entry.peer.failures > worst[1].peer.failures) worst = [key, entry]
  }
  return worst === undefined ? undefined : without(state, worst[0])
}

function with_(state: DirectoryState, key: string, entry: Entry): DirectoryState {
  return new Map(state).set(key, entry)
}

function without(state: DirectoryState, key: string): DirectoryState {
  const next = new Map(state)
  next.delete(key)
  return next
}

/** Known peers, in the order in which they became known. */
export function knownPeers(state: DirectoryState): readonly KnownPeer[] {
  return [...state.values()].map(({ peer }) => peer)
}

/** Who is asked now: those that answered last time, the quickest first, then those not reached yet. */
export function askablePeers(state: DirectoryState): readonly PeerUrl[] {
  return knownPeers(state)
    .filter((peer) => peer.state !== 'failing')
    .sort((one, other) => (one.roundTripMs ?? Number.MAX_VALUE) - (other.roundTripMs ?? Number.MAX_VALUE))
    .map(({ url }) => url)
}

const SILENT: Greeting = { type: 'failed', reason: 'timed-out', detail: 'no answer in time' }

export interface DirectoryInit {
  /** Introduces us to a neighbour. */
  readonly hello: (url: PeerUrl) => Observable<Greeting>
  readonly scheduler: SchedulerLike
  readonly stop$: Observable<unknown>
}

export type Directory = Actor<DirectoryCommand, DirectoryState, Happening>

export function createDirectory({ hello, scheduler, stop$ }: DirectoryInit): Directory {
  return createActor<DirectoryCommand, DirectoryState, Happening, DirectoryJob>({
    initial: new Map(),
    step,
    stop$,
    run: (job) =>
      job.type === 'greet'
        ? hello(job.url).pipe(
            timeout({ first: GREETING_TIMEOUT_MS, with: () => of(SILENT), scheduler }),
            map((greeting) => ({ type: 'greeted', key: job.key, greeting }))
          )
        : timer(job.pauseMs, scheduler).pipe(map(() => ({ type: 'pause-over', key: job.key, pauses: job.pauses })))
  })
}
