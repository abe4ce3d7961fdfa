/** A promise of something that has to be let go of: a file opened for somebody who may leave before it is open. */
import { Observable } from 'rxjs'

/** Emits what `acquire` comes to; what comes after its subscriber has left is released, as nobody else would do it. */
export function acquired<T>(acquire: () => Promise<T>, release: (thing: T) => Promise<unknown>): Observable<T> {
  return new Observable((subscriber) => {
    acquire().then(
      (thing) => {
        // It is of no use to anybody, so neither is a failure to let go of it.
        if (subscriber.closed) release(thing).catch(() => undefined)
        subscriber.next(thing)
        subscriber.complete()
      },
      (error: unknown) => subscriber.error(error)
    )
  })
}
