/** A download from all who have it: the actor and its jobs; its rules stand in `swarm-rules.ts`. */
import {
  catchError,
  concatMap,
  EMPTY,
  filter,
  from,
  interval,
  map,
  merge,
  Observable,
  of,
  type SchedulerLike,
  Subject,
  takeUntil,
  takeWhile,
  timer
} from 'rxjs'
import { createActor } from './actor.js'
import { createHashLearning } from './hash-learning.js'
import { type LaneStep, lane } from './lane.js'
import { PIECE_BYTES, type PieceRange } from './pieces.js'
import type {
  Download,
  Found,
  HashesOutcome,
  HashRequest,
  PeerUrl,
  PieceMemory,
  ReadOutcome,
  ReadRequest
} from './ports.js'
import { repair } from './repair.js'
import { type SwarmCommand, type SwarmEvent, type SwarmJob, step } from './swarm-rules.js'
import { type Failure, initialState, type SwarmState } from './swarm-state.js'

/** At most ten reports of progress a second: what a person can see. */
export const REPORT_EVERY_MS = 100

export interface SwarmInit {
  readonly name: string
  readonly root: string
  readonly place: Download
  /** What is not on the disk yet. */
  readonly gaps: readonly PieceRange[]
  /** Who has it, as it is found out; `all` when those there are now have been told, though more may come later. */
  readonly found$: Observable<Found | 'all'>
  readonly read: (holder: PeerUrl, request: ReadRequest) => Observable<ReadOutcome>
  readonly hashes: (holder: PeerUrl, request: HashRequest) => Observable<HashesOutcome>
  readonly scheduler: SchedulerLike
  /** Why an earlier way did not work: what is told when nobody new is found. */
  readonly before?: Failure | undefined
}

export type SwarmStep =
  | {
      readonly type: 'progressed'
      /** Verified and kept. */
      readonly bytes: number
      readonly sources: readonly SourceRate[]
      readonly position?: number
    }
  | SwarmEvent

/** Who sends now, and how fast. */
export interface SourceRate {
  readonly url: PeerUrl
  readonly bytesPerSecond: number
}

