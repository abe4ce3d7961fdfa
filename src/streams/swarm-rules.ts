/**
 * The rules of a download from many holders, every case of them. What they decide about stands in `swarm-state.ts`, and
 * how the work is shared out in `sharing.ts`.
 */
import type { Turn } from './actor.js'
import { freeHolders, worstLane } from './making-room.js'
import type { PieceRange } from './pieces.js'
import type { Found, PeerUrl } from './ports.js'
import { advanced, type Lane, nextWork, requestEnd } from './sharing.js'
import {
  type Failure,
  freed,
  type Holder,
  isStuck,
  type SwarmState,
  settledPiece,
  taken,
  wantedAgain,
  with_,
  withReserves
} from './swarm-state.js'

/** Holders read at once by one download: each is a connection and a piece in memory. */
export const MAX_LANES = 8
/** Holders remembered by one download. */
export const MAX_HOLDERS = 64
/** Failures in a row, without a piece in between, after which a holder is not tried again. */
const MAX_BARREN_TRIES = 3
/** Failures altogether: a flaky link still ends. */
const MAX_TRIES = 16
/** Pause before a holder that failed is tried again; grows with its failures in a row. */
const REST_MS = 250
/** Pause of a holder that made room for a better one. */
const ASIDE_MS = 10_000

/** Why a lane ended before its request was done. */
export type Break =
  | { readonly why: 'failed' | 'gone' | 'changed'; readonly code: string; readonly detail: string }
  /** It sent what it should not have: it is not asked again. */
  | { readonly why: 'lied'; readonly detail: string }

export type SwarmCommand =
  /** From the query: another one has it; or all have been heard. */
  | { readonly type: 'found'; readonly found: Found; readonly nowMs: number }
  | { readonly type: 'all-found'; readonly nowMs: number }
  /** From a lane. */
  | { readonly type: 'advanced'; readonly holder: PeerUrl; readonly bytes: number; readonly nowMs: number }
  | { readonly type: 'queued'; readonly holder: PeerUrl; readonly position: number }
  | { readonly type: 'received'; readonly holder: PeerUrl; readonly piece: number }
  /** From keeping a piece. */
  | { readonly type: 'kept'; readonly piece: number; readonly nowMs: number }
  | { readonly type: 'wrong'; readonly holder: PeerUrl; readonly piece: number; readonly nowMs: number }
  | { readonly type: 'requested'; readonly holder: PeerUrl; readonly nowMs: number }
  | ({ readonly type: 'broke'; readonly holder: PeerUrl; readonly nowMs: number } & Break)
  /** From a repair that did not help. */
  | { readonly type: 'lost'; readonly piece: number; readonly nowMs: number }
  /** From the pause of a holder. */
  | { readonly type: 'rested'; readonly holder: PeerUrl; readonly nowMs: number }
  /** Time goes by: somebody may have become slow. */
  | { readonly type: 'tick'; readonly nowMs: number }
  /** Nothing can be written any more. */
  | { readonly type: 'no-disk'; readonly code: string; readonly detail: string }

export type SwarmEvent =
  | { readonly type: 'rejected'; readonly holder: PeerUrl }
  | { readonly type: 'complete' }
  | ({ readonly type: 'failed' } & Failure)

export type SwarmJob =
  | { readonly type: 'read'; readonly holder: PeerUrl; readonly range: PieceRange }
  | { readonly type: 'stop'; readonly holder: PeerUrl }
  | { readonly type: 'keep'; readonly piece: number; readonly holder: PeerUrl }
  | { readonly type: 'repair'; readonly piece: number; readonly liar: PeerUrl; readonly helpers: readonly PeerUrl[] }
  | { readonly type: 'rest'; readonly holder: PeerUrl; readonly restMs: number }

type SwarmTurn = Turn<SwarmState, SwarmEvent, SwarmJob>

