/**
 * One file, brought here from those who have it: opened where it gathers, what an earlier try left looked at, and then
 * from everybody at once, or, while nobody has hashed it yet, from one after the other.
 */
import {
  catchError,
  concat,
  concatMap,
  defer,
  EMPTY,
  filter,
  finalize,
  first,
  from,
  ignoreElements,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  type SchedulerLike,
  switchMap,
  take,
  takeWhile,
  timer,
  toArray
} from 'rxjs'
import { acquired } from './acquired.js'
import { type DownloadStep, failed } from './download-step.js'
import { foundIn } from './found.js'
import { createHashLearning } from './hash-learning.js'
import { gapsBeside, PIECE_BYTES } from './pieces.js'
import { plainDownload } from './plain-download.js'
import type {
  Download,
  Downloads,
  Found,
  HashesOutcome,
  HashRequest,
  IfExists,
  Offer,
  PeerUrl,
  ReadOutcome,
  ReadRequest,
  RootOutcome
} from './ports.js'
import { swarm } from './swarm.js'
import { MAX_HOLDERS } from './swarm-rules.js'
import type { Failure } from './swarm-state.js'

/** How long the root is waited for before what an earlier try left is thrown away, whoever is asked for it: hashing 60 GB. */
const ROOT_WAIT_MS = 60_000
/** Holders asked for the root at once: some may say nothing, and each that has not hashed the file will do so. */
const ROOT_ASKED_AT_ONCE = 8

/** How long the first bytes of a file of one piece are waited for from one holder, before all are asked. */
const PATIENCE_MS = 1_000

/** The ways to the holders. */
export interface Sources {
  readonly read: (holder: PeerUrl, request: ReadRequest) => Observable<ReadOutcome>
  readonly hashes: (holder: PeerUrl, request: HashRequest) => Observable<HashesOutcome>
  readonly rootOf: (holder: PeerUrl, name: string, waitMs: number) => Observable<RootOutcome>
  /** Who else has this content, found out while it is downloaded. */
  readonly more: (offer: Offer & { readonly root: string }) => Observable<Found | 'all'>
}

/** What another holder may make good. */
const MENDABLE: ReadonlySet<string> = new Set(['NETWORK', 'TIMEOUT', 'NOT_FOUND', 'UNFINISHED', 'INTEGRITY'])

export interface DownloadOptions {
  readonly ifExists: IfExists
  /** The folder; the share when absent. */
  readonly into?: string
}

export interface DownloadInit extends Sources {
  readonly offer: Offer
  readonly options: DownloadOptions
  readonly downloads: Downloads
  readonly scheduler: SchedulerLike
}

/** Ends with `done` or `failed`, never with an error. Unsubscribing closes the connections and lets go of the file. */
export function download(init: DownloadInit): Observable<DownloadStep> {
  return concat(of<DownloadStep>({ type: 'started', size: init.offer.size }), rooted(init)).pipe(
    catchError((error: unknown) => of(failed(error)))
  )
}

/** With the root, where it is known, or where something lies here that only the root can tell the use of. */
function rooted(init: DownloadInit): Observable<DownloadStep> {
  const { offer } = init
  return opened(init, (place) => {
    if (offer.root !== undefined) {
      const known = { ...init, offer: { ...offer, root: offer.root } }
      return place.pieces <= 1 ? fromOne(known, place) : fromMany(known, place)
    }
    if (place.remains === undefined) return plainDownload({ ...init, place })
    return rootFrom(init).pipe(
      concatMap((root) =>
        concat(
          defer(() => (root === undefined ? place.rewind() : place.abandon())).pipe(ignoreElements()),
          root === undefined ? plainDownload({ ...init, place }) : rooted({ ...init, offer: { ...offer, root } })
        )
      )
    )
  })
}

/** A place that is let go of when the work is done, or given up. */
function opened(
  { offer, options, downloads }: DownloadInit,
  work: (place: Download) => Observable<DownloadStep>
): Observable<DownloadStep> {
  return acquired(
    () => downloads.begin(offer, options),
    (place) => place.abandon()
  ).pipe(
    concatMap((place) =>
      concat(
        work(place).pipe(catchError((error: unknown) => of(failed(error)))),
        // Waited for, so that nothing is left to do once it is said that all is done.
        defer(() => place.abandon()).pipe(ignoreElements())
      ).pipe(finalize(() => void place.abandon().catch(() => undefined)))
    )
  )
}

/** From the first who tells it; nothing when nobody did in time. */
function rootFrom({ rootOf, offer, scheduler }: DownloadInit): Observable<string | undefined> {
  const untilMs = scheduler.now() + ROOT_WAIT_MS
  const roots$ = from(offer.holders.slice(0, MAX_HOLDERS)).pipe(
    mergeMap(
      (holder) => rootOf(holder, offer.name, untilMs - scheduler.now()).pipe(catchError(() => EMPTY)),
      ROOT_ASKED_AT_ONCE
    ),
    concatMap((outcome) => (outcome.type === 'root' && outcome.size === offer.size ? of(outcome.root) : EMPTY))
  )
  const nothing = () => undefined
  return merge(concat(roots$, of(undefined)), timer(ROOT_WAIT_MS, scheduler).pipe(map(nothing))).pipe(take(1))
}

