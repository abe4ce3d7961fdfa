/** Waits for what becomes of a question somebody asked us. */
import { firstValueFrom, type Observable, Subscription, takeUntil } from 'rxjs'
import type { Outcome, Source } from '../../streams/ports.js'
import type { Answer } from '../http/answer.js'
import { DEADLINE_GRACE_MS } from '../http/limits.js'

type Opened = { readonly type: 'opened'; readonly source: Source }
type Settled<T> = Exclude<T, { readonly type: 'answering' }>

const MISSED = { type: 'missed' } as const

/**
 * The outcome, or a miss when there is none in time or the caller goes away; then the question is taken back.
 * Once an answer is on its way the caller is told so, and waits as long as it takes.
 */
export function settled<T extends Outcome | Opened>(
  outcome$: Observable<T>,
  { gone$, begin }: Answer,
  deadlineMs: number
): Promise<Settled<T> | typeof MISSED> {
  return new Promise((resolve) => {
    // By hand and no sooner than needed: this runs for every call, and most are answered in this very turn.
    const waiting = new Subscription()
    let timer: NodeJS.Timeout | undefined
    let answering = false
    const settle = (outcome: Settled<T> | typeof MISSED) => {
      resolve(outcome)
      waiting.unsubscribe()
    }
    const wait = setImmediate(() => {
      if (!answering) timer = setTimeout(() => settle(MISSED), deadlineMs + DEADLINE_GRACE_MS)
      waiting.add(gone$.subscribe(() => settle(MISSED)))
    })
    waiting.add(() => {
      clearImmediate(wait)
      clearTimeout(timer)
    })
    waiting.add(
      outcome$.subscribe({
        next(outcome) {
          if (outcome.type !== 'answering') {
            settle(outcome as Settled<T>)
            return
          }
          answering = true
          clearTimeout(timer)
          begin()
        },
        error: () => settle(MISSED),
        complete: () => settle(MISSED)
      })
    )
  })
}

type Fetched = 'done' | 'missed' | 'denied' | 'failed'

/** The end of a `fetch`, which may be a long download: after `patienceMs` the caller is told that an answer will come. */
export async function fetched(fetch$: Observable<Fetched>, answer: Answer, patienceMs: number): Promise<Fetched> {
  const patience = setTimeout(answer.begin, patienceMs)
  try {
    return await firstValueFrom(fetch$.pipe(takeUntil(answer.gone$)), { defaultValue: 'missed' })
  } finally {
    clearTimeout(patience)
  }
}
