/** One find while it runs: our own matches and those of all neighbours, as one stream at the pace of whoever asked. */
import { defer, Observable, of, type SchedulerLike, Subject, switchMap, takeUntil, timer } from 'rxjs'
import { inTurns } from './broadcast.js'
import { farther, keyOf, ownHits } from './hits.js'
import { hopDeadlineMs } from './hop.js'
import type { FailureReason, Finding, Matches, PeerUrl, Search, Trace } from './ports.js'
import { createMerge, type Item } from './search-merge.js'
import type { SearchAsked, SearchJob } from './search-rules.js'
import { createTold, hash53 } from './told.js'

/** What a relay remembers of one find: 2 MiB at the most. The asker itself remembers as much as it wants hits. */
const RELAY_MEMORY = 65_536
/** What one neighbour may say, as a multiple of what is wanted: each hit once for each of many holders, and not for ever. */
const MOST_FOR_EACH = 8
/** The same of traces. */
const MOST_TRACES = 10_000
/** Who had less time than this and said nothing is not called silent. */
const FAIR_MS = 1_000

/** What an asker hears; a neighbour hears the findings only. */
export type SearchNews =
  | Finding
  /** A neighbour failed that was part of a standing find of ours. */
  | { readonly type: 'broke'; readonly url: PeerUrl }
  /** Of our own user's: it makes no sense. */
  | { readonly type: 'bad-pattern'; readonly detail: string }

export interface SearchingInit extends Pick<SearchJob, 'running' | 'history'> {
  /** What we have ourselves. */
  readonly match: (() => Observable<Matches>) | undefined
  /** Whom to ask, best first. */
  readonly peers: readonly PeerUrl[]
  readonly find: (peer: PeerUrl, search: Search) => Observable<Finding>
  readonly report: (url: PeerUrl, reason: FailureReason) => void
  /** Neighbours that are asked at once. */
  readonly concurrency: number
  /** For hashes that nobody else can foresee. */
  readonly seed: number
  readonly scheduler: SchedulerLike
}

/** A neighbour that is being asked. */
interface Call {
  readonly peer: PeerUrl
  readonly startMs: number
  hits: number
  /** Hits and traces, and batches without any. */
  said: number
  /** It has said a batch, and was not asked for more yet. */
  waits: boolean
}

