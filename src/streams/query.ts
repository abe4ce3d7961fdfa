/**
 * Query broadcast: who has the file of this name? The actor and its jobs; its rules stand in `query-rules.ts`.
 */
import {
  concatMap,
  distinct,
  EMPTY,
  filter,
  from,
  Observable,
  of,
  type SchedulerLike,
  Subject,
  type Subscriber,
  takeUntil
} from 'rxjs'
import { createActor } from './actor.js'
import { broadcast } from './broadcast.js'
import type { Happening } from './events.js'
import { foundIn } from './found.js'
import { hopDeadlineMs } from './hop.js'
import type { FailureReason, Found, Outcome, PeerUrl, Question, SharedFile } from './ports.js'
import {
  type Asked,
  INITIAL,
  type QueryCommand,
  type QueryEvent,
  type QueryJob,
  type QueryState,
  step
} from './query-rules.js'
import { without } from './urls.js'

/** Neighbours of one query that are asked at once, unless set otherwise. */
export const DEFAULT_CONCURRENCY = 8

export interface QueryInit {
  readonly ask: (peer: PeerUrl, question: Question) => Observable<Outcome>
  /** What we have under this name, or with this root; without our share when it is to come from elsewhere. One that rejects counts as nothing. */
  readonly find: (question: Question, elsewhere: boolean) => Promise<SharedFile | undefined>
  /** Who may be asked now, best first. */
  readonly neighbours: () => readonly PeerUrl[]
  /** All addresses of a neighbour, under each of which others may name it. Default: the one under which it is asked. */
  readonly addresses?: (url: PeerUrl) => readonly PeerUrl[]
  readonly report: (url: PeerUrl, reason: FailureReason) => void
  readonly newId: () => string
  readonly concurrency?: number
  readonly scheduler: SchedulerLike
  readonly stop$: Observable<unknown>
}

export interface Query {
  /** Cold: one query. Emits its outcome and completes; never errors. Unsubscribing takes it back everywhere. */
  readonly ask: (asked: Asked) => Observable<Outcome>
  /** Cold: one query for a root. Emits everybody who has that content, each once, as they are found. */
  readonly gather: (asked: Asked) => Observable<Found>
  readonly event$: Observable<Happening>
}

export function createQuery(init: QueryInit): Query {
  const {
    ask,
    find,
    neighbours,
    addresses = only,
    report,
    newId,
    concurrency = DEFAULT_CONCURRENCY,
    scheduler,
    stop$
  } = init
  const withdrawn$ = new Subject<number>()
  const callers = new Map<number, Subscriber<Outcome | Gathered>>()
  let lastKey = 0
  let stopped = false

  const actor = createActor<QueryCommand, QueryState, QueryEvent, QueryJob>({ initial: INITIAL, step, stop$, run })

  function run(job: QueryJob): Observable<QueryCommand> {
    switch (job.type) {
      case 'look-up':
        return lookUpJob(job)
      case 'broadcast':
        return broadcastJob(job)
      case 'report':
        report(job.url, job.reason)
        return EMPTY
    }
  }

  function lookUpJob({ key, query }: QueryJob & { type: 'look-up' }): Observable<QueryCommand> {
    return new Observable((subscriber) => {
      const seen = (file: SharedFile | undefined) => {
        // Who is gone by then is not asked for.
        if (callers.has(key)) subscriber.next({ type: 'looked-up', key, query, file })
        subscriber.complete()
      }
      // A disk that fails now is no holder now.
      find(query.question, query.elsewhere ?? false).then(seen, () => seen(undefined))
    })
  }

  function broadcastJob({
    key,
    id,
    question,
    history,
    expiresAtMs
  }: QueryJob & { type: 'broadcast' }): Observable<QueryCommand> {
    const peers = without(neighbours(), [...history, ...question.asking], addresses)
    if (peers.length === 0) return of({ type: 'all-heard', key })
    const askOne = (peer: PeerUrl, leftMs: number) => {
      // Rule 6. The neighbour gets less than we have, so that it answers before we give up.
      const deadlineMs = hopDeadlineMs(leftMs)
      const asking = peers.filter((url) => url !== peer)
      const { name, root } = question
      const wanted = root === undefined ? { name } : { name, root }
      return ask(peer, { ...wanted, history, id, asking, deadlineMs })
    }
    return new Observable((subscriber) => {
      broadcast({ peers, ask: askOne, concurrency, expiresAtMs, all: question.root !== undefined, scheduler })
        .pipe(takeUntil(withdrawn$.pipe(filter((withdrawn) => withdrawn === key))))
        .subscribe({
          next: (heard) => subscriber.next({ type: 'heard', key, heard }),
          complete() {
            subscriber.next({ type: 'all-heard', key })
            subscriber.complete()
          }
        })
    })
  }

  actor.event$.subscribe({
    next(event) {
      if (event.type === 'gathered') callers.get(event.key)?.next(event)
      if (event.type !== 'outcome') return
      const caller = callers.get(event.key)
      caller?.next(event.outcome)
      if (event.outcome.type !== 'answering') caller?.complete()
    },
    complete() {
      stopped = true
      for (const caller of [...callers.values()]) caller.complete()
    }
  })

  const start = (asked: Asked) =>
    new Observable<Outcome | Gathered>((caller) => {
      // After the end nobody is left to answer.
      if (stopped) {
        caller.complete()
        return
      }
      const key = ++lastKey
      callers.set(key, caller)
      caller.add(() => {
        callers.delete(key)
        withdrawn$.next(key)
        actor.send({ type: 'withdraw', key })
      })
      actor.send({ type: 'ask', key, id: asked.question.id ?? newId(), nowMs: scheduler.now(), ...asked })
    })

  return {
    event$: actor.event$.pipe(
      filter((event): event is Happening => event.type !== 'outcome' && event.type !== 'gathered')
    ),
    ask: (asked) => start(asked).pipe(filter((told): told is Outcome => told.type !== 'gathered')),
    gather: (asked) =>
      start(asked).pipe(
        concatMap((told): Observable<Found> => {
          if (told.type === 'gathered') return from(foundIn(told))
          // What we have ourselves is in the end only.
          return told.type === 'offered' ? from(foundIn(told.offer)) : EMPTY
        }),
        distinct(({ type, url }) => `${type} ${url}`)
      )
  }
}

const only = (url: PeerUrl) => [url]

type Gathered = QueryEvent & { readonly type: 'gathered' }
