/**
 * One query asked of many neighbours at once: the first success wins, the rest are taken back.
 * The book asks one after the other and waits for each; this keeps its rules and drops the waiting.
 */
import {
  concat,
  defer,
  finalize,
  from,
  map,
  merge,
  mergeMap,
  Observable,
  of,
  range,
  type SchedulerLike,
  Subject,
  switchMap,
  takeWhile,
  timeout,
  timer,
  zip
} from 'rxjs'
import type { Outcome, PeerUrl } from './ports.js'

/**
 * How long a call keeps others waiting for its place. A silent neighbour then stays open beside its
 * successor instead of holding it up until the deadline; a healthy one answers far sooner.
 */
const PATIENCE_MS = 250

/** What a broadcast tells while it goes on. */
export type Heard =
  | { readonly type: 'sent'; readonly peer: PeerUrl }
  | { readonly type: 'heard'; readonly peer: PeerUrl; readonly outcome: Outcome }

export interface BroadcastInit {
  /** Whom to ask, best first. */
  readonly peers: readonly PeerUrl[]
  /** One call. The time left is in milliseconds. */
  readonly ask: (peer: PeerUrl, leftMs: number) => Observable<Outcome>
  /** Calls that wait for an answer at once; those past `PATIENCE_MS` no longer count. */
  readonly concurrency: number
  /** When to give up, on the scheduler's clock. A neighbour whose answer has begun to arrive is not cut off. */
  readonly expiresAtMs: number
  /** Hears them all, instead of taking the rest back after the first offer. */
  readonly all?: boolean
  readonly scheduler: SchedulerLike
}

/** Completes after the first offer, or when all have been heard. Unsubscribing takes every open call back. */
export function broadcast({
  peers,
  ask,
  concurrency,
  expiresAtMs,
  all = false,
  scheduler
}: BroadcastInit): Observable<Heard> {
  const leftMs = () => expiresAtMs - scheduler.now()
  const timedOut: Outcome = { type: 'failed', reason: 'timed-out', detail: 'no answer in time' }

  // A connection that breaks before an answer is tried once more, as Python's own client does (WIRE W6).
  const call = (peer: PeerUrl): Observable<Heard> => {
    const once$ = defer(() => concat(of(sent(peer)), askInTime(peer)))
    return once$.pipe(switchMap((heard) => (broke(heard) && leftMs() > 0 ? once$ : of(heard))))
  }
  const askInTime = (peer: PeerUrl): Observable<Heard> =>
    defer(() => {
      const left = leftMs()
      if (left <= 0) return of(timedOut)
      return ask(peer, left).pipe(timeout({ first: left, with: () => of(timedOut), scheduler }))
    }).pipe(map((outcome) => ({ type: 'heard', peer, outcome })))

  return inTurns({ peers, call, concurrency, scheduler }).pipe(takeWhile((heard) => all || !won(heard), true))
}

export interface TurnsInit<T> extends Pick<BroadcastInit, 'peers' | 'concurrency' | 'scheduler'> {
  readonly call: (peer: PeerUrl) => Observable<T>
}

/** Calls each peer when there is a place for it, and emits what they say. */
export function inTurns<T>({ peers, call, concurrency, scheduler }: TurnsInit<T>): Observable<T> {
  return defer(() => {
    const freed$ = new Subject<number>()
    // A peer is asked when there is a place for it; zip pairs them, and buffers no more than the known peers.
    // Freed places are listened to first: a call may fail while the first places are still being handed out.
    return zip(from(peers), merge(freed$, range(0, concurrency))).pipe(
      mergeMap(([peer]) => withPlace(call(peer), () => freed$.next(0), scheduler))
    )
  })
}

function won(heard: Heard): boolean {
  return heard.type === 'heard' && heard.outcome.type === 'offered'
}

const sent = (peer: PeerUrl): Heard => ({ type: 'sent', peer })

function broke(heard: Heard): boolean {
  return heard.type === 'heard' && heard.outcome.type === 'failed' && heard.outcome.reason === 'reset'
}

/** Frees a call's place once: when it ends, or when patience does. */
function withPlace<T>(call$: Observable<T>, free: () => void, scheduler: SchedulerLike): Observable<T> {
  return new Observable((subscriber) => {
    let held = true
    const freeOnce = () => {
      if (!held) return
      held = false
      free()
    }
    const patience = timer(PATIENCE_MS, scheduler).subscribe(freeOnce)
    subscriber.add(patience)
    call$
      .pipe(
        finalize(() => {
          patience.unsubscribe()
          freeOnce()
        })
      )
      .subscribe(subscriber)
  })
}
