/**
 * One file, brought here from those who have it: one holder at a time, the next one where it fails.
 *
 * What is kept must be one content. The bytes of several holders are joined only where the offer names the
 * root, which then decides; without a root a new holder starts from the first byte.
 */
import {
  catchError,
  concat,
  concatMap,
  defer,
  EMPTY,
  finalize,
  from,
  ignoreElements,
  map,
  type Observable,
  of,
  type SchedulerLike,
  takeWhile,
  throttleTime
} from 'rxjs'
import { acquired } from './acquired.js'
import type { Download, Downloads, Offer, PeerUrl, ReadOutcome, ReadRequest } from './ports.js'

/** Holders of one offer that are tried; more cannot help where these failed. */
export const MAX_HOLDERS = 64
/** Times the holders are gone through, as long as each round brings bytes: a flaky link still ends. */
const MAX_ROUNDS = 16
/** At most ten reports of progress a second: what a person can see. */
const REPORT_EVERY_MS = 100

export type DownloadStep =
  | { readonly type: 'started'; readonly size: number }
  | { readonly type: 'progressed'; readonly bytes: number; readonly total: number; readonly holder: PeerUrl }
  /** This holder sent something else than it offered. */
  | { readonly type: 'rejected'; readonly holder: PeerUrl }
  | { readonly type: 'done'; readonly path: string; readonly root: string }
  | { readonly type: 'failed'; readonly code: string; readonly detail: string }

export interface DownloadInit {
  readonly offer: Offer
  readonly overwrite: boolean
  readonly read: (holder: PeerUrl, request: ReadRequest) => Observable<ReadOutcome>
  readonly downloads: Downloads
  readonly scheduler: SchedulerLike
}

/** Ends with `done` or `failed`, never with an error. Unsubscribing closes the connection and lets go of the file. */
export function download({ offer, overwrite, read, downloads, scheduler }: DownloadInit): Observable<DownloadStep> {
  const begun$ = acquired(
    () => downloads.begin(offer, { overwrite }),
    (place) => place.abandon()
  )
  return begun$.pipe(
    concatMap((place) =>
      concat(
        of<DownloadStep>({ type: 'started', size: offer.size }),
        bring({ offer, place, read, scheduler }),
        // Waited for, so that nothing is left to do once it is said that all is done.
        defer(() => place.abandon()).pipe(ignoreElements())
      ).pipe(finalize(() => void place.abandon().catch(() => undefined)))
    ),
    catchError((error: unknown) => of(failed(error)))
  )
}

interface Bringing {
  readonly offer: Offer
  readonly place: Download
  readonly read: DownloadInit['read']
  readonly scheduler: SchedulerLike
}

