/**
 * The lines of the answer to a find: JSON, `{"urls":[...],"hits":[[name,size,root,hops,[holder...],[relay...],[[number,text]...]]...]}`,
 * where holders and relays are places in `urls`, and what is empty at the end of a hit is left out. There may be hundreds of
 * thousands: arrays instead of objects, and the few URLs once, are half the bytes, and the check by hand is total and quick.
 */
import * as v from 'valibot'
import {
  MAX_BATCH_HITS,
  MAX_DETAIL_CHARS,
  MAX_HIT_HOLDERS,
  MAX_HIT_LINES,
  MAX_HIT_RELAYS,
  MAX_LINE_CHARS
} from '../../../streams/hits.js'
import { isPlainName } from '../../../streams/names.js'
import type { Finding, Hit, MatchedLine, PeerUrl, Trace } from '../../../streams/ports.js'
import { MAX_HISTORY_LENGTH } from '../../../streams/query-rules.js'
import { MAX_URL_LENGTH, peerKey } from '../../../streams/urls.js'
import { MAX_FIND_LINE_BYTES, MAX_URLS_PER_LINE } from '../limits.js'

/** A URL that was looked at once is known; a few hundred peers are in reach. */
const MAX_KNOWN_URLS = 512

const ENDS = ['all', 'seen', 'declined', 'late'] as const
export type End = Extract<Finding, { type: 'ended' }>['how']

export const endLine = (how: End): string => `{"end":"${how}"}`

/** As many lines as it takes. A hit that fits no line is left out, which those within the caps above never are. */
export function encodeFound(hits: readonly Hit[], traces: readonly Trace[] = []): readonly string[] {
  const most = Math.max(hits.length, traces.length)
  if (most === 0) return []
  const line = most <= MAX_BATCH_HITS ? encodeLine(hits, traces) : undefined
  if (line !== undefined) return [line]
  if (most === 1) return hits.length === traces.length ? [...encodeFound(hits), ...encodeFound([], traces)] : []
  const half = Math.ceil(most / 2)
  return [
    ...encodeFound(hits.slice(0, half), traces.slice(0, half)),
    ...encodeFound(hits.slice(half), traces.slice(half))
  ]
}

/** Nothing when it is too much for one line. */
function encodeLine(hits: readonly Hit[], traces: readonly Trace[]): string | undefined {
  const urls = new Map<PeerUrl, number>()
  const placeOf = (url: PeerUrl) => {
    const known = urls.get(url)
    if (known !== undefined) return known
    urls.set(url, urls.size)
    return urls.size - 1
  }
  const rows = hits.map(({ name, size, root = '', holders, relays = [], hops, lines = [] }) => {
    const row: unknown[] = [name, size, root, hops, holders.slice(0, MAX_HIT_HOLDERS).map(placeOf)]
    if (relays.length > 0 || lines.length > 0) row.push(relays.slice(0, MAX_HIT_RELAYS).map(placeOf))
    if (lines.length > 0) row.push(lines.slice(0, MAX_HIT_LINES).map(rowOf))
    return row
  })
  if (urls.size > MAX_URLS_PER_LINE) return undefined
  const line = JSON.stringify({
    ...(hits.length === 0 ? {} : { urls: [...urls.keys()], hits: rows }),
    ...(traces.length === 0 ? {} : { traces: traces.map(cut) })
  })
  return Buffer.byteLength(line) < MAX_FIND_LINE_BYTES ? line : undefined
}

const rowOf = ({ number, text }: MatchedLine) => [number, text.slice(0, MAX_LINE_CHARS)]

function cut({ detail, ...trace }: Trace): Trace {
  return detail === undefined ? trace : { ...trace, detail: detail.slice(0, MAX_DETAIL_CHARS) }
}

/** One line that was read. `bad` hits and calls have been left out. */
export type FoundLine =
  | { readonly type: 'found'; readonly hits: readonly Hit[]; readonly traces: readonly Trace[]; readonly bad: number }
  | { readonly type: 'ended'; readonly how: End }

/**
 * Reads the lines of one answer, of a network whose URLs have this scheme; nothing for a line that has not the agreed form.
 * Members that are not known are a later version's, and are left alone.
 */
