/**
 * How the pieces of one file are shared out among its holders: who reads what next. Pure.
 *
 * The first holder gets all of it. Whoever becomes free takes a part off the one that would be busy the longest, as
 * much as its own speed deserves, so that all end at the same time; when nothing is left to take, it races the last
 * piece of a slow one. So one slow holder never holds up a fast one.
 */

import { largest, PIECE_BYTES, type PieceRange } from './pieces.js'
import type { PeerUrl } from './ports.js'

/** Pieces of a first request, when nothing is known of the holder's speed. */
const FIRST_PIECES = 2
/** Pieces of one request at most: what has been asked for can only be taken back by closing the connection. */
const MOST_PIECES = 64
/** A request is as much as comes in this time. */
const REQUEST_MS = 500
/** Closing a connection in the middle has to save at least this. */
export const WORTH_MS = 50
/** A piece is raced when its holder needs this many times as long for the rest as the racer for all of it. */
export const RACE_FACTOR = 1.5
/** Lanes on one piece: a racer may be slow itself. */
const MAX_RACERS = 3
/** One that has said nothing for so long does not count as a racer: its connection is likely dead, which shows much later. */
export const SILENT_MS = 2_000
/** Speed is measured over stretches of this length. */
const STRETCH_MS = 200
/** Rate of one that has not shown any, in bytes a second, so that it counts as slower than all who have. */
const UNKNOWN_RATE = 1

/** What a racer of which nothing is known is held to be good for: who says nothing makes all others look as slow. */
export const SUPPOSED_RATE = PIECE_BYTES

/** What one holder is doing. */
export interface Lane {
  readonly holder: PeerUrl
  /** The piece it began with. */
  readonly first: number
  /** The piece that is being received. */
  readonly next: number
  /** Its share ends before this piece. */
  readonly end: number
  /** The request under way ends before this piece. */
  readonly requested: number
  /** Bytes of the piece `next` that are here. */
  readonly inPiece: number
  readonly speed: Speed
  /** Bytes a second, once some have come. */
  readonly rate: number | undefined
  readonly lastMs: number
  /** Bytes have come since it began. */
  readonly fruitful: boolean
  /** Its place in the queue of the holder, while it waits there. */
  readonly position?: number
}

/** How fast a holder is, and the stretch of time that is being measured. */
interface Speed {
  readonly rate: number | undefined
  /** Measured over a whole stretch. */
  readonly settled: boolean
  readonly bytes: number
  readonly sinceMs: number
}

/** A piece of work for a free holder: the range to take, and from whom (nobody: it was free, or is raced). */
export interface Work extends PieceRange {
  readonly from?: PeerUrl
  readonly race: boolean
}

interface Sharing {
  readonly gaps: readonly PieceRange[]
  readonly lanes: Iterable<Lane>
  /** Pieces that are being verified: of no use to race. */
  readonly pending?: readonly number[]
  /** Of the free holder, if known. */
  readonly rate: number | undefined
  readonly nowMs: number
}

/** What a free holder should do; nothing when all is in good hands. */
export function nextWork({ gaps, lanes, pending = [], rate, nowMs }: Sharing): Work | undefined {
  const gap = largest(gaps)
  if (gap !== undefined) return { ...gap, race: false }
  const victims = [...lanes].sort((one, other) => leftMs(other, nowMs) - leftMs(one, nowMs))
  // Nothing known of it: it may be as fast as the best.
  const own = rate ?? Math.max(UNKNOWN_RATE, ...victims.map((lane) => rateOf(lane, nowMs)))
  const racer = rate ?? Math.max(SUPPOSED_RATE, own)
  for (const lane of victims) {
    const work =
      taken(lane, own, nowMs) ?? (pending.includes(lane.next) ? undefined : raced(lane, racer, victims, nowMs))
    if (work !== undefined) return work
  }
  return undefined
}