function bring({ offer, place, read, scheduler }: Bringing): Observable<DownloadStep> {
  const holders = offer.holders.slice(0, MAX_HOLDERS)
  const struck = new Set<PeerUrl>()
  /** Who sent the bytes kept so far, and what they call that content. */
  let senders: { readonly holder: PeerUrl; readonly etag: string }[] = []
  /** Off once mixed bytes turned out wrong: then every holder has to show a whole file of its own. */
  let mixing = true
  /** Mixing was given up in this round: one more is worth it. */
  let unmixed = false
  let lastFailure: DownloadStep = { type: 'failed', code: 'NETWORK', detail: 'nobody who has it could be reached' }

  const attempt = (holder: PeerUrl): Observable<DownloadStep> =>
    defer(async () => {
      const last = senders.at(-1)
      const same = last === undefined || last.holder === holder || (mixing && offer.root !== undefined)
      if (!same) await rewind()
      return { start: place.length, etag: last?.holder === holder ? last.etag : undefined }
    }).pipe(
      concatMap(({ start, etag }) =>
        read(holder, { name: offer.name, start, ...(etag === undefined ? {} : { etag }) }).pipe(
          // A body that is not read to its end does not end by itself: the end of our step ends the read.
          concatMap((outcome) => concat(take(holder, start, outcome), of(undefined))),
          takeWhile((step) => step !== undefined)
        )
      ),
      catchError((error: unknown) => {
        const { code, detail } = failed(error, 'UNFINISHED')
        lastFailure = { type: 'failed', code, detail: `${holder} broke off while it sent ${offer.name}: ${detail}` }
        // The disk will not be better with another holder.
        return code === 'DISK' ? of(failed(error)) : EMPTY
      })
    )

  const take = (holder: PeerUrl, start: number, outcome: ReadOutcome): Observable<DownloadStep> => {
    switch (outcome.type) {
      case 'body':
        if (outcome.size !== offer.size || outcome.start !== start)
          return strike(holder, 'another size than was offered')
        senders.push({ holder, etag: outcome.etag })
        return concat(
          from(copy(outcome.bytes, place, offer.size)).pipe(
            throttleTime(REPORT_EVERY_MS, scheduler, { leading: true, trailing: true }),
            map((bytes): DownloadStep => ({ type: 'progressed', bytes, total: offer.size, holder }))
          ),
          defer(() => finish(holder))
        )
      case 'changed':
        lastFailure = { type: 'failed', code: 'UNFINISHED', detail: 'the file changed while it was being fetched' }
        return defer(rewind).pipe(concatMap(() => EMPTY))
      case 'gone':
        lastFailure = { type: 'failed', code: 'NOT_FOUND', detail: 'nobody has it any more' }
        return EMPTY
      case 'failed':
        lastFailure = { type: 'failed', code: 'NETWORK', detail: outcome.detail }
        return EMPTY
    }
  }

  const finish = (holder: PeerUrl): Observable<DownloadStep> =>
    from(place.finish({ size: offer.size, ...(offer.root === undefined ? {} : { root: offer.root }) })).pipe(
      map((done): DownloadStep => ({ type: 'done', ...done })),
      catchError((error: unknown) => {
        if (codeOf(error) !== 'INTEGRITY') return of(failed(error))
        const alone = senders.every((sender) => sender.holder === holder)
        unmixed = mixing && !alone
        mixing = false
        return concat(
          defer(rewind).pipe(concatMap(() => EMPTY)),
          alone ? strike(holder, 'what came was not what was offered') : EMPTY
        )
      })
    )

  const strike = (holder: PeerUrl, detail: string): Observable<DownloadStep> => {
    struck.add(holder)
    lastFailure = { type: 'failed', code: 'INTEGRITY', detail }
    return of({ type: 'rejected', holder })
  }

  const rewind = async () => {
    senders = []
    await place.rewind()
  }

  let over = false
  const watched = (step$: Observable<DownloadStep>) =>
    step$.pipe(
      map((step) => {
        over ||= step.type === 'done' || step.type === 'failed'
        return step
      })
    )
  const round = (number: number): Observable<DownloadStep> =>
    defer(() => {
      const before = place.length
      unmixed = false
      const attempts = holders.map((holder) =>
        defer(() => (over || struck.has(holder) ? EMPTY : watched(attempt(holder))))
      )
      return concat(
        ...attempts,
        defer(() => {
          if (over) return EMPTY
          return (unmixed || place.length > before) && number < MAX_ROUNDS ? round(number + 1) : of(lastFailure)
        })
      )
    })
  return round(1)
}

/** Under back-pressure: the next chunk is asked for when this one is on its way to the disk. Yields the bytes kept. */
async function* copy(bytes: AsyncIterable<Uint8Array>, place: Download, sizeBytes: number): AsyncGenerator<number> {
  for await (const chunk of bytes) {
    // Whoever sends more than it offered could fill the disk.
    if (place.length + chunk.length > sizeBytes) return
    await place.append(chunk)
    yield place.length
  }
}

function codeOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' ? code : undefined
}

/** The step that says what went wrong. */
export function failed(error: unknown, otherwise = 'OTHER'): DownloadStep & { type: 'failed' } {
  const detail = error instanceof Error ? error.message : String(error)
  return { type: 'failed', code: codeOf(error) ?? otherwise, detail }
}
