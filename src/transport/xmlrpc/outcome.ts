/** Waits for what becomes of a question somebody asked us. */
import { filter, firstValueFrom, fromEvent, type Observable, of, takeUntil, tap, timeout } from 'rxjs'
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
  answer: Answer,
  deadlineMs: number
): Promise<Settled<T> | typeof MISSED> {
  const { signal, begin } = answer
  return firstValueFrom(
    outcome$.pipe(
      timeout({ first: deadlineMs + DEADLINE_GRACE_MS, with: () => of(MISSED) }),
      tap(({ type }) => {
        if (type === 'answering') begin()
      }),
      filter((outcome): outcome is Settled<T> | typeof MISSED => outcome.type !== 'answering'),
      takeUntil(gone(signal))
    ),
    { defaultValue: MISSED }
  )
}

function gone(signal: AbortSignal): Observable<unknown> {
  return signal.aborted ? of(true) : fromEvent(signal, 'abort')
}

type Fetched = 'done' | 'missed' | 'denied' | 'failed'

/** The end of a `fetch`, which may be a long download: after `patienceMs` the caller is told that an answer will come. */
export async function fetched(fetch$: Observable<Fetched>, answer: Answer, patienceMs: number): Promise<Fetched> {
  const patience = setTimeout(answer.begin, patienceMs)
  try {
    return await firstValueFrom(fetch$.pipe(takeUntil(gone(answer.signal))), { defaultValue: 'missed' })
  } finally {
    clearTimeout(patience)
  }
}
