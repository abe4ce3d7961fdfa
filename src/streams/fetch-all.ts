/** Many files at once: every file of a list of offers, a few at a time, whatever becomes of the single one. */
import { concat, filter, from, map, mergeMap, type Observable, of, scan, type SchedulerLike } from 'rxjs'
import type { Offer } from './ports.js'
import { REPORT_EVERY_MS } from './swarm.js'
import { MAX_TRANSFERS, type Progress, type TransferResult } from './transfer.js'

/** Failures told one by one; the others are counted. */
const MAX_TOLD_FAILURES = 1_000

/** How far many files are. */
export interface FolderProgress {
  /** Files found. */
  readonly files: number
  /** Files that are here now. */
  readonly done: number
  /** Files that were here before. */
  readonly skipped: number
  /** Files that could not be had: the first 1,000, and how many altogether. */
  readonly failed: readonly FailedFile[]
  readonly failures: number
  /** Bytes here so far, and of all files. */
  readonly bytes: number
  readonly total: number
  /** Mean since the start. */
  readonly bytesPerSecond: number
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
  readonly result: TransferResult
}

interface Count extends FolderProgress {
  /** Bytes of files on their way. */
  readonly partly: ReadonlyMap<string, number>
  readonly wholeBytes: number
}

export interface FetchAllInit {
  readonly offers: readonly Offer[]
  readonly fetch: (offer: Offer) => Observable<TransferResult>
  readonly scheduler: SchedulerLike
}

/** Emits at most ten times a second, and at the end. */
export function fetchAll({ offers, fetch, scheduler }: FetchAllInit): Observable<FolderProgress> {
  const startedMs = scheduler.now()
  let toldMs = startedMs
  const total = offers.reduce((sum, { size }) => sum + size, 0)
  const none = { done: 0, skipped: 0, failed: [], failures: 0, bytes: 0, bytesPerSecond: 0 }
  const begin: Count = { ...none, files: offers.length, total, partly: new Map(), wholeBytes: 0 }
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
  if (result.type === 'failed') {
    const { code, detail } = result
    const base = { ...count, partly, bytes: count.wholeBytes + sum(partly) }
    if (code === 'EXISTS') return { ...base, skipped: count.skipped + 1 }
    const failed = { name, code, message: detail }
    const told = count.failed.length < MAX_TOLD_FAILURES ? [...count.failed, failed] : count.failed
    return { ...base, failed: told, failures: count.failures + 1 }
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