/** Every case of a download from many. */
export function step(state: SwarmState, command: SwarmCommand): SwarmTurn {
  if (state.over) return { state }
  switch (command.type) {
    case 'found': {
      const { found, nowMs } = command
      const { type, url } = found
      const known = state.holders.get(url)
      // One that only passes it on may turn out to have it.
      const better = known?.state === 'reserve' && type === 'holder'
      if ((known !== undefined && !better) || state.holders.size >= MAX_HOLDERS) return { state }
      const how = type === 'relay' ? 'reserve' : 'idle'
      const entry: Holder = { state: how, rate: undefined, barren: 0, tries: 0 }
      return shareOut({ ...state, holders: with_(state.holders, url, entry) }, nowMs)
    }
    case 'all-found': {
      const heard = { ...state, searching: false }
      return shareOut(heard.lanes.size === 0 ? withReserves(heard) : heard, command.nowMs)
    }
    case 'advanced': {
      const lane = state.lanes.get(command.holder)
      if (lane === undefined) return { state }
      const lanes = with_(state.lanes, command.holder, advanced(lane, command.bytes, command.nowMs))
      return { state: { ...state, lanes } }
    }
    case 'queued': {
      const { holder, position } = command
      const lane = state.lanes.get(holder)
      return {
        state: lane === undefined ? state : { ...state, lanes: with_(state.lanes, holder, { ...lane, position }) }
      }
    }
    case 'received': {
      const { holder, piece } = command
      const lane = state.lanes.get(holder)
      const moved =
        lane === undefined ? state.lanes : with_(state.lanes, holder, { ...lane, next: piece + 1, inPiece: 0 })
      const jobs: SwarmJob[] = [{ type: 'keep', piece, holder }]
      return { state: { ...state, pending: [...state.pending, piece], lanes: moved }, jobs }
    }
    case 'requested': {
      // The request is done: on with the share, or with another one.
      const lane = state.lanes.get(command.holder)
      if (lane === undefined) return { state }
      if (lane.next < lane.end) return ask(state, lane)
      return shareOut(freed(state, lane), command.nowMs)
    }
    case 'kept':
      return kept(state, command.piece, command.nowMs)
    case 'wrong': {
      const { holder, piece, nowMs } = command
      const turn = dropped(state, holder, 'what it sent is not what was asked for')
      const helpers = [...turn.state.holders].filter(([, { state: how }]) => how !== 'out').map(([url]) => url)
      return followed(turn, shareOut(turn.state, nowMs), { type: 'repair', piece, liar: holder, helpers })
    }
    case 'lost': {
      const { piece, nowMs } = command
      return shareOut(wantedAgain(settledPiece(state, piece), { start: piece, end: piece + 1 }), nowMs)
    }
    case 'broke':
      return broke(state, command)
    case 'rested': {
      const entry = state.holders.get(command.holder)
      if (entry?.state !== 'resting') return { state }
      const holders = with_(state.holders, command.holder, { ...entry, state: 'idle' as const })
      return shareOut({ ...state, holders }, command.nowMs)
    }
    case 'tick':
      return shareOut(state, command.nowMs)
    case 'no-disk':
      return ended(state, { type: 'failed', code: command.code, detail: command.detail })
  }
}

function kept(before: SwarmState, piece: number, nowMs: number): SwarmTurn {
  const state = settledPiece(before, piece)
  const race = state.raced.get(piece)
  if (race === true) return shareOut(state, nowMs)
  const raced = race === undefined ? state.raced : with_(state.raced, piece, true)
  const tail = piece === state.tail.piece ? { piece, kept: true } : state.tail
  const next = { ...state, raced, tail, missing: state.missing - 1 }
  if (next.missing === 0) return ended(next, { type: 'complete' })
  if (race === undefined) return { state: next }
  // Whoever is still at it has lost the race.
  const losers = [...next.lanes.values()].filter((lane) => lane.next === piece)
  const turn = losers.reduce<SwarmTurn>(
    (before, lane) => {
      const rest = { ...lane, next: piece + 1 }
      const after = freed(wantedAgain(before.state, { start: rest.next, end: rest.end }, lane.holder), lane)
      return { state: after, jobs: [...(before.jobs ?? []), { type: 'stop', holder: lane.holder }] }
    },
    { state: next }
  )
  return followed(turn, shareOut(turn.state, nowMs))
}

function broke(state: SwarmState, command: SwarmCommand & { type: 'broke' }): SwarmTurn {
  const { holder, nowMs } = command
  if (command.why === 'lied') {
    const turn = dropped(state, holder, command.detail)
    return followed(turn, shareOut(turn.state, nowMs))
  }
  const lane = state.lanes.get(holder)
  const entry = state.holders.get(holder)
  if (lane === undefined || entry === undefined) return { state }
  const { code, detail } = command
  const back = {
    ...wantedAgain(freed(state, lane), { start: lane.next, end: lane.end }, holder),
    lastBreak: { code, detail }
  }
  const barren = lane.next > lane.first ? 1 : entry.barren + 1
  const tries = entry.tries + 1
  const over = command.why !== 'failed' || barren >= MAX_BARREN_TRIES || tries >= MAX_TRIES
  const next: Holder = { ...entry, rate: lane.rate ?? entry.rate, barren, tries, state: over ? 'out' : 'resting' }
  const known = { ...back, holders: with_(back.holders, holder, next) }
  const turn = shareOut(known.lanes.size === 0 ? withReserves(known) : known, nowMs)
  // It may still be read: what broke may have been the hashes of a piece it sent before.
  const stopped = followed({ state, jobs: [{ type: 'stop', holder }] }, turn)
  return over ? stopped : followed(stopped, stopped, { type: 'rest', holder, restMs: REST_MS * 2 ** (barren - 1) })
}

