/**
 * Query broadcast: who has the file of this name? The actor and its jobs; its rules stand in `query-rules.ts`.
 */
import { EMPTY, filter, Observable, of, type SchedulerLike, Subject, type Subscriber, takeUntil } from 'rxjs'
import { createActor } from './actor.js'
import { broadcast } from './broadcast.js'
import type { Happening } from './events.js'
import type { FailureReason, Outcome, PeerUrl, Question, SharedFile } from './ports.js'
import {
  type Asked,
  INITIAL,
  type QueryCommand,
  type QueryEvent,
  type QueryJob,
  type QueryState,
  step
} from './query-rules.js'
import { peerKey, peerKeys } from './urls.js'

/** Neighbours of one query that are asked at once, unless set otherwise. */
export const DEFAULT_CONCURRENCY = 8
/** What a peer keeps of the time it was given, so that it answers before its caller gives up: at least this, */
const HOP_MARGIN_MS = 50
/** and at least this part. */
const HOP_MARGIN_PART = 0.1

export interface QueryInit {
  readonly ask: (peer: PeerUrl, question: Question) => Observable<Outcome>
  /** What we have under this name; without our share when it is to come from elsewhere. One that rejects counts as nothing. */
  readonly find: (name: string, elsewhere: boolean) => Promise<SharedFile | undefined>
  /** Who may be asked now, best first. */
  readonly neighbours: () => readonly PeerUrl[]
  readonly report: (url: PeerUrl, reason: FailureReason) => void
  readonly newId: () => string
  readonly concurrency?: number
  readonly scheduler: SchedulerLike
  readonly stop$: Observable<unknown>
}

export interface Query {
  /** Cold: one query. Emits its outcome and completes; never errors. Unsubscribing takes it back everywhere. */
  readonly ask: (asked: Asked) => Observable<Outcome>
  readonly event$: Observable<Happening>
}

export function createQuery(init: QueryInit): Query {
  const { ask, find, neighbours, report, newId, concurrency = DEFAULT_CONCURRENCY, scheduler, stop$ } = init
  const withdrawn$ = new Subject<number>()
  const callers = new Map<number, Subscriber<Outcome>>()
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
      find(query.question.name, query.elsewhere ?? false).then(seen, () => seen(undefined))
    })
  }

  function broadcastJob({
    key,
    id,
    question,
    history,
    expiresAtMs
  }: QueryJob & { type: 'broadcast' }): Observable<QueryCommand> {
    const taken = peerKeys([...history, ...question.asking])
    const peers = neighbours().filter((url) => !taken.has(peerKey(url) ?? url))
    if (peers.length === 0) return of({ type: 'all-heard', key })
    const askOne = (peer: PeerUrl, leftMs: number) => {
      // Rule 6. The neighbour gets less than we have, so that it answers before we give up.
      const deadlineMs = Math.floor(leftMs - Math.max(HOP_MARGIN_MS, leftMs * HOP_MARGIN_PART))
      const asking = peers.filter((url) => url !== peer)
      return ask(peer, { name: question.name, history, id, asking, deadlineMs: Math.max(0, deadlineMs) })
    }
    return new Observable((subscriber) => {
      broadcast({ peers, ask: askOne, concurrency, expiresAtMs, scheduler })
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

  return {
    event$: actor.event$.pipe(filter((event): event is Happening => event.type !== 'outcome')),
    ask: (asked) =>
      new Observable<Outcome>((caller) => {
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
  }
}
