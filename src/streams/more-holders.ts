/** Who else has what is being downloaded: asked while the bytes already come, and again from time to time. */
import { concat, exhaustMap, type Observable, of, type SchedulerLike, timer } from 'rxjs'
import { PIECE_BYTES } from './pieces.js'
import type { Found, Offer } from './ports.js'

/** A file of one piece is mostly here before others could help; they are asked for when it is not. */
const SMALL_PAUSE_MS = 1_000
/** Somebody may have come, or have fetched it too. */
const AGAIN_MS = 15_000

export interface MoreHoldersInit {
  readonly gather: (question: { readonly name: string; readonly root: string }) => Observable<Found>
  readonly scheduler: SchedulerLike
}

export function moreHolders({ gather, scheduler }: MoreHoldersInit) {
  return ({ name, root, size }: Offer & { readonly root: string }): Observable<Found | 'all'> =>
    concat(
      timer(size <= PIECE_BYTES ? SMALL_PAUSE_MS : 0, scheduler).pipe(exhaustMap(() => gather({ name, root }))),
      of('all' as const),
      timer(AGAIN_MS, AGAIN_MS, scheduler).pipe(exhaustMap(() => gather({ name, root })))
    )
}
