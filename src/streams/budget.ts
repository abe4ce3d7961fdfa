/** The one budget of a peer for outgoing calls, across all its queries and greetings. */
import pLimit from 'p-limit'
import { Observable } from 'rxjs'

/** Calls that may be open at once. Each may hold a socket; a usual limit of open files is 1,024, and downloads need some. */
const MAX_OPEN_CALLS = 64

/** Puts off the subscription of a piece of work until there is room for it. */
export type Budget = <T>(work$: Observable<T>) => Observable<T>

/**
 * A budget over p-limit. Who unsubscribes while waiting gives its place up: its turn then passes at once.
 * The waiting list is bounded by its users: running queries times their concurrency.
 */
export function createBudget(size = MAX_OPEN_CALLS): Budget {
  const limit = pLimit(size)
  return <T>(work$: Observable<T>) =>
    new Observable<T>((subscriber) => {
      const turn = limit(
        () =>
          new Promise<void>((over) => {
            if (subscriber.closed) {
              over()
              return
            }
            subscriber.add(over)
            work$.subscribe(subscriber)
          })
      )
      // The work's own errors go to the subscriber; the turn itself cannot fail.
      turn.catch((error: unknown) => subscriber.error(error))
    })
}