/** Ends after `ended`. Unsubscribing takes every open call back. */
export function searching(init: SearchingInit): Observable<SearchNews> {
  const { running, history, match, peers, find, report, concurrency, seed, scheduler } = init
  const { search, as, own, expiresAtMs } = running
  const { limit, standing = false, trace = false } = search

  return new Observable((asker) => {
    const over$ = new Subject<void>()
    const told = createTold(memoryFor(running))
    const calls = new Map<PeerUrl, Call>()
    let keys = 0
    let matching = match !== undefined
    let asking = true
    let late = false
    let over = false

    const merge = createMerge({ fit, isEnough: () => keys >= limit, out, settled: endIfSettled })

    /** Who is told already is not told again, however many paths lead here. */
    function fit(item: Item): Item | undefined {
      if (!isHit(item)) return item
      const key = hash53(keyOf(item), seed)
      const holders = item.holders.filter((holder) => told.add(hash53(holder, key)))
      if (holders.length === 0) return undefined
      if (told.add(key)) keys++
      return holders.length === item.holders.length ? item : { ...item, holders }
    }

    function out(items: readonly Item[], next: () => void): void {
      const traces = items.filter((item): item is Trace => !isHit(item))
      asker.next({ type: 'found', hits: items.filter(isHit), ...(trace ? { traces } : {}), next })
    }

    function endIfSettled(): void {
      if (keys >= limit) end('all', 'taken-back')
      else if (!matching && !asking && merge.isEmpty()) end(late ? 'late' : 'all', 'taken-back')
    }

    /** What is still open is taken back, and told of as far as the asker listens. */
    function end(how: (Finding & { type: 'ended' })['how'], open: Trace['outcome']): void {
      if (over) return
      over = true
      const last = trace ? [...calls.values()].map((call) => traceOf(call, open)) : []
      over$.next()
      merge.close(last)
      asker.next({ type: 'ended', how })
      asker.complete()
    }

    function expire(): void {
      for (const { peer, said, startMs } of calls.values()) {
        if (said === 0 && scheduler.now() - startMs >= FAIR_MS) report(peer, 'timed-out')
      }
      end('late', 'timed-out')
    }

    const traceOf = (call: Call, outcome: Trace['outcome'], detail?: string): Trace => ({
      from: as,
      to: call.peer,
      depth: search.history.length,
      outcome,
      hits: call.hits,
      tookMs: scheduler.now() - call.startMs,
      ...(detail === undefined ? {} : { detail })
    })

    function callOver(call: Call, outcome: Trace['outcome'], detail?: string): void {
      calls.delete(call.peer)
      if (trace) merge.put([traceOf(call, outcome, detail)], () => undefined)
    }

    function callFailed(call: Call, reason: FailureReason, detail: string): void {
      report(call.peer, reason)
      if (standing && own) asker.next({ type: 'broke', url: call.peer })
      callOver(call, reason === 'timed-out' ? 'timed-out' : 'failed', detail)
    }

    /** Whether this was the last that this neighbour says. */
    function hear(call: Call, finding: Finding): boolean {
      switch (finding.type) {
        case 'found': {
          const { hits, traces = [] } = finding
          call.hits += hits.length
          call.said += Math.max(1, hits.length + traces.length)
          // Whoever does not keep to the pace, or never ends, would have us hold or hear what nobody wants.
          if (call.waits || call.said > MOST_FOR_EACH * limit + MOST_TRACES) {
            callFailed(call, 'nonsense', 'it said more than it was asked for')
            return true
          }
          call.waits = true
          const passing = own ? undefined : as
          const items: Item[] = hits.map((hit) => farther(hit, passing))
          merge.put(trace ? items.concat(traces) : items, () => {
            call.waits = false
            finding.next()
          })
          return false
        }
        case 'ended':
          if (finding.how === 'late') late = true
          callOver(call, outcomeOf(finding.how, call.hits))
          return true
        case 'failed':
          callFailed(call, finding.reason, finding.detail)
          return true
      }
    }

    const ask = (peer: PeerUrl): Observable<never> =>
      new Observable((place) => {
        const deadlineMs = hopDeadlineMs(expiresAtMs - scheduler.now())
        if (deadlineMs === 0) {
          late = true
          place.complete()
          return undefined
        }
        const call: Call = { peer, startMs: scheduler.now(), hits: 0, said: 0, waits: false }
        calls.set(peer, call)
        const asked: Search = { ...search, history, asking: peers.filter((url) => url !== peer), deadlineMs }
        return again(defer(() => find(peer, asked))).subscribe({
          next(finding) {
            if (calls.has(peer) && hear(call, finding)) place.complete()
          },
          error: () => place.complete(),
          complete() {
            if (calls.has(peer)) callFailed(call, 'nonsense', 'it ended without an end')
            place.complete()
          }
        })
      })

    asker.add(() => {
      over = true
      over$.next()
      merge.close([])
    })
    timer(Math.max(0, expiresAtMs - scheduler.now()), scheduler)
      .pipe(takeUntil(over$))
      .subscribe(expire)
    match?.()
      .pipe(takeUntil(over$))
      .subscribe({
        next: ({ files, next }) => merge.put(ownHits(files, as), next),
        error(error: unknown) {
          matching = false
          // Nobody else is asked what we cannot read ourselves; a folder that fails is one that has nothing now.
          if (isBadPattern(error)) {
            if (own) asker.next({ type: 'bad-pattern', detail: error.message })
            end('declined', 'taken-back')
          } else endIfSettled()
        },
        complete() {
          matching = false
          endIfSettled()
        }
      })
    if (isOver()) return
    inTurns({ peers, call: ask, concurrency, scheduler })
      .pipe(takeUntil(over$))
      .subscribe({
        complete() {
          asking = false
          if (!isOver()) endIfSettled()
        }
      })

    function isOver(): boolean {
      return over
    }
  })
}

function isHit(item: Item): item is Exclude<Item, Trace> {
  return !('outcome' in item)
}

/** The limit counts hits that are not remembered, so a relay that has forgotten some tells less, never more. */
function memoryFor({ own, search: { limit } }: SearchAsked): number {
  return own ? 4 * limit : Math.min(4 * limit, RELAY_MEMORY)
}

function outcomeOf(how: (Finding & { type: 'ended' })['how'], hits: number): Trace['outcome'] {
  if (how === 'late') return 'timed-out'
  if (how === 'seen' || how === 'declined') return how
  return hits > 0 ? 'answered' : 'missed'
}

/** A connection that breaks before an answer is tried once more, as of a query. */
function again(find$: Observable<Finding>): Observable<Finding> {
  return find$.pipe(
    switchMap((finding, index) =>
      index === 0 && finding.type === 'failed' && finding.reason === 'reset' ? find$ : of(finding)
    )
  )
}

function isBadPattern(error: unknown): error is Error {
  return error instanceof Error && (error as Error & { code?: unknown }).code === 'BAD_PATTERN'
}
