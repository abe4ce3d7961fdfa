/**
 * What a download from many knows, and the moves from one such state to the next. Pure. Which is made when stands in
 * `swarm-rules.ts`.
 *
 * Each piece has one owner: it is free (`gaps`), in a lane's share, or being verified and written (`pending`). Only a
 * raced piece has several; the first that is kept counts.
 */
import { type PieceRange, withRange } from './pieces.js'
import type { PeerUrl } from './ports.js'
import type { Lane, Work } from './sharing.js'

export interface Holder {
  /** `reserve`: passes on what others have; asked when those fail. */
  readonly state: 'idle' | 'busy' | 'resting' | 'reserve' | 'out'
  readonly rate: number | undefined
  /** Failures in a row, and in all. */
  readonly barren: number
  readonly tries: number
  /** How often it had to make room for another one. */
  readonly asides?: number
}

export interface SwarmState {
  readonly holders: ReadonlyMap<PeerUrl, Holder>
  readonly lanes: ReadonlyMap<PeerUrl, Lane>
  readonly gaps: readonly PieceRange[]
  /** Pieces that are not kept yet. */
  readonly missing: number
  /** The last of those that were missing at the beginning, which may be shorter than the others, and whether it is kept. */
  readonly tail: { readonly piece: number; readonly kept: boolean }
  /** Pieces received that are being verified, written or repaired; a raced one may be there twice. */
  readonly pending: readonly number[]
  /** Pieces that more than one lane was at, and whether one has been kept. */
  readonly raced: ReadonlyMap<number, boolean>
  readonly searching: boolean
  readonly lastBreak: Failure
  readonly over: boolean
}

export interface Failure {
  readonly code: string
  readonly detail: string
}

const NOBODY: Failure = { code: 'NETWORK', detail: 'nobody who has it could be reached' }

export function initialState(gaps: readonly PieceRange[], lastBreak = NOBODY): SwarmState {
  return {
    holders: new Map(),
    lanes: new Map(),
    gaps,
    missing: gaps.reduce((sum, { start, end }) => sum + end - start, 0),
    tail: { piece: (gaps.at(-1)?.end ?? 0) - 1, kept: false },
    pending: [],
    raced: new Map(),
    searching: true,
    lastBreak,
    over: false
  }
}

/** The state when a piece is no longer pending, once. */
export function settledPiece(state: SwarmState, piece: number): SwarmState {
  const at = state.pending.indexOf(piece)
  return { ...state, pending: state.pending.filter((_, index) => index !== at) }
}

/** Those who pass it on are needed: nobody who has it sends anything. */
export function withReserves(state: SwarmState): SwarmState {
  const holders = [...state.holders].map(
    ([url, holder]) => [url, holder.state === 'reserve' ? { ...holder, state: 'idle' as const } : holder] as const
  )
  return { ...state, holders: new Map(holders) }
}

/** The state without what is about to be given to somebody. */
export function taken(state: SwarmState, { start, end, from, race }: Work): SwarmState {
  if (race) return { ...state, raced: with_(state.raced, start, false) }
  const victim = from === undefined ? undefined : state.lanes.get(from)
  if (victim !== undefined) return { ...state, lanes: with_(state.lanes, victim.holder, { ...victim, end: start }) }
  return { ...state, gaps: state.gaps.filter((gap) => gap.start !== start || gap.end !== end) }
}

/** A lane that is no more; its holder is free, and what is known of its speed stays known. */
export function freed(state: SwarmState, { holder, rate }: Lane): SwarmState {
  const entry = state.holders.get(holder)
  const lanes = new Map(state.lanes)
  lanes.delete(holder)
  if (entry === undefined) return { ...state, lanes }
  const idle: Holder = { ...entry, state: 'idle', rate: rate ?? entry.rate }
  return { ...state, lanes, holders: with_(state.holders, holder, idle) }
}

/** Pieces that nobody brings any more, but for those that somebody else is at, or has brought, or that are here. */
export function wantedAgain(state: SwarmState, { start, end }: PieceRange, except?: PeerUrl): SwarmState {
  let gaps = state.gaps
  let from = start
  for (const [piece, isKept] of [...state.raced].sort(([one], [other]) => one - other)) {
    if (piece < from || piece >= end) continue
    const held = [...state.lanes.values()].some(
      (lane) => lane.holder !== except && lane.next <= piece && piece < lane.end
    )
    if (!isKept && !held && !state.pending.includes(piece)) continue
    gaps = withRange(gaps, { start: from, end: piece })
    from = piece + 1
  }
  return { ...state, gaps: withRange(gaps, { start: from, end }) }
}

/** Nobody is left who could bring what is missing, but those who pass it on. */
export function isStuck({ searching, lanes, pending, over, holders }: SwarmState): boolean {
  if (searching || lanes.size > 0 || pending.length > 0 || over) return false
  return [...holders.values()].every(({ state: how }) => how === 'out' || how === 'reserve')
}

export function with_<K, V>(map: ReadonlyMap<K, V>, key: K, value: V): ReadonlyMap<K, V> {
  return new Map(map).set(key, value)
}
