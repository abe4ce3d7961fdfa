/**
 * Find: everything that fits a pattern, here and behind us, as it comes. The actor; its rules stand in `search-rules.ts`, and
 * what one find does while it runs in `searching.ts`.
 */
import { EMPTY, filter, Observable, type SchedulerLike, Subject, type Subscriber, takeUntil } from 'rxjs'
import { createActor } from './actor.js'
import type { FailureReason, Finding, Library, PeerUrl, Search, Transport } from './ports.js'
import {
  NOTHING_SEARCHED,
  type SearchAsked,
  type SearchCommand,
  type SearchEvent,
  type SearchJob,
  type SearchState,
  step
} from './search-rules.js'
import { type SearchNews, searching } from './searching.js'
import { hash53 } from './told.js'
import { without } from './urls.js'

/** Neighbours of one find that are asked at once: a find wants them all, and the first hits soon. */
const SEARCH_CONCURRENCY = 64

export interface SearchInit {
  /** Absent where peers cannot be asked for patterns. */
  readonly find?: Transport['find']
  /** What we share that fits. Absent where we share nothing. */
  readonly match?: Library['search']
  /** Who may be asked now, best first, all of our own kind as far as we know. */
  readonly neighbours: () => readonly PeerUrl[]
  /** All addresses of a neighbour, under each of which others may name it. Default: the one under which it is asked. */
  readonly addresses?: (url: PeerUrl) => readonly PeerUrl[]
  readonly report: (url: PeerUrl, reason: FailureReason) => void
  readonly newId: () => string
  readonly concurrency?: number
  readonly scheduler: SchedulerLike
  readonly stop$: Observable<unknown>
}

export interface Searches {
  /** Cold: one find. The last of its news is `ended`; never errors. Unsubscribing takes it back everywhere. */
  readonly ask: (asked: SearchAsked) => Observable<SearchNews>
  /** The same for a neighbour. */
  readonly searched: (search: Search, as: PeerUrl) => Observable<Finding>
}

export function createSearch(init: SearchInit): Searches {
  const { find = () => EMPTY, match, neighbours, addresses = only, report, newId, scheduler, stop$ } = init
  const { concurrency = SEARCH_CONCURRENCY } = init
  const withdrawn$ = new Subject<number>()
  const askers = new Map<number, Subscriber<SearchNews>>()
  const seed = hash53(newId(), 0)
  let lastKey = 0
  let stopped = false

  const actor = createActor<SearchCommand, SearchState, SearchEvent, SearchJob>({
    initial: NOTHING_SEARCHED,
    step,
    stop$,
    run: searchJob
  })

  function searchJob({ key, running, history, far }: SearchJob): Observable<SearchCommand> {
    const { pattern, asking, standing = false } = running.search
    return new Observable((subscriber) => {
      const news$ = searching({
        running,
        history,
        match: match && (() => match(pattern, { standing })),
        peers: far && init.find !== undefined ? without(neighbours(), [...history, ...asking], addresses) : [],
        find,
        report,
        concurrency,
        seed,
        scheduler
      })
      return news$.pipe(takeUntil(withdrawn$.pipe(filter((withdrawn) => withdrawn === key)))).subscribe({
        next(news) {
          // Before the asker hears it and leaves: a find that has ended is remembered, one that is taken back is not.
          if (news.type === 'ended') subscriber.next({ type: 'over', key })
          askers.get(key)?.next(news)
        },
        complete() {
          subscriber.complete()
          askers.get(key)?.complete()
        }
      })
    })
  }

  actor.event$.subscribe({
    next({ key, how }) {
      const asker = askers.get(key)
      asker?.next({ type: 'ended', how })
      asker?.complete()
    },
    complete() {
      stopped = true
      for (const asker of [...askers.values()]) asker.complete()
    }
  })

  const ask = (asked: SearchAsked) =>
    new Observable<SearchNews>((asker) => {
      // After the end nobody is left to answer.
      if (stopped) {
        asker.complete()
        return
      }
      const key = ++lastKey
      askers.set(key, asker)
      asker.add(() => {
        askers.delete(key)
        withdrawn$.next(key)
        actor.send({ type: 'withdraw', key })
      })
      actor.send({ type: 'ask', key, nowMs: scheduler.now(), ...asked })
    })

  return {
    ask,
    searched: (search, as) => ask({ search, as, own: false }).pipe(filter(isFinding))
  }
}

const only = (url: PeerUrl) => [url]

function isFinding(news: SearchNews): news is Finding {
  return news.type !== 'broke' && news.type !== 'bad-pattern'
}
