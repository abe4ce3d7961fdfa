/**
 * File transfer: fetch by name, find who has it, bring it here.
 *
 * Owns the list of files on their way. A few run at once, the others wait their turn in a list that is bounded,
 * and one name is fetched once at a time.
 */
import {
  catchError,
  concat,
  concatMap,
  filter,
  from,
  map,
  Observable,
  of,
  type SchedulerLike,
  takeUntil,
  takeWhile,
  timer
} from 'rxjs'
import { createActor, type Turn } from './actor.js'
import { type DownloadOptions, download, type Sources } from './download.js'
import { type DownloadStep, failed } from './download-step.js'
import type { Happening } from './events.js'
import type { Downloads, Offer, PeerUrl } from './ports.js'
import { type Telling, type Told, type TransferResult, told, waits } from './progress.js'
import { REPORT_EVERY_MS } from './swarm.js'

/** Files that come in at once: small ones wait more for disk and network than they take; large ones share both. */
export const MAX_TRANSFERS = 8
/** Files that may wait for their turn; whoever wants more is told to come back. */
export const MAX_WAITING_TRANSFERS = 1_024

/** What may pass by itself: somebody comes back, or somebody makes room. */
const PASSING: ReadonlySet<string> = new Set(['DISK', 'NETWORK', 'TIMEOUT', 'NOT_FOUND', 'UNFINISHED', 'BUSY'])
/** Between two tries of a transfer that waits; doubles. */
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 15_000

/** How one file is to be fetched. */
export interface TransferOptions extends DownloadOptions {
  /** Does not fail for want of space or holders, but tries again until they are back. */
  readonly wait: boolean
  /** What to fetch, where that is known already. */
  readonly offer?: Offer
}

interface Wanted extends TransferOptions {
  readonly name: string
}

type TransferCommand =
  /** From whoever wants a file, under a key of its own. */
  | ({ readonly type: 'fetch'; readonly key: number } & Wanted)
  | { readonly type: 'withdraw'; readonly key: number }
  /** From the transfer job. */
  | ({ readonly type: 'told'; readonly key: number } & Telling)
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
      const { type: _, key, ...wanted } = command
      if (state.waiting.size >= MAX_WAITING_TRANSFERS) {
        const detail = `${state.waiting.size} files are waiting already`
        return { state, events: [{ type: 'result', key, result: { type: 'failed', code: 'BUSY', detail } }] }
      }
      return startNext({ ...state, waiting: new Map(state.waiting).set(key, wanted) })
    }
    case 'told': {
      const { key, result, happening } = command
      return { state, events: [...(result === undefined ? [] : [{ type: 'result' as const, key, result }]), happening] }
    }
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
  const names = new Set([...running.values()].map(pathOf))
  const jobs: TransferJob[] = []
  for (const [key, wanted] of state.waiting) {
    if (running.size >= MAX_TRANSFERS) break
    if (names.has(pathOf(wanted))) continue
    names.add(pathOf(wanted))
    waiting.delete(key)
    running.set(key, wanted)
    jobs.push({ key, ...wanted })
  }
  return { state: { running, waiting }, jobs }
}

const pathOf = ({ into = '', name }: Wanted) => `${into}/${name}`

export interface TransferInit extends Sources {
  /** Who has it; a failure tells the code and what to say. */
  readonly locate: (
    name: string,
    options: TransferOptions
  ) => Observable<Offer | { readonly type: 'failed'; readonly code: string; readonly detail: string }>
  /** Ourselves, when we have this content under whatever name: then nobody has to send it. */
  readonly own: (root: string) => Promise<PeerUrl | undefined>
  readonly downloads: Downloads
  readonly scheduler: SchedulerLike
  readonly stop$: Observable<unknown>
}

export interface Transfer {
  /** Cold: one fetch. Emits progress; completes with the file in place, or after a failure. Unsubscribing stops it. */
  readonly fetch: (name: string, options: TransferOptions) => Observable<TransferResult>
  readonly event$: Observable<Happening>
  /** How many files are on their way or waiting; replays. */
  readonly underWay$: Observable<number>
}

export function createTransfer({ locate, own, downloads, scheduler, stop$, ...sources }: TransferInit): Transfer {
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

  function transfer(job: TransferJob): Observable<TransferCommand> {
    const { key, name, wait } = job
    const attempt = (number: number): Observable<TransferCommand> =>
      once(job).pipe(
        concatMap((what) => {
          if (!wait || what.step.type !== 'failed' || !PASSING.has(what.step.code))
            return of({ type: 'told' as const, key, ...told(name, what) })
          const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (number - 1), LONGEST_PAUSE_MS)
          const { code } = what.step
          return concat(
            of({ type: 'told' as const, key, ...waits(name, what, code) }),
            timer(pauseMs, scheduler).pipe(concatMap(() => attempt(number + 1)))
          )
        })
      )
    return attempt(1)
  }

  /** One try: who has it, and from there to here. */
  function once({ name, ...options }: TransferJob): Observable<Told> {
    return (options.offer === undefined ? locate(name, options) : of(options.offer)).pipe(
      concatMap((located) => {
        if ('type' in located) return of<Told>({ step: located, total: 0, meanRate: 0 })
        const startedAtMs = scheduler.now()
        const { size: total } = located
        let before = 0
        let toldMs = Number.NEGATIVE_INFINITY
        return fromNearest({ ...located, name }, options).pipe(
          filter((step_) => {
            if (step_.type === 'resumed') before = step_.bytes
            // At most ten a second, whatever the way they come.
            if (step_.type !== 'progressed') return true
            const due = scheduler.now() - toldMs >= REPORT_EVERY_MS
            if (due) toldMs = scheduler.now()
            return due
          }),
          map((step_): Told => {
            const elapsedMs = Math.max(1, scheduler.now() - startedAtMs)
            return { step: step_, total, meanRate: Math.round(((total - before) * 1_000) / elapsedMs) }
          })
        )
      }),
      catchError((error: unknown) => of<Told>({ step: failed(error), total: 0, meanRate: 0 }))
    )
  }

  function fromNearest(offer: Offer, options: TransferOptions): Observable<DownloadStep> {
    const init = { ...sources, options, downloads, scheduler }
    const { root } = offer
    if (root === undefined) return download({ ...init, offer })
    return from(own(root)).pipe(
      concatMap((url) => {
        if (url === undefined) return download({ ...init, offer })
        return download({ ...init, offer: { ...offer, holders: [url], relays: [] }, more: () => of('all' as const) })
      })
    )
  }

  return {
    event$: actor.event$.pipe(filter((event): event is Happening => event.type !== 'result')),
    underWay$: actor.state$.pipe(map(({ running, waiting }) => running.size + waiting.size)),
    fetch: (name, options) =>
      new Observable<TransferResult>((subscriber) => {
        const key = ++lastKey
        actor.event$
          .pipe(
            filter((event) => event.type === 'result' && event.key === key),
            map((event) => (event as TransferEvent & { type: 'result' }).result),
            takeWhile((result) => result.type === 'progress' && result.progress.path === undefined, true)
          )
          .subscribe(subscriber)
        actor.send({ ...options, type: 'fetch', key, name })
        return () => actor.send({ type: 'withdraw', key })
      })
  }
}
