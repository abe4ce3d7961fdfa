/**
 * A find that never ends: each match once, those that are there first, then whatever is added anywhere within reach. What is
 * added is pushed along the open tree, so nobody polls; but a tree loses branches, and so it is asked anew from time to time.
 */
import {
  concat,
  concatMap,
  debounce,
  defer,
  EMPTY,
  filter,
  from,
  merge,
  NEVER,
  type Observable,
  repeat,
  type SchedulerLike,
  Subject,
  takeUntil,
  tap,
  timer
} from 'rxjs'
import { keyOf } from './hits.js'
import type { Hit } from './ports.js'
import type { SearchNews } from './searching.js'
import { createTold, hash53 } from './told.js'

/** How often it is asked anew when nothing happens; no peer ends it before, see MAX_STANDING_MS. */
export const RENEW_MS = 10 * 60_000
/** Before it is asked anew because a neighbour joined, or one broke: both come in groups. */
const FIRST_PAUSE_MS = 1_000
/** The pause doubles each time, up to this; it is the first one again when a tree has stood for as long. */
const LONGEST_PAUSE_MS = 60_000
/** Matches that are remembered, not to be told again: 16 to 32 MiB when there are so many. */
const MEMORY = 1_000_000

export interface StandingInit {
  /** Cold: one standing find, with an id of its own for each subscription. When it errors, all ends. */
  readonly ask: () => Observable<SearchNews>
  /** A neighbour answers, for the first time or again. */
  readonly joined$: Observable<unknown>
  /** For hashes that nobody else can foresee. */
  readonly seed: number
  readonly scheduler: SchedulerLike
}

/** Cold, and never completes. */
export function standing({ ask, joined$, seed, scheduler }: StandingInit): Observable<Hit> {
  return defer(() => {
    const told = createTold(MEMORY)
    let pauseMs = FIRST_PAUSE_MS

    const tree$ = defer(() => {
      const startMs = scheduler.now()
      const broke$ = new Subject<void>()
      const anew$ = merge(joined$, broke$).pipe(
        debounce(() => {
          if (scheduler.now() - startMs >= LONGEST_PAUSE_MS) pauseMs = FIRST_PAUSE_MS
          return timer(pauseMs, scheduler)
        }),
        tap(() => {
          pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)
        })
      )
      const hit$ = ask().pipe(
        concatMap((news) => {
          if (news.type === 'broke') broke$.next()
          if (news.type !== 'found') return EMPTY
          // More is asked for when these have been taken.
          return concat(
            from(news.hits),
            defer(() => (news.next(), EMPTY))
          )
        })
      )
      return concat(hit$, NEVER).pipe(takeUntil(merge(timer(RENEW_MS, scheduler), anew$)))
    })
    return tree$.pipe(
      repeat(),
      filter((hit) => told.add(hash53(keyOf(hit), seed)))
    )
  })
}
