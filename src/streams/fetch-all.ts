/** Many files at once: every file of a list of offers, a few at a time, whatever becomes of the single one. */
import { concat, filter, from, map, mergeMap, type Observable, of, type SchedulerLike, scan } from 'rxjs'
import type { Offer } from './ports.js'
import type { Progress, TransferResult } from './progress.js'
import { REPORT_EVERY_MS } from './swarm.js'
import { MAX_TRANSFERS } from './transfer.js'

/** How far many files are. */
export interface FolderProgress {
  /** Files found. */
  readonly files: number
  /** Files that are here now. */
  readonly done: number
  /** Files that were here before, with the same content. */
  readonly skipped: number
  /** Files that could not be had; the list grows at its end. */
  readonly failed: readonly FailedFile[]
  /** Bytes that have come so far, and of all files that were not here before. */
  readonly bytes: number
  readonly total: number
  /** Mean since the start. */
  readonly bytesPerSecond: number
  /** Peers are still being asked for their lists. */
  readonly listing: boolean
  /** Of the file that was heard of last. */
  readonly latest?: Progress
}

/** A file that could not be had. */
export interface FailedFile {
  readonly name: string
  readonly code: string
  readonly message: string
}

interface Told {
  readonly offer: Offer
  readonly result: TransferResult | { readonly type: 'here' }
}

interface Count extends FolderProgress {
  readonly failed: FailedFile[]
  /** Bytes of files on their way. */
  readonly partly: ReadonlyMap<string, number>
  readonly wholeBytes: number
}

/** Before anything is found. */
export const LISTING: FolderProgress = {
  files: 0,
  done: 0,
  skipped: 0,
  failed: [],
  bytes: 0,
  total: 0,
  bytesPerSecond: 0,
  listing: true
}

export interface FetchAllInit {
  readonly offers: readonly Offer[]
  readonly fetch: (offer: Offer) => Observable<Told['result']>
  readonly scheduler: SchedulerLike
}

/** Emits at most ten times a second, and at the end. */
export function fetchAll({ offers, fetch, scheduler }: FetchAllInit): Observable<FolderProgress> {
  const startedMs = scheduler.now()
  let toldMs = startedMs
  const total = offers.reduce((sum, { size }) => sum + size, 0)
  const begin: Count = {
    ...LISTING,
    listing: false,
    failed: [],
    files: offers.length,
    total,
    partly: new Map(),
    wholeBytes: 0
  }
  let count = begin
  const step$ = from(offers).pipe(
    mergeMap((offer) => fetch(offer).pipe(map((result): Told => ({ offer, result }))), MAX_TRANSFERS),
    scan(counted, begin),
    map((next) => {
      count = next
      return next
    }),
    filter(() => {
      const due = scheduler.now() - toldMs >= REPORT_EVERY_MS
      if (due) toldMs = scheduler.now()
      return due
    })
  )
  const shown = ({ partly: _, wholeBytes: __, ...progress }: Count): FolderProgress => {
    const elapsedMs = Math.max(1, scheduler.now() - startedMs)
    return { ...progress, bytesPerSecond: Math.round((progress.bytes * 1_000) / elapsedMs) }
  }
  return concat(of(begin), step$, of(undefined)).pipe(map((next) => shown(next ?? count)))
}

function counted(count: Count, { offer, result }: Told): Count {
  const { name, size } = offer
  const partly = new Map(count.partly)
  partly.delete(name)
  const base = { ...count, partly, bytes: count.wholeBytes + sum(partly) }
  if (result.type === 'here') return { ...base, skipped: count.skipped + 1, total: count.total - size }
  if (result.type === 'failed') {
    // One list for all: a copy for each of thousands would take as long as the files.
    count.failed.push({ name, code: result.code, message: result.detail })
    return base
  }
  const { progress } = result
  const here = progress.path !== undefined
  if (!here) partly.set(name, progress.bytes)
  const wholeBytes = count.wholeBytes + (here ? size : 0)
  const done = count.done + (here ? 1 : 0)
  return { ...count, partly, wholeBytes, done, bytes: wholeBytes + sum(partly), latest: progress }
}

function sum(partly: ReadonlyMap<string, number>): number {
  return [...partly.values()].reduce((all, bytes) => all + bytes, 0)
}