/** Ends with `complete`, when all pieces are on the disk, or with `failed`. Unsubscribing closes every connection. */
export function swarm(init: SwarmInit): Observable<SwarmStep> {
  const { name, root, place, gaps, found$, read, hashes, scheduler, before } = init
  return new Observable((subscriber) => {
    const stop$ = new Subject<void>()
    const stopped$ = new Subject<PeerUrl>()
    const received = new Map<string, PieceMemory>()
    const nowMs = () => scheduler.now()
    const actor = createActor<SwarmCommand, SwarmState, SwarmEvent, SwarmJob>({
      initial: initialState(gaps, before),
      step,
      run,
      stop$
    })
    const learn = createHashLearning({
      place,
      hashes,
      others: () => trusted(actor.state()),
      onLie: (holder) =>
        actor.send({
          type: 'broke',
          holder,
          nowMs: nowMs(),
          why: 'lied',
          detail: 'its hashes are not those of the root'
        })
    })

    function run(job: SwarmJob): Observable<SwarmCommand> {
      switch (job.type) {
        case 'read':
          return readJob(job)
        case 'stop':
          stopped$.next(job.holder)
          return EMPTY
        case 'keep':
          return keepJob(job)
        case 'repair':
          return repairJob(job)
        case 'rest':
          return timer(job.restMs, scheduler).pipe(map(() => ({ type: 'rested', holder: job.holder, nowMs: nowMs() })))
      }
    }

    function readJob({ holder, range }: SwarmJob & { type: 'read' }): Observable<SwarmCommand> {
      const end = () => actor.state().lanes.get(holder)?.end ?? 0
      return lane({ name, root, holder, range, place, read, end, nowMs }).pipe(
        concatMap((what) => told(holder, what)),
        takeUntil(stopped$.pipe(filter((stopped) => stopped === holder)))
      )
    }

    function told(holder: PeerUrl, what: LaneStep): Observable<SwarmCommand> {
      if (what.type !== 'received') return of({ ...what, holder, nowMs: nowMs() })
      const memory = what.take()
      if (memory === undefined) return EMPTY
      received.set(keyOf(what.piece, holder), memory)
      return of({ type: 'received', holder, piece: what.piece })
    }

    function keepJob({ piece, holder }: SwarmJob & { type: 'keep' }): Observable<SwarmCommand> {
      const memory = received.get(keyOf(piece, holder))
      if (memory === undefined) return EMPTY
      return learn(piece, holder).pipe(
        concatMap((known): Observable<SwarmCommand> => {
          if (!known) {
            received.delete(keyOf(piece, holder))
            memory.release()
            const why = {
              why: 'failed',
              code: 'UNFINISHED',
              detail: 'nobody has the hashes to verify it with'
            } as const
            const broke: SwarmCommand = { type: 'broke', holder, nowMs: nowMs(), ...why }
            return of<SwarmCommand[]>({ type: 'lost', piece, nowMs: nowMs() }, broke)
          }
          // While it is verified and written it is not ours, not even when all this ends meanwhile.
          received.delete(keyOf(piece, holder))
          const kept = place.keep(piece, memory).then(({ type }) => {
            if (type === 'wrong' && subscriber.closed) memory.release()
            else if (type === 'wrong') received.set(keyOf(piece, holder), memory)
            return type
          })
          return from(kept).pipe(
            map(
              (type): SwarmCommand =>
                type === 'wrong' ? { type, piece, holder, nowMs: nowMs() } : { type, piece, nowMs: nowMs() }
            )
          )
        }),
        catchError((error: unknown) => of(noDisk(error)))
      )
    }

    function repairJob({ piece, liar, helpers }: SwarmJob & { type: 'repair' }): Observable<SwarmCommand> {
      const memory = received.get(keyOf(piece, liar))
      if (memory === undefined) return EMPTY
      received.delete(keyOf(piece, liar))
      return repair({ name, root, piece, memory, helpers, place, read, hashes }).pipe(
        map((kept): SwarmCommand => ({ type: kept ? 'kept' : 'lost', piece, nowMs: nowMs() })),
        catchError((error: unknown) => of(noDisk(error)))
      )
    }

    const progress$ = interval(REPORT_EVERY_MS, scheduler).pipe(
      map((): SwarmStep => {
        actor.send({ type: 'tick', nowMs: nowMs() })
        return progressOf(actor.state(), place)
      })
    )
    subscriber.add(() => {
      stop$.next()
      for (const memory of received.values()) memory.release()
    })
    subscriber.add(
      merge(progress$, actor.event$)
        .pipe(takeWhile((what) => what.type !== 'complete' && what.type !== 'failed', true))
        .subscribe(subscriber)
    )
    if (place.pieces === 0 || gaps.length === 0) {
      subscriber.next({ type: 'complete' })
      subscriber.complete()
      return
    }
    subscriber.add(
      found$.subscribe({
        next: (found) =>
          actor.send(
            found === 'all' ? { type: 'all-found', nowMs: nowMs() } : { type: 'found', found, nowMs: nowMs() }
          ),
        complete: () => actor.send({ type: 'all-found', nowMs: nowMs() })
      })
    )
  })
}

const keyOf = (piece: number, holder: PeerUrl) => `${piece} ${holder}`

function trusted({ holders }: SwarmState): readonly PeerUrl[] {
  return [...holders].flatMap(([url, { state }]) => (state === 'out' ? [] : [url]))
}

function progressOf({ missing, tail, pending, lanes }: SwarmState, place: Download): SwarmStep {
  const running = [...lanes.values()]
  // What is on its way is not verified: a kill would lose it, and a liar may have sent it.
  const tailIsMissing = tail.piece === place.pieces - 1 && !tail.kept
  const bytes = place.size - missing * PIECE_BYTES + (tailIsMissing ? place.pieces * PIECE_BYTES - place.size : 0)
  const sources = running
    .filter(({ fruitful }) => fruitful)
    .map(({ holder, rate }) => ({ url: holder, bytesPerSecond: Math.round(rate ?? 0) }))
  const positions = running.flatMap(({ position }) => (position === undefined ? [] : [position]))
  const waits = sources.length === 0 && pending.length === 0 && positions.length > 0
  return { type: 'progressed', bytes, sources, ...(waits ? { position: Math.min(...positions) } : {}) }
}

function noDisk(error: unknown): SwarmCommand {
  const { code } = (error ?? {}) as { code?: unknown }
  const detail = error instanceof Error ? error.message : String(error)
  return { type: 'no-disk', code: typeof code === 'string' ? code : 'DISK', detail }
}
