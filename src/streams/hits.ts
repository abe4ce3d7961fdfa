/** What a find brings: what of it is believed, what each peer on the way adds, and how large it may be. Pure. */
import { isPlainName } from './names.js'
import type { Hit, Match, MatchedLine, PeerUrl, Trace } from './ports.js'
import { MAX_HISTORY_LENGTH } from './query-rules.js'
import { distinctUrls, MAX_URL_LENGTH } from './urls.js'

/** Hits (and traces) of one batch, */
export const MAX_BATCH_HITS = 64
/** and its size on the wire: a relay holds one for each neighbour. */
export const MAX_BATCH_BYTES = 64 * 1024
/** Holders of one hit; more come in further hits. A peer has as many addresses, and one hit is short. */
export const MAX_HIT_HOLDERS = 8
/** Peers of one hit that pass its bytes on: one is enough, and others for when it leaves. */
export const MAX_HIT_RELAYS = 4
/** Lines of one file that are told, and how much of each: enough to see whether it is the right one. */
export const MAX_HIT_LINES = 16
export const MAX_LINE_CHARS = 256
/** Of the reason that a trace gives. */
export const MAX_DETAIL_CHARS = 256

/** Hits of one key are one hit with several holders. What has no root is a file of its holder alone. */
export function keyOf({ root, name, size, holders }: Pick<Hit, 'root' | 'name' | 'size' | 'holders'>): string {
  return root ?? `${size} ${holders[0] ?? ''} ${name}`
}

/** Our own matches as hits. `as` is the spelling of our URL under which the asker knows us. */
export function ownHits(files: readonly Match[], as: PeerUrl): readonly Hit[] {
  return files.map(({ name, size, root, lines }) => ({
    name,
    size,
    ...(root === undefined ? {} : { root }),
    holders: [as],
    hops: 0,
    ...(lines === undefined ? {} : { lines: shown(lines) })
  }))
}

/** What a neighbour says it has found, as far as it may be shown and passed on: for transports, which let nothing else in. */
export function believedHits(hits: readonly Hit[]): readonly Hit[] {
  const good: Hit[] = []
  for (const hit of hits.slice(0, MAX_BATCH_HITS)) {
    const { name, size, root, relays = [], hops, lines } = hit
    if (!isPlainName(name) || !isCount(size) || (root !== undefined && !isRoot(root))) continue
    const holders = distinctUrls(hit.holders).slice(0, MAX_HIT_HOLDERS)
    if (holders.length === 0) continue
    const passing = root === undefined ? [] : distinctUrls(relays).slice(0, MAX_HIT_RELAYS)
    good.push({
      name,
      size,
      ...(root === undefined ? {} : { root }),
      holders,
      ...(passing.length === 0 ? {} : { relays: passing }),
      hops: isCount(hops) ? Math.min(hops, MAX_HISTORY_LENGTH) : MAX_HISTORY_LENGTH,
      ...(lines === undefined ? {} : { lines: shown(lines) })
    })
  }
  return good
}

/** The same of the calls that it tells of. */
export function believedTraces(traces: readonly Trace[] = []): readonly Trace[] {
  return traces.slice(0, MAX_BATCH_HITS).flatMap(({ from, to, depth, outcome, hits, tookMs, detail }) => {
    if (from.length > MAX_URL_LENGTH || to.length > MAX_URL_LENGTH || !OUTCOMES.has(outcome)) return []
    if (!isCount(depth) || depth > MAX_HISTORY_LENGTH || !isCount(hits) || !(tookMs >= 0)) return []
    const why = detail === undefined ? {} : { detail: cleaned(detail).slice(0, MAX_DETAIL_CHARS) }
    return { from, to, depth, outcome, hits, tookMs, ...why }
  })
}

/**
 * A hit one call further from its holder, with us (`as`) among those who will pass its bytes on, where there is a root to prove
 * them by. Without one it is the file of one holder. There may be hundreds of thousands: a hit is copied once.
 */
export function farther(hit: Hit, as: PeerUrl | undefined): Hit {
  const { root, holders, relays = [], lines } = hit
  const one = { ...hit, hops: hit.hops + 1 }
  if (root === undefined) {
    if (holders.length > 1) one.holders = holders.slice(0, 1)
  } else if (as !== undefined && as !== '' && relays.length < MAX_HIT_RELAYS && !relays.includes(as)) {
    one.relays = [...relays, as]
  }
  if (lines !== undefined) one.lines = shown(lines)
  return one
}

/** What it takes on the wire, or more: a character of UTF-16 is at most 3 bytes of UTF-8, and what JSON escapes is cleaned away. */
export function bytesOf(item: Hit | Trace): number {
  if ('outcome' in item) return 150 + 3 * (item.from.length + item.to.length + (item.detail?.length ?? 0))
  const { name, root, holders, relays, lines } = item
  let bytes = 100 + 3 * name.length + (root?.length ?? 0)
  for (const url of holders) bytes += 10 + 3 * url.length
  if (relays !== undefined) for (const url of relays) bytes += 10 + 3 * url.length
  if (lines !== undefined) for (const { text } of lines) bytes += 40 + 3 * text.length
  return bytes
}

const OUTCOMES: ReadonlySet<Trace['outcome']> = new Set([
  'answered',
  'missed',
  'seen',
  'declined',
  'timed-out',
  'failed',
  'taken-back'
])

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function isRoot(root: string): boolean {
  return /^[0-9a-f]{64}$/.test(root)
}

function shown(lines: readonly MatchedLine[]): readonly MatchedLine[] {
  const told = lines.slice(0, MAX_HIT_LINES).filter(({ number }) => isCount(number))
  return told.map(({ number, text }) => ({ number, text: cleaned(text.slice(0, MAX_LINE_CHARS)) }))
}

/** Without what a terminal obeys, or no text holds: somebody wrote it to be seen by others. */
function cleaned(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}]/gu, (char) => (char === '\t' ? ' ' : '\u{fffd}'))
}