/** A holder that is not to be trusted: named, stopped, and not asked again. */
function dropped(state: SwarmState, holder: PeerUrl, detail: string): SwarmTurn {
  const entry = state.holders.get(holder)
  if (entry === undefined || entry.state === 'out') return { state }
  const lane = state.lanes.get(holder)
  const back = lane === undefined ? state : wantedAgain(freed(state, lane), { start: lane.next, end: lane.end }, holder)
  const holders = with_(back.holders, holder, { ...entry, state: 'out' as const })
  const lastBreak = { code: 'INTEGRITY', detail: `${holder}: ${detail}` }
  const stop: SwarmJob[] = lane === undefined ? [] : [{ type: 'stop', holder }]
  const next = { ...back, holders, lastBreak }
  return {
    state: next.lanes.size === 0 ? withReserves(next) : next,
    events: [{ type: 'rejected', holder }],
    jobs: stop
  }
}

/** Gives every free holder something to do. */
function shareOut(state: SwarmState, nowMs: number): SwarmTurn {
  let turn: SwarmTurn = { state }
  for (const [holder, { rate }] of freeHolders(state)) {
    if (turn.state.lanes.size >= MAX_LANES) break
    const { gaps, lanes, pending } = turn.state
    const work = nextWork({ gaps, lanes: lanes.values(), pending, rate, nowMs })
    if (work === undefined) continue
    const { start, end } = work
    const speed = { rate, settled: rate !== undefined, bytes: 0, sinceMs: nowMs }
    const lane: Lane = {
      holder,
      first: start,
      next: start,
      end,
      requested: start,
      inPiece: 0,
      speed,
      rate,
      lastMs: nowMs,
      fruitful: false
    }
    turn = followed(turn, ask(taken(turn.state, work), lane))
  }
  const room = madeRoom(turn.state, nowMs)
  if (room !== undefined) return followed(followed(turn, room), shareOut(room.state, nowMs))
  // One that passes it on may have been found since those who have it were last asked.
  const reserves = isStuck(turn.state) && [...turn.state.holders.values()].some(({ state: how }) => how === 'reserve')
  return followed(turn, reserves ? shareOut(withReserves(turn.state), nowMs) : settled(turn.state))
}

/** All lanes are taken and somebody is free: the worst lane ends, unless all are good enough. */
function madeRoom(state: SwarmState, nowMs: number): SwarmTurn | undefined {
  if (state.lanes.size < MAX_LANES) return undefined
  const lane = freeHolders(state)
    .map(([, free]) => worstLane(state, free, nowMs))
    .find((worst) => worst !== undefined)
  const entry = lane === undefined ? undefined : state.holders.get(lane.holder)
  if (lane === undefined || entry === undefined) return undefined
  const { holder, next: start, end, rate = entry.rate } = lane
  const back = wantedAgain(freed(state, lane), { start, end }, holder)
  const aside: Holder = { ...entry, rate, state: 'resting', asides: (entry.asides ?? 0) + 1 }
  return {
    state: { ...back, holders: with_(back.holders, holder, aside) },
    jobs: [
      { type: 'stop', holder },
      { type: 'rest', holder, restMs: ASIDE_MS }
    ]
  }
}

/** Asks for the next pieces of a lane's share. */
function ask(state: SwarmState, lane: Lane): SwarmTurn {
  const requested = requestEnd(lane)
  const entry = state.holders.get(lane.holder)
  const busy =
    entry === undefined ? state.holders : with_(state.holders, lane.holder, { ...entry, state: 'busy' as const })
  return {
    state: { ...state, holders: busy, lanes: with_(state.lanes, lane.holder, { ...lane, requested }) },
    jobs: [{ type: 'read', holder: lane.holder, range: { start: lane.next, end: requested } }]
  }
}

/** Fails when nobody is left who could bring what is missing. */
function settled(state: SwarmState): SwarmTurn {
  return isStuck(state) ? ended(state, { type: 'failed', ...state.lastBreak }) : { state }
}

function ended(state: SwarmState, event: SwarmEvent): SwarmTurn {
  const jobs = [...state.lanes.keys()].map((holder): SwarmJob => ({ type: 'stop', holder }))
  return { state: { ...state, lanes: new Map(), over: true }, events: [event], jobs }
}

/** One turn behind the other. */
function followed(first: SwarmTurn, second: SwarmTurn, ...jobs: SwarmJob[]): SwarmTurn {
  if (first === second) return { ...first, jobs: [...(first.jobs ?? []), ...jobs] }
  return {
    state: second.state,
    events: [...(first.events ?? []), ...(second.events ?? [])],
    jobs: [...(first.jobs ?? []), ...(second.jobs ?? []), ...jobs]
  }
}