/** A part off the end of a lane's share. */
function taken(lane: Lane, rate: number, nowMs: number): Work | undefined {
  const left = lane.end - lane.next
  const fair = Math.round((left * rate) / (rate + rateOf(lane, nowMs)))
  const unasked = lane.end - Math.max(lane.requested, lane.next)
  if (unasked > 0) return { start: lane.end - clamp(fair, 1, unasked), end: lane.end, from: lane.holder, race: false }
  const most = left - 1
  if (most < 1) return undefined
  const pieces = clamp(fair, 1, most)
  const leftThen = { ...lane, end: lane.end - pieces }
  const savedMs = leftMs(lane, nowMs) - Math.max(leftMs(leftThen, nowMs), ms(pieces * PIECE_BYTES, rate))
  return savedMs < WORTH_MS ? undefined : { start: leftThen.end, end: lane.end, from: lane.holder, race: false }
}

/** The piece a lane is at, once more. */
function raced(lane: Lane, rate: number, lanes: readonly Lane[], nowMs: number): Work | undefined {
  const racers = lanes.filter(({ next, end, lastMs }) => next === lane.next && end > next && nowMs - lastMs < SILENT_MS)
  if (lane.end <= lane.next || racers.length >= MAX_RACERS) return undefined
  const ownMs = ms(PIECE_BYTES, rate)
  if (leftMs(lane, nowMs) < ownMs * RACE_FACTOR + WORTH_MS) return undefined
  return { start: lane.next, end: lane.next + 1, race: true }
}

/** How many pieces to ask for at once. */
export function requestEnd({ next, end, rate }: Pick<Lane, 'next' | 'end' | 'rate'>): number {
  const pieces = rate === undefined ? FIRST_PIECES : Math.round((rate * REQUEST_MS) / 1_000 / PIECE_BYTES)
  return Math.min(end, next + clamp(pieces, FIRST_PIECES, MOST_PIECES))
}

/** A lane after bytes have come. */
export function advanced(lane: Lane, bytes: number, nowMs: number): Lane {
  const speed = measured(lane.speed, bytes, nowMs)
  const { position: _, ...served } = lane
  return { ...served, inPiece: lane.inPiece + bytes, speed, rate: speed.rate, lastMs: nowMs, fruitful: true }
}

/** Speed over stretches of time, since bytes come in bursts; half of what is known is new, so that a hiccup does not count much. */
function measured({ rate, settled, bytes, sinceMs }: Speed, added: number, nowMs: number): Speed & { rate: number } {
  const [sum, elapsedMs] = [bytes + added, Math.max(1, nowMs - sinceMs)]
  const seen = (sum * 1_000) / elapsedMs
  if (elapsedMs < STRETCH_MS) return { rate: settled && rate !== undefined ? rate : seen, settled, bytes: sum, sinceMs }
  return { rate: settled && rate !== undefined ? (rate + seen) / 2 : seen, settled: true, bytes: 0, sinceMs: nowMs }
}

/** Bytes a second as it looks now: one that says nothing gets slower by the moment. */
function rateOf({ rate, lastMs }: Lane, nowMs: number): number {
  const silentMs = nowMs - lastMs
  if (rate !== undefined && silentMs < STRETCH_MS) return Math.max(UNKNOWN_RATE, rate)
  const most = (PIECE_BYTES * 1_000) / Math.max(1, silentMs)
  return Math.max(UNKNOWN_RATE, Math.min(rate ?? most, most))
}

/** For the piece it is at. */
export const pieceMs = (lane: Lane, nowMs: number) => ms(PIECE_BYTES - lane.inPiece, rateOf(lane, nowMs))

function leftMs(lane: Lane, nowMs: number): number {
  return ms(Math.max(0, (lane.end - lane.next) * PIECE_BYTES - lane.inPiece), rateOf(lane, nowMs))
}

const ms = (bytes: number, rate: number) => (bytes * 1_000) / rate
const clamp = (value: number, least: number, most: number) => Math.min(most, Math.max(least, value))
