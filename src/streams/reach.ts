/** One peer may have several addresses: finds the one that answers. */
import { map, Observable, type SchedulerLike, type Subscription, take } from 'rxjs'
import type { FailureReason, Greeting, PeerUrl } from './ports.js'

/** How long an address is given before the next is tried beside it (RFC 8305 has 250 ms). */
const STAGGER_MS = 250
/** Addresses of one peer that are tried at once. Each may hold a socket, and greetings share them with queries. */
export const MAX_TRIED_AT_ONCE = 3

export interface Reached {
  /** The address that answered; after a failure of all, the one that says most, or was tried last. */
  readonly url: PeerUrl
  readonly greeting: Greeting
}

export interface ReachInit {
  /** Best first; at least one. */
  readonly urls: readonly PeerUrl[]
  /** Who should answer there, if that is known. */
  readonly id?: string
  readonly hello: (url: PeerUrl) => Observable<Greeting>
  readonly scheduler: SchedulerLike
}

/** Greets at one address after the other, the next as soon as one fails or is slow; the first good answer ends the others. */
export function reach({ urls, id, hello, scheduler }: ReachInit): Observable<Reached> {
  return new Observable((subscriber) => {
    let next = 0
    let open = 0
    let failure: Reached | undefined
    let pause: Subscription | undefined

    function tryNext(): void {
      pause?.unsubscribe()
      const url = urls[next]
      if (url === undefined || open === MAX_TRIED_AT_ONCE) return
      next++
      open++
      // Before the greeting, which may be over at once.
      if (next < urls.length) pause = scheduler.schedule(tryNext, STAGGER_MS)
      const greeting$ = hello(url).pipe(
        take(1),
        map((greeting) => checked(greeting, id, urls.length > 1))
      )
      subscriber.add(greeting$.subscribe((greeting) => heard({ url, greeting })))
    }

    function heard(reached: Reached): void {
      open--
      if (reached.greeting.type === 'greeted') tell(reached)
      else {
        if (failure === undefined || telling(reached) >= telling(failure)) failure = reached
        if (open === 0 && next === urls.length) tell(failure)
        else tryNext()
      }
    }

    function tell(reached: Reached): void {
      subscriber.next(reached)
      subscriber.complete()
    }

    subscriber.add(() => pause?.unsubscribe())
    tryNext()
  })
}

/** How much a failure says of the peer. */
function telling({ greeting }: Reached): number {
  if (greeting.type !== 'failed') return 0
  // That one of its addresses is ours too says little: every computer with containers has the same bridge.
  if (greeting.reason === 'ourselves') return 0
  // That nobody is at one of them neither, where somebody else is at another.
  return SOMEBODY_ELSE.has(greeting.reason) ? 2 : 1
}

const SOMEBODY_ELSE: ReadonlySet<FailureReason> = new Set(['other-id', 'other-network', 'no-tls', 'unwanted'])

/**
 * An id that was proven has to be the expected one. One that is only claimed changes when a peer without a memory is started
 * again; but of several addresses, only one where the expected peer answers is its own.
 */
function checked(greeting: Greeting, id: string | undefined, several: boolean): Greeting {
  if (greeting.type === 'failed' || id === undefined || greeting.id === id) return greeting
  if (greeting.proven !== true && !several) return greeting
  return { type: 'failed', reason: 'other-id', detail: `${greeting.id ?? 'a peer without an id'} answers there` }
}