type Rooted = DownloadInit & { readonly offer: Offer & { readonly root: string } }

/**
 * One piece comes from the first who gives it. When that fails, or somebody lets us wait or says nothing, it comes from
 * everybody who has it, those found meanwhile as well.
 */
function fromOne(init: Rooted, place: Download): Observable<DownloadStep> {
  let isServed = false
  let isForMany = false
  let asked: PeerUrl | undefined
  const rejected = new Set<PeerUrl>()
  let before: Failure | undefined
  const read: Sources['read'] = (holder, request) => {
    asked = holder
    return init.read(holder, request)
  }
  const late$ = timer(PATIENCE_MS, init.scheduler).pipe(
    filter(() => !isServed && place.pieces > 0),
    map(() => 'late' as const)
  )
  const one$ = merge(plainDownload({ ...init, read, place }), late$).pipe(
    takeWhile((step) => {
      if (step === 'late') isForMany = true
      else if (step.type === 'progressed') {
        isServed ||= step.sources.length > 0
        isForMany = step.position !== undefined
      } else if (step.type === 'rejected') rejected.add(step.holder)
      else if (step.type === 'failed') {
        before = step
        isForMany = MENDABLE.has(step.code)
      }
      return !isForMany
    }),
    concatMap((step) => (step === 'late' ? EMPTY : of(step))),
    takeWhile(({ type }) => type !== 'done' && type !== 'failed', true)
  )
  const many$ = defer(() => {
    const { holders } = init.offer
    // The one that did not serve comes last.
    const order = [...holders.filter((holder) => holder !== asked), ...holders.filter((holder) => holder === asked)]
    return isForMany
      ? fromMany({ ...init, offer: { ...init.offer, holders: order } }, place, { rejected, before })
      : EMPTY
  })
  // What was begun has ended by then, and its memory is free.
  return concat(one$, many$)
}

/** What is known from a try with one holder at a time. */
interface Tried {
  /** Those who lied. */
  readonly rejected: ReadonlySet<PeerUrl>
  readonly before: Failure | undefined
}

function fromMany(
  { offer, read, hashes, more, scheduler }: Rooted,
  place: Download,
  { rejected, before }: Tried = { rejected: new Set(), before: undefined }
): Observable<DownloadStep> {
  const { name, root, size } = offer
  const known = foundIn(offer).map(({ url }) => url)
  // Found while it is of use; the swarm asks for itself.
  const found$ = more(offer).pipe(
    takeWhile((found) => found !== 'all'),
    map(({ url }) => url)
  )
  return checked(place, { known, found$, hashes }).pipe(
    switchMap((there) => {
      const found$ = merge(from(foundIn(offer)), more(offer)).pipe(
        filter((found) => found === 'all' || !rejected.has(found.url))
      )
      const word: Observable<DownloadStep> =
        place.remains === undefined
          ? EMPTY
          : of({ type: 'resumed', bytes: bytesIn(there, size), changed: place.remains.changed })
      const gaps = gapsBeside(place.pieces, there)
      const step$ = swarm({ name, root, place, gaps, found$, read, hashes, scheduler, before }).pipe(
        concatMap((step): Observable<DownloadStep> => {
          if (step.type === 'progressed') return of({ ...step, total: size })
          if (step.type !== 'complete') return of(step)
          return defer(() => place.finish()).pipe(map((done) => ({ type: 'done', ...done })))
        })
      )
      return concat(word, step$)
    })
  )
}

interface Checking extends Pick<Sources, 'hashes'> {
  readonly known: readonly PeerUrl[]
  /** Those who are found when none of the known ones has the hashes. */
  readonly found$: Observable<PeerUrl>
}

/** The pieces an earlier try left that are right. Without hashes none is. */
function checked(place: Download, { known, found$, hashes }: Checking): Observable<readonly number[]> {
  if (place.remains === undefined || place.pieces === 0) return of([])
  const learnFrom = ([one, ...others]: readonly PeerUrl[]): Observable<boolean> => {
    const learn = createHashLearning({ place, hashes, others: () => others, onLie: () => undefined })
    const learnAll = (piece: number): Observable<boolean> => {
      if (piece >= place.pieces) return of(true)
      const window = place.wants(piece)
      if (window === undefined) return learnAll(piece + 1)
      if (one === undefined) return of(false)
      return learn(piece, one).pipe(concatMap((isKnown) => (isKnown ? learnAll(piece + window.length) : of(false))))
    }
    return learnAll(0)
  }
  const laterFrom$ = found$.pipe(concatMap((url) => (known.includes(url) ? of(false) : learnFrom([url]))))
  return concat(learnFrom(known), laterFrom$).pipe(
    first((areKnown) => areKnown, false),
    concatMap(() => from(place.check()).pipe(toArray()))
  )
}

function bytesIn(pieces: readonly number[], sizeBytes: number): number {
  return pieces.reduce((sum, piece) => sum + Math.min(PIECE_BYTES, sizeBytes - piece * PIECE_BYTES), 0)
}