export function createLineReader(scheme: string): (line: string) => FoundLine | undefined {
  const known = new Map<PeerUrl, boolean>()
  const isUrl = (url: unknown): url is PeerUrl => {
    if (typeof url !== 'string' || url.length > MAX_URL_LENGTH) return false
    const told = known.get(url)
    if (told !== undefined) return told
    const isOne = url.startsWith(scheme) && peerKey(url) !== undefined
    if (known.size >= MAX_KNOWN_URLS) known.clear()
    known.set(url, isOne)
    return isOne
  }

  return (line) => {
    const value = parsed(line)
    if (value === undefined) return undefined
    const { end, urls = [], hits = [], traces = [] } = value
    if (end !== undefined) {
      const how = ENDS.find((each) => each === end)
      return how === undefined ? undefined : { type: 'ended', how }
    }
    if (!isList(urls, MAX_URLS_PER_LINE) || !isList(hits, MAX_BATCH_HITS) || !isList(traces, MAX_BATCH_HITS))
      return undefined
    const places: Places = urls.map((url) => (isUrl(url) ? [url] : undefined))
    const good = hits.map((hit) => hitOf(hit, places)).filter((hit) => hit !== undefined)
    const told = traces.map(traceOf).filter((trace) => trace !== undefined)
    return { type: 'found', hits: good, traces: told, bad: hits.length + traces.length - good.length - told.length }
  }
}

function parsed(line: string): Readonly<Record<string, unknown>> | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  // Own members only: an object that came out of JSON has those of every object besides.
  return Object.assign(Object.create(null) as Record<string, unknown>, value)
}

function isList(value: unknown, most: number): value is readonly unknown[] {
  return Array.isArray(value) && value.length <= most
}

const ROOT = /^[0-9a-f]{64}$/

/** Each URL of a line as a list of one, which hits share: most have one holder. */
type Places = readonly (readonly [PeerUrl] | undefined)[]

function hitOf(row: unknown, places: Places): Hit | undefined {
  if (!isList(row, 7)) return undefined
  // By number: to take an array apart by pattern is to iterate over it.
  const name = row[0]
  const size = row[1]
  const root = row[2]
  const hops = row[3]
  if (typeof name !== 'string' || !isPlainName(name)) return undefined
  if (!isCount(size, Number.MAX_SAFE_INTEGER) || !isCount(hops, MAX_HISTORY_LENGTH)) return undefined
  if (typeof root !== 'string' || (root !== '' && !ROOT.test(root))) return undefined
  const holders = urlsAt(row[4], places, MAX_HIT_HOLDERS)
  if (holders === undefined || holders.length === 0) return undefined
  const hit: Hit = root === '' ? { name, size, holders, hops } : { name, size, root, holders, hops }
  if (row.length === 5) return hit
  const relays = urlsAt(row[5], places, MAX_HIT_RELAYS)
  const lines = linesIn(row[6] ?? [])
  if (relays === undefined || lines === undefined) return undefined
  return { ...hit, ...(relays.length === 0 ? {} : { relays }), ...(lines.length === 0 ? {} : { lines }) }
}

function isCount(value: unknown, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most
}

function urlsAt(value: unknown, places: Places, most: number): readonly PeerUrl[] | undefined {
  if (!isList(value, most)) return undefined
  if (value.length === 1) return isCount(value[0], MAX_URLS_PER_LINE) ? places[value[0]] : undefined
  const urls: PeerUrl[] = []
  for (const place of value) {
    const url = isCount(place, MAX_URLS_PER_LINE) ? places[place] : undefined
    if (url === undefined) return undefined
    urls.push(url[0])
  }
  return urls
}

function linesIn(value: unknown): readonly MatchedLine[] | undefined {
  if (!isList(value, MAX_HIT_LINES)) return undefined
  const lines: MatchedLine[] = []
  for (const row of value) {
    if (!isList(row, 2)) return undefined
    const [number, text] = row
    if (!isCount(number, Number.MAX_SAFE_INTEGER) || typeof text !== 'string' || text.length > MAX_LINE_CHARS)
      return undefined
    lines.push({ number, text })
  }
  return lines
}

const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
/** Its URLs are shown to a person and not called. */
const TraceShape = v.object({
  from: v.pipe(v.string(), v.maxLength(MAX_URL_LENGTH)),
  to: v.pipe(v.string(), v.maxLength(MAX_URL_LENGTH)),
  depth: v.pipe(Count, v.maxValue(MAX_HISTORY_LENGTH)),
  outcome: v.picklist(['answered', 'missed', 'seen', 'declined', 'timed-out', 'failed', 'taken-back']),
  hits: Count,
  tookMs: v.pipe(v.number(), v.finite(), v.minValue(0)),
  detail: v.optional(v.pipe(v.string(), v.maxLength(MAX_DETAIL_CHARS)))
})

function traceOf(value: unknown): Trace | undefined {
  const result = v.safeParse(TraceShape, value)
  if (!result.success) return undefined
  const { detail, ...trace } = result.output
  return detail === undefined ? trace : { ...trace, detail }
}
