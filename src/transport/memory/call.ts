import { defer, Observable, type SchedulerLike, Subject, takeUntil } from 'rxjs'
import type { Failed, FailureReason, Inbound, PeerUrl } from '../../streams/ports.js'
import { frozenCopy } from './copy.js'

/** Who is found at the other end when a question gets there. */
export type Callee = Inbound | 'silent' | 'nobody'

/** When the connection of a call breaks by bad luck. */
export type Fate = 'whole' | 'broken-before' | 'broken-after'

/** A call that has been made and has not ended on both sides. */
export interface OpenCall {
  readonly from: PeerUrl
  readonly to: PeerUrl
  /** One side is no more: its half ends now, the other half one latency later. */
  readonly breakOff: (gone: PeerUrl) => void
}

/** What a call needs to know of the network it travels through. */
export interface Line {
  readonly from: PeerUrl
  readonly to: PeerUrl
  /** One way. */
  readonly latencyMs: number
  readonly fate: Fate
  readonly scheduler: SchedulerLike
  /** Looked up when the question arrives, not when it leaves. */
  readonly callee: () => Callee
  readonly open: Set<OpenCall>
}

/**
 * One call, subscribed to: the question takes one latency there, each answer one latency back. To unsubscribe sends the
 * take-back behind the question, so a question that is on its way is still delivered, and taken back one latency after.
 */
export function placeCall<T extends object>(
  { from, to, latencyMs, fate, scheduler, callee, open }: Line,
  put: (inbound: Inbound) => Observable<T>
): Observable<T | Failed> {
  return new Observable((caller) => {
    const cut$ = new Subject<void>()
    /** How the far side stands to this call; `waiting` is a silent one. */
    let far: 'unreached' | 'working' | 'waiting' | 'ended' = 'unreached'
    let bodySent = false
    const call: OpenCall = { from, to, breakOff }
    open.add(call)

    const later = (work: () => void) => scheduler.schedule(work, latencyMs)
    const releaseWhenOver = () => {
      if (caller.closed && far === 'ended') open.delete(call)
    }
    const endFar = () => {
      // First the state, then the cut: it completes what we listen to, and that must not look like an early end.
      far = 'ended'
      cut$.next()
      releaseWhenOver()
    }
    const answer = (value: T | Failed) => {
      caller.next(value)
      if (isLast(value)) caller.complete()
    }
    const fail = (reason: FailureReason, detail: string) => answer({ type: 'failed', reason, detail })
    const failLater = (reason: FailureReason, detail: string) => later(() => fail(reason, detail))

    function breakOff(gone: PeerUrl): void {
      if (far !== 'working' && far !== 'waiting') return
      if (gone === to) endFar()
      else later(endFar)
      if (bodySent) later(() => caller.complete())
      else failLater('reset', `The connection between ${from || 'a visitor'} and ${to} broke.`)
    }

    function arrive(): void {
      const there = callee()
      if (there === 'nobody') {
        endFar()
        fail('refused', `Nobody listens at ${to}.`)
      } else if (fate === 'broken-before') {
        endFar()
        fail('reset', `The connection to ${to} broke on the way.`)
      } else if (there === 'silent') {
        far = 'waiting'
      } else {
        far = 'working'
        work(there)
      }
    }

    /** That more is wanted travels back like anything else, and is heard by whoever is still there. */
    function copyOf(value: T): T {
      if ('bytes' in value) return value
      const copy = frozenCopy(value)
      const { next } = value as { next?: () => void }
      if (next === undefined) return copy
      const heard = () => {
        if (far === 'working' && callee() !== 'silent') next()
      }
      return { ...copy, next: () => void later(heard) }
    }

    function work(inbound: Inbound): void {
      const sent = (value: T) => {
        if (callee() === 'silent') {
          far = 'waiting'
          cut$.next()
          return
        }
        if (fate === 'broken-after') {
          failLater('reset', `The connection to ${to} broke before the answer was through.`)
          endFar()
          return
        }
        const copy = copyOf(value)
        bodySent ||= isBody(value)
        later(() => answer(copy))
        if (isLast(value)) endFar()
      }
      defer(() => put(inbound))
        .pipe(takeUntil(cut$))
        .subscribe({
          next: sent,
          error: (error: unknown) => {
            endFar()
            failLater('nonsense', String(error))
          },
          complete: () => {
            if (far !== 'working') return
            endFar()
            if (bodySent) later(() => caller.complete())
            else failLater('nonsense', `${to} ended the call without an answer.`)
          }
        })
    }

    later(arrive)
    return () => {
      if (far === 'ended') releaseWhenOver()
      else later(endFar)
    }
  })
}

/** Its bytes are still to come; hashes are here at once. */
const isBody = (value: object) => 'type' in value && value.type === 'body'

/** An `answering` has its answer after it, a body its bytes, and what was found the end. */
const isLast = (value: object) =>
  !isBody(value) && !('type' in value && (value.type === 'answering' || value.type === 'found'))
