/**
 * A file from one holder at a time, in order: one whose root nobody knows yet, so that the first byte waits for no hash,
 * and one of a single piece, for which more would be too much. What is kept is one content: another holder starts from
 * the first byte. Where there was no root, the holder, who has hashed it meanwhile, is asked for it at the end, and both
 * compare.
 */
import {
  catchError,
  concat,
  concatMap,
  defer,
  EMPTY,
  finalize,
  from,
  map,
  type Observable,
  of,
  type SchedulerLike,
  takeWhile
} from 'rxjs'
import type { Sources } from './download.js'
import { codeOf, type DownloadStep, failed } from './download-step.js'
import { type LaneStep, lane } from './lane.js'
import { PIECE_BYTES } from './pieces.js'
import type { Download, Offer, PeerUrl, PieceMemory, RootOutcome } from './ports.js'
import { MAX_HOLDERS } from './swarm-rules.js'

/** Times the holders are gone through, as long as each round brings bytes: a flaky link still ends. */
const MAX_ROUNDS = 16
/** How long a holder may go on hashing when all is here: longer for a large file, which it reads at this pace at least. */
const ROOT_WAIT_MS = 10_000
const HASHED_BYTES_PER_MS = 100_000

export interface PlainInit extends Sources {
  readonly offer: Offer
  readonly place: Download
  readonly scheduler: SchedulerLike
}

/** Ends with `done` or `failed`. */
export function plainDownload({ offer, place, read, rootOf, scheduler }: PlainInit): Observable<DownloadStep> {
  const holders = offer.holders.slice(0, MAX_HOLDERS)
  const struck = new Set<PeerUrl>()
  /** Who sent what is here, and what it calls that content. */
  let sender: { readonly holder: PeerUrl; readonly etag: string } | undefined
  let pieces = 0
  let over = false
  /** Those who would have let us wait in this round. */
  let queued: PeerUrl[] = []
  let last: DownloadStep = { type: 'failed', code: 'NETWORK', detail: 'nobody who has it could be reached' }

  /** What waits to be written; what is being written is not ours any more. */
  const held = new Set<PieceMemory>()
  const hold = (memory: PieceMemory | undefined) => {
    if (memory !== undefined) held.add(memory)
    return memory
  }

  const rewind = async () => {
    sender = undefined
    pieces = 0
    await place.rewind()
  }

  /** `hurried`: somebody else may serve at once, so that this one's queue is not waited in. */
  const attempt = (holder: PeerUrl, hurried: boolean): Observable<DownloadStep> =>
    defer(async () => {
      if (sender !== undefined && sender.holder !== holder) await rewind()
    }).pipe(
      concatMap(() => {
        if (pieces === place.pieces) return finish(holder)
        const range = { start: pieces, end: place.pieces }
        const { name } = offer
        const root = offer.root === undefined ? {} : { root: offer.root }
        const etag = sender === undefined ? {} : { etag: sender.etag }
        const onEtag = (given: string) => (sender = { holder, etag: given })
        const end = () => place.pieces
        return lane({
          name,
          holder,
          range,
          place,
          read,
          end,
          nowMs: () => scheduler.now(),
          onEtag,
          ...root,
          ...etag
        }).pipe(
          takeWhile(({ type }) => {
            const isLeft = hurried && type === 'queued'
            if (isLeft) queued.push(holder)
            return !isLeft
          }),
          // Taken at once: the lane gives back what nobody took when it ends, while others still wait to be written.
          map((step) => ({ step, memory: step.type === 'received' ? hold(step.take()) : undefined })),
          concatMap(({ step, memory }) => taken(holder, step, memory)),
          finalize(() => {
            for (const memory of held) memory.release()
            held.clear()
          })
        )
      })
    )

  const taken = (holder: PeerUrl, step: LaneStep, memory?: PieceMemory): Observable<DownloadStep> => {
    switch (step.type) {
      case 'queued':
        return of({ type: 'progressed', bytes: bytes(), total: offer.size, sources: [], position: step.position })
      case 'advanced':
        return of({ type: 'progressed', bytes: bytes(), total: offer.size, sources: [source(holder, step.bytes)] })
      case 'received': {
        if (memory === undefined) return EMPTY
        held.delete(memory)
        return from(place.keep(step.piece, memory)).pipe(
          concatMap(({ type }) => {
            if (type === 'wrong') {
              memory.release()
              return strike(holder, 'what it sent is not what was asked for')
            }
            pieces = step.piece + 1
            return EMPTY
          })
        )
      }
      case 'requested':
        return pieces === place.pieces ? finish(holder) : EMPTY
      case 'broke':
        if (step.why === 'lied') return strike(holder, step.detail)
        last = { type: 'failed', code: step.code, detail: step.detail }
        return step.why === 'changed' ? defer(rewind).pipe(concatMap(() => EMPTY)) : EMPTY
    }
  }

  const bytes = () => Math.min(offer.size, pieces * PIECE_BYTES)

  let tellingMs = scheduler.now()
  const source = (url: PeerUrl, added: number) => {
    const elapsedMs = Math.max(1, scheduler.now() - tellingMs)
    tellingMs = scheduler.now()
    return { url, bytesPerSecond: Math.round((added * 1_000) / elapsedMs) }
  }

  const finish = (holder: PeerUrl): Observable<DownloadStep> => {
    const waitMs = Math.round(ROOT_WAIT_MS + offer.size / HASHED_BYTES_PER_MS)
    const compared$: Observable<Pick<RootOutcome, 'type'> & { readonly root?: string }> =
      offer.root === undefined ? rootOf(holder, offer.name, waitMs) : of({ type: 'root' as const, root: offer.root })
    return compared$.pipe(
      concatMap((outcome) => place.finish(outcome.root)),
      map((done): DownloadStep => ({ type: 'done', ...done })),
      catchError((error: unknown) => {
        if (codeOf(error) !== 'INTEGRITY') return of(failed(error))
        return concat(defer(rewind).pipe(concatMap(() => EMPTY)), strike(holder, 'what came was not what was offered'))
      })
    )
  }

  const strike = (holder: PeerUrl, detail: string): Observable<DownloadStep> => {
    struck.add(holder)
    last = { type: 'failed', code: 'INTEGRITY', detail }
    return of({ type: 'rejected', holder })
  }

  const round = (number: number): Observable<DownloadStep> =>
    defer(() => {
      const before = pieces
      queued = []
      const tried = (holder: PeerUrl, isHurried: () => boolean) =>
        defer(() => (over || struck.has(holder) ? EMPTY : attempt(holder, isHurried()))).pipe(
          map((step) => {
            over ||= step.type === 'done' || step.type === 'failed'
            return step
          })
        )
      const isUntried = (index: number) => holders.slice(index + 1).some((other) => !struck.has(other))
      const attempts = holders.map((holder, index) => tried(holder, () => isUntried(index)))
      const waits = defer(() => concat(...queued.map((holder) => tried(holder, () => false))))
      const next = defer(() => {
        if (over) return EMPTY
        return pieces > before && number < MAX_ROUNDS ? round(number + 1) : of(last)
      })
      return concat(...attempts, waits, next)
    })

  return round(1)
}
