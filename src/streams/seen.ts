/** Which queries went through this peer lately. Pure and bounded: a full table forgets its oldest page. */
import type { Offer } from './ports.js'

/** Ids on one page. Each query copies the page it is written on, so pages are short. */
export const SEEN_PAGE = 32
/** Pages kept. A query lives for seconds, and a late copy costs calls but never loops. */
export const SEEN_PAGES = 64

/** What is remembered of one query. */
export interface Seen {
  /** Our own running query that took it up. */
  readonly key: number
  /** Length of the shortest history with which it came: a shorter one may still go further. */
  readonly historyLength: number
  /** What was found, for copies that come later. */
  readonly offer?: Offer
}

/** Pages, the newest first. */
export type SeenTable = readonly ReadonlyMap<string, Seen>[]

export const NOTHING_SEEN: SeenTable = []

export function lookUp(table: SeenTable, id: string): Seen | undefined {
  for (const page of table) {
    const seen = page.get(id)
    if (seen !== undefined) return seen
  }
  return undefined
}

export function remember(table: SeenTable, id: string, seen: Seen): SeenTable {
  const at = table.findIndex((page) => page.has(id))
  if (at >= 0) return table.map((page, index) => (index === at ? new Map(page).set(id, seen) : page))
  const [newest = new Map<string, Seen>(), ...older] = table
  if (newest.size < SEEN_PAGE) return [new Map(newest).set(id, seen), ...older]
  return [new Map([[id, seen]]), ...table.slice(0, SEEN_PAGES - 1)]
}

export function forget(table: SeenTable, id: string): SeenTable {
  return table.map((page) => (page.has(id) ? new Map([...page].filter(([other]) => other !== id)) : page))
}
