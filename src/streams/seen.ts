/** Which queries went through this peer lately. Pure and bounded: a full table forgets its older half. */
import type { Offer } from './ports.js'

/** Ids in one generation; the table holds two. A query lives for seconds, and a late copy costs calls but never loops. */
export const SEEN_GENERATION = 1_024

/** What is remembered of one query. */
export interface Seen {
  /** Our own running query that took it up. */
  readonly key: number
  /** Length of the shortest history with which it came: a shorter one may still go further. */
  readonly historyLength: number
  /** What was found, for copies that come later. */
  readonly offer?: Offer
}

export interface SeenTable {
  readonly young: ReadonlyMap<string, Seen>
  readonly old: ReadonlyMap<string, Seen>
}

export const NOTHING_SEEN: SeenTable = { young: new Map(), old: new Map() }

export function lookUp({ young, old }: SeenTable, id: string): Seen | undefined {
  return young.get(id) ?? old.get(id)
}

export function remember({ young, old }: SeenTable, id: string, seen: Seen): SeenTable {
  return young.size >= SEEN_GENERATION && !young.has(id)
    ? { young: new Map([[id, seen]]), old: young }
    : { young: new Map(young).set(id, seen), old }
}

export function forget(table: SeenTable, id: string): SeenTable {
  const [young, old] = [new Map(table.young), new Map(table.old)]
  young.delete(id)
  old.delete(id)
  return { young, old }
}
