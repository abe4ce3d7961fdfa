/** From promises, which the sockets give, to Observables, which the actors want. */
import { Observable } from 'rxjs'
import { P2pError } from '../../errors.js'
import type { Failed, FailureReason } from '../../streams/ports.js'
import { CallFailed } from './failure.js'

/** A promise as one subscription: emits what it emits on the way and what it comes to; unsubscribing aborts it. */
export function abortable<T>(
  run: (signal: AbortSignal, emit: (value: T) => void) => Promise<T>,
  ownFault?: T
): Observable<T | Failed> {
  return new Observable((subscriber) => {
    const abort = new AbortController()
    run(abort.signal, (value) => subscriber.next(value)).then(
      (value) => {
        subscriber.next(value)
        subscriber.complete()
      },
      (error: unknown) => {
        subscriber.next(ownFault !== undefined && isOurs(error) ? ownFault : failed(error))
        subscriber.complete()
      }
    )
    return () => abort.abort()
  })
}

/** Whether an outcome of any kind is a failure. */
export function isFailure(outcome: object): boolean {
  return 'type' in outcome && outcome.type === 'failed'
}

const REASON_OF: Partial<Record<string, FailureReason>> = { NETWORK: 'reset', TIMEOUT: 'timed-out' }

/** Whether it is us who failed, for example our disk: then the neighbour keeps its good name. */
function isOurs(error: unknown): boolean {
  return !(error instanceof CallFailed) && !(error instanceof P2pError && error.code in REASON_OF)
}

export function failed(error: unknown): Failed {
  const detail = error instanceof Error ? error.message : String(error)
  if (error instanceof CallFailed) return { type: 'failed', reason: error.reason, detail }
  return { type: 'failed', reason: REASON_OF[error instanceof P2pError ? error.code : ''] ?? 'nonsense', detail }
}

/** The same bytes; `ended` is told when there are no more, or nobody wants them any more. */
export async function* followed(bytes: AsyncIterable<Uint8Array>, ended: () => void): AsyncGenerator<Uint8Array, void> {
  try {
    yield* bytes
  } finally {
    ended()
  }
}
