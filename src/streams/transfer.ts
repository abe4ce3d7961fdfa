/**
 * File transfer: fetch by name, find who has it, bring it here.
 *
 * Owns the list of files on their way. A few run at once, the others wait their turn in a list that is bounded,
 * and one name is fetched once at a time.
 */
import { catchError, concatMap, filter, map, Observable, of, type SchedulerLike, takeUntil, takeWhile } from 'rxjs'
import { createActor, type Turn } from './actor.js'
import { type DownloadStep, download, failed } from './download.js'
import type { Happening } from './events.js'
import type { Downloads, Offer, PeerUrl, ReadOutcome, ReadRequest } from './ports.js'

/** Files that come in at once: each has a connection and an open file, and more at once is not faster on one disk. */
export const MAX_TRANSFERS = 4
/** Files that may wait for their turn; whoever wants more is told to come back. */
export const MAX_WAITING_TRANSFERS = 1_024

/** How far a file is. */
export interface Progress {
  readonly name: string
  /** Bytes here so far. */
  readonly bytes: number
  /** Bytes in all. */
  readonly total: number
  /** Mean rate since the start. */
  readonly bytesPerSecond: number
  /** Who sends now. */
  readonly holders: readonly PeerUrl[]
  /** Where the file is; in the last one only. */
  readonly path?: string
  /** BEP 52 root of the content; in the last one only. */
  readonly root?: string
}

type TransferResult =
  | { readonly type: 'progress'; readonly progress: Progress }
  | { readonly type: 'failed'; readonly code: string; readonly detail: string }

interface Wanted {
  readonly name: string
  readonly overwrite: boolean
}

type TransferCommand =
  /** From whoever wants a file, under a key of its own. */
  | ({ readonly type: 'fetch'; readonly key: number } & Wanted)
  | { readonly type: 'withdraw'; readonly key: number }
  /** From the transfer job. */
  | { readonly type: 'step'; readonly key: number; readonly result: TransferResult; readonly happening: Happening }
  | { readonly type: 'rejected'; readonly key: number; readonly happening: Happening }
  | { readonly type: 'over'; readonly key: number }

interface TransferState {
  readonly running: ReadonlyMap<number, Wanted>
  readonly waiting: ReadonlyMap<number, Wanted>
}

type TransferEvent = Happening | { readonly type: 'result'; readonly key: number; readonly result: TransferResult }
type TransferJob = { readonly key: number } & Wanted
type TransferTurn = Turn<TransferState, TransferEvent, TransferJob>

/** Every case of the list of transfers. */
function step(state: TransferState, command: TransferCommand): TransferTurn {
  switch (command.type) {
    case 'fetch': {
      const { key, name, overwrite } = command
      if (state.waiting.size >= MAX_WAITING_TRANSFERS) {
        const detail = `${state.waiting.size} files are waiting already`
        return { state, events: [{ type: 'result', key, result: { type: 'failed', code: 'BUSY', detail } }] }
      }
      return startNext({ ...state, waiting: new Map(state.waiting).set(key, { name, overwrite }) })
    }
    case 'step':
      return { state, events: [{ type: 'result', key: command.key, result: command.result }, command.happening] }
    case 'rejected':
      return { state, events: [command.happening] }
    case 'over':
    case 'withdraw': {
      const [running, waiting] = [new Map(state.running), new Map(state.waiting)]
      const known = [running.delete(command.key), waiting.delete(command.key)].includes(true)
      return known ? startNext({ running, waiting }) : { state }
    }
  }
}

function startNext(state: TransferState): TransferTurn {
  const [running, waiting] = [new Map(state.running), new Map(state.waiting)]
  const names = new Set([...running.values()].map(({ name }) => name))
  const jobs: TransferJob[] = []
  for (const [key, wanted] of state.waiting) {
    if (running.size >= MAX_TRANSFERS) break
    if (names.has(wanted.name)) continue
    names.add(wanted.name)
    waiting.delete(key)
    running.set(key, wanted)
    jobs.push({ key, ...wanted })
  }
  return { state: { running, waiting }, jobs }
}

