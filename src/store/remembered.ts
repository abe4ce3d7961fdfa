/** The peers that answered, for the next process. */
import * as v from 'valibot'
import type { StatePart } from './state.js'

/** As many as are known at a time. */
export const MAX_REMEMBERED = 256
/** A peer that did not answer for so long is forgotten. */
export const KEPT_DAYS = 30
const DAY_MS = 86_400_000
/** Longer than what is written ever is. */
const MAX_CHARS = 4 * 1024 * 1024
const KEY = 'all'

const Remembered = v.object({
  id: v.optional(v.string()),
  urls: v.pipe(v.array(v.string()), v.minLength(1)),
  /** When it last answered, milliseconds since 1970. */
  seenMs: v.pipe(v.number(), v.finite())
})

export type RememberedPeer = Readonly<v.InferOutput<typeof Remembered>>

export interface PeerMemory {
  /** Those of earlier processes, the last one that answered first. What is damaged is left out. */
  readonly load: (nowMs: number) => Promise<readonly RememberedPeer[]>
  /** In place of all that was kept: in one entry, so that a process that is killed leaves the old ones or the new ones. */
  readonly save: (peers: readonly RememberedPeer[], nowMs: number) => Promise<void>
}

export function createPeerMemory(open: () => Promise<StatePart<string>>): PeerMemory {
  return {
    load: async (nowMs) => kept(parse((await (await open()).get(KEY)) ?? '[]'), nowMs),
    save: async (peers, nowMs) => (await open()).put(KEY, JSON.stringify(kept(peers, nowMs)))
  }
}

function kept(peers: readonly RememberedPeer[], nowMs: number): readonly RememberedPeer[] {
  return peers
    .filter(({ seenMs }) => nowMs - seenMs < KEPT_DAYS * DAY_MS)
    .sort((one, other) => other.seenMs - one.seenMs)
    .slice(0, MAX_REMEMBERED)
}

function parse(text: string): readonly RememberedPeer[] {
  if (text.length > MAX_CHARS) return []
  try {
    const rows: unknown = JSON.parse(text)
    return Array.isArray(rows) ? rows.flatMap((row) => (v.is(Remembered, row) ? [row] : [])) : []
  } catch {
    return []
  }
}
