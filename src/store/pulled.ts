/** Batches that are asked for, as an observable that hands them out one by one. */
import { Observable } from 'rxjs'
import { asP2pError } from '../errors.js'
import type { Match, Matches } from '../streams/ports.js'

/** The next batch is made when `next` of the one before was called. Unsubscribing aborts the signal. */
export function pulled(batches: (signal: AbortSignal) => AsyncIterable<readonly Match[]>): Observable<Matches> {
  return new Observable((subscriber) => {
    const stop = new AbortController()
    let goOn: () => void = () => undefined
    async function pull(): Promise<void> {
      for await (const files of batches(stop.signal)) {
        if (stop.signal.aborted) return
        const asked = new Promise<void>((resolve) => (goOn = resolve))
        subscriber.next({ files, next: goOn })
        await asked
      }
    }
    pull().then(
      () => subscriber.complete(),
      (error: unknown) => subscriber.error(asP2pError(error))
    )
    return () => {
      stop.abort()
      goOn()
    }
  })
}
