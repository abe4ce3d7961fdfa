/**
 * Which lane of a download ends when there may be no more of them and somebody is free. Eight holders that let us wait,
 * or send little, would otherwise keep a ninth from sending anything. Pure.
 */
import { PIECE_BYTES } from './pieces.js'
import { type Lane, pieceMs, RACE_FACTOR, SILENT_MS, SUPPOSED_RATE, WORTH_MS } from './sharing.js'
import type { Holder, SwarmState } from './swarm-state.js'

/**
 * The lane that is worth less than what `free` would bring; nothing when all are good enough. One that has never brought
 * anything gets the benefit of the doubt once: holders that say nothing would take turns, and nobody would end a piece.
 */
export function worstLane({ lanes, holders }: SwarmState, free: Holder, nowMs: number): Lane | undefined {
  const isHopeful = free.rate !== undefined || asidesOf(free) === 0
  const patienceMs = ({ holder }: Lane) => SILENT_MS * 2 ** asidesOf(holders.get(holder))
  const ownMs = (PIECE_BYTES * 1_000) / (free.rate ?? SUPPOSED_RATE)
  const all = [...lanes.values()].sort((one, other) => pieceMs(other, nowMs) - pieceMs(one, nowMs))
  return (
    // It has a place in a queue, which it would lose for nothing.
    (isHopeful ? all.find(({ position }) => position !== undefined) : undefined) ??
    all.find((lane) => lane.position === undefined && nowMs - lane.lastMs > patienceMs(lane)) ??
    (isHopeful ? all.find((lane) => lane.fruitful && pieceMs(lane, nowMs) > ownMs * RACE_FACTOR + WORTH_MS) : undefined)
  )
}

/** Those who are free, the most promising first. */
export function freeHolders({ holders }: SwarmState): readonly (readonly [string, Holder])[] {
  return [...holders]
    .filter(([, { state }]) => state === 'idle')
    .sort(([, one], [, other]) => promiseOf(other) - promiseOf(one))
}

const asidesOf = (holder: Holder | undefined) => holder?.asides ?? 0
const promiseOf = (holder: Holder) => holder.rate ?? (asidesOf(holder) === 0 ? SUPPOSED_RATE : 0)
