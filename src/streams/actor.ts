/**
 * One actor: commands queue up, `step` decides, then state, events and jobs leave, in that order.
 *
 * `step` is pure and sees one command at a time. Jobs are the only place where the world is touched;
 * whatever comes of one, failure included, comes back as a command.
 */
import { BehaviorSubject, catchError, EMPTY, mergeMap, type Observable, Subject, take, takeUntil } from 'rxjs'

/** What one command leads to. */
export interface Turn<S, E, J> {
  readonly state: S
  readonly events?: readonly E[]
  readonly jobs?: readonly J[]
}

export interface ActorInit<C, S, E, J> {
  readonly initial: S
  readonly step: (state: S, command: C) => Turn<S, E, J>
  /** Does a job and tells what came of it. Should map its own failures to commands. */
  readonly run: (job: J) => Observable<C>
  /** Ends the actor: running jobs are unsubscribed, streams complete, later commands are ignored. */
  readonly stop$: Observable<unknown>
}

export interface Actor<C, S, E> {
  readonly send: (command: C) => void
  /** Replays the present state. */
  readonly state$: Observable<S>
  readonly state: () => S
  readonly event$: Observable<E>
}

export function createActor<C, S, E, J>({ initial, step, run, stop$ }: ActorInit<C, S, E, J>): Actor<C, S, E> {
  const state$ = new BehaviorSubject(initial)
  const event$ = new Subject<E>()
  const job$ = new Subject<J>()
  const mailbox: C[] = []
  let busy = false
  let stopped = false

  // A send during a turn waits for that turn; otherwise a listener further down would see the later state first.
  function send(command: C): void {
    if (stopped) return
    mailbox.push(command)
    if (busy) return
    busy = true
    try {
      for (let next = mailbox.shift(); next !== undefined && !isStopped(); next = mailbox.shift()) turn(next)
    } finally {
      busy = false
    }
  }

  function turn(command: C): void {
    const { state, events = [], jobs = [] } = step(state$.value, command)
    if (state !== state$.value) state$.next(state)
    for (const event of events) event$.next(event)
    for (const job of jobs) job$.next(job)
  }

  // Limits belong to `step`: a waiting list in the state is visible and bounded, the one inside mergeMap is neither.
  job$
    .pipe(
      mergeMap((job) => run(job).pipe(catchError(surface))),
      takeUntil(stop$)
    )
    .subscribe(send)
  stop$.pipe(take(1)).subscribe(() => {
    stopped = true
    for (const out$ of [job$, state$, event$]) out$.complete()
  })

  const isStopped = () => stopped
  return { send, state$: state$.asObservable(), state: () => state$.value, event$: event$.asObservable() }
}

/** A job that throws is a bug: it must be loud, but must not end the jobs of others. */
function surface(error: unknown): Observable<never> {
  queueMicrotask(() => {
    throw error
  })
  return EMPTY
}