export interface TransferInit {
  /** Who has it; a failure tells the code and what to say. */
  readonly locate: (
    name: string,
    options: { readonly overwrite: boolean }
  ) => Observable<Offer | { readonly type: 'failed'; readonly code: string; readonly detail: string }>
  readonly read: (holder: PeerUrl, request: ReadRequest) => Observable<ReadOutcome>
  readonly downloads: Downloads
  readonly scheduler: SchedulerLike
  readonly stop$: Observable<unknown>
}

export interface Transfer {
  /** Cold: one fetch. Emits progress; completes with the file in place, or after a failure. Unsubscribing stops it. */
  readonly fetch: (name: string, options: { readonly overwrite: boolean }) => Observable<TransferResult>
  readonly event$: Observable<Happening>
  /** How many files are on their way or waiting; replays. */
  readonly underWay$: Observable<number>
}

export function createTransfer({ locate, read, downloads, scheduler, stop$ }: TransferInit): Transfer {
  let lastKey = 0
  const actor = createActor<TransferCommand, TransferState, TransferEvent, TransferJob>({
    initial: { running: new Map(), waiting: new Map() },
    step,
    stop$,
    run: (job) =>
      new Observable((subscriber) => {
        transfer(job)
          .pipe(takeUntil(actor.state$.pipe(filter(({ running }) => !running.has(job.key)))))
          .subscribe({
            next: (command) => subscriber.next(command),
            complete() {
              subscriber.next({ type: 'over', key: job.key })
              subscriber.complete()
            }
          })
      })
  })

  function transfer({ key, name, overwrite }: TransferJob): Observable<TransferCommand> {
    return locate(name, { overwrite }).pipe(
      concatMap((located) => {
        if ('type' in located) return of(told(key, name, located))
        const startedAtMs = scheduler.now()
        const rate = (bytes: number) => Math.round((bytes * 1_000) / Math.max(1, scheduler.now() - startedAtMs))
        return download({ offer: { ...located, name }, overwrite, read, downloads, scheduler }).pipe(
          map((step_) => told(key, name, step_, located.size, rate))
        )
      }),
      catchError((error: unknown) => of(told(key, name, failed(error))))
    )
  }

  return {
    event$: actor.event$.pipe(filter((event): event is Happening => event.type !== 'result')),
    underWay$: actor.state$.pipe(map(({ running, waiting }) => running.size + waiting.size)),
    fetch: (name, { overwrite }) =>
      new Observable<TransferResult>((subscriber) => {
        const key = ++lastKey
        actor.event$
          .pipe(
            filter((event) => event.type === 'result' && event.key === key),
            map((event) => (event as TransferEvent & { type: 'result' }).result),
            takeWhile((result) => result.type === 'progress' && result.progress.path === undefined, true)
          )
          .subscribe(subscriber)
        actor.send({ type: 'fetch', key, name, overwrite })
        return () => actor.send({ type: 'withdraw', key })
      })
  }
}

/** What one step of a download means for whoever waits for it, and for whoever listens. */
function told(
  key: number,
  name: string,
  what: DownloadStep,
  total = 0,
  rate: (bytes: number) => number = () => 0
): TransferCommand {
  const progress = (bytes: number, holders: readonly PeerUrl[]): Progress => {
    return { name, bytes, total, bytesPerSecond: rate(bytes), holders }
  }
  switch (what.type) {
    case 'started': {
      const result: TransferResult = { type: 'progress', progress: progress(0, []) }
      return { type: 'step', key, result, happening: { type: 'transfer-started', name, size: total } }
    }
    case 'progressed': {
      const now = progress(what.bytes, [what.holder])
      const happening: Happening = { type: 'transfer-progressed', ...now }
      return { type: 'step', key, result: { type: 'progress', progress: now }, happening }
    }
    case 'rejected':
      return { type: 'rejected', key, happening: { type: 'piece-rejected', name, holder: what.holder } }
    case 'done': {
      const { path, root } = what
      const result: TransferResult = { type: 'progress', progress: { ...progress(total, []), path, root } }
      return { type: 'step', key, result, happening: { type: 'transfer-completed', name, size: total, path, root } }
    }
    case 'failed':
      return { type: 'step', key, result: what, happening: { type: 'transfer-failed', name, code: what.code } }
  }
}
