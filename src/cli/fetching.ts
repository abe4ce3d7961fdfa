/** Several names and patterns at once: what becomes of each, for `get` and for the shell. */
import {
  catchError,
  concat,
  defer,
  EMPTY,
  from,
  map,
  mergeMap,
  type Observable,
  of,
  Subject,
  switchMap,
  takeLast,
  takeUntil,
  tap,
  throwError,
  throwIfEmpty
} from 'rxjs'
import { type FetchOptions, type FolderProgress, P2pError, type Peer } from '../index.js'
import type { AskExists, IfExists } from './ask-exists.js'
import type { Board } from './board.js'
import { fileRowOf, folderRowOf } from './rows.js'

/** Names under way at a time, each with a bar; the peer runs fewer, and the rest is its queue. */
const CONCURRENT_NAMES = 8

/** Where files come from: our own peer, or one that runs elsewhere. */
export type Engine = Pick<Peer, 'fetch' | 'fetchAll'>

export interface FetchingInit {
  readonly engine: Engine
  readonly board: Board
  readonly stop$: Observable<unknown>
  readonly ifExists: IfExists
  /** How to ask about files that are here already, where somebody can be asked. */
  readonly askExists?: AskExists | undefined
  readonly into?: string | undefined
  readonly wait?: boolean
  readonly verbose?: number
  /** Whether what is not found as a file may be a pattern. */
  readonly patterns: boolean
  /** Told, perhaps again and again, of a name of which something has come. */
  readonly onBegun?: (name: string) => void
}

/** What became of a name. */
export type Outcome =
  | { readonly type: 'here'; readonly name: string; readonly size: number; readonly path: string }
  | { readonly type: 'skipped'; readonly name: string }
  | { readonly type: 'failed'; readonly name: string; readonly error: P2pError }
  | { readonly type: 'folder'; readonly name: string; readonly progress: FolderProgress }

export function isPattern(name: string): boolean {
  return /[*?[]/.test(name)
}

/** Emits an outcome for each name, as it comes; ends early without one for the rest when it is time to stop. */
export function fetchNames(names: readonly string[], init: FetchingInit): Observable<Outcome> {
  const { engine, board, askExists, ifExists, into, wait = false, verbose = 0, onBegun } = init
  const aborted$ = new Subject<void>()
  const optionsFor = (chosen: IfExists, waiting = wait): FetchOptions => ({
    ifExists: chosen === 'skip' ? 'refuse' : chosen,
    into,
    ...(waiting ? { wait: true } : {})
  })

  const file = (name: string, chosen: IfExists, waiting = wait): Observable<Outcome> =>
    engine.fetch(name, optionsFor(chosen, waiting)).pipe(
      tap((progress) => {
        board.show(name, fileRowOf(progress, verbose))
        if (progress.bytes > 0) onBegun?.(name)
      }),
      takeLast(1),
      map(({ total, path = '' }): Outcome => ({ type: 'here', name, size: total, path })),
      catchError((error: unknown) => {
        if (!(error instanceof P2pError)) throw error
        return error.code === 'EXISTS' ? existing(name, chosen, error) : throwError(() => error)
      })
    )

  const existing = (name: string, chosen: IfExists, error: P2pError): Observable<Outcome> => {
    if (chosen === 'skip') return of({ type: 'skipped', name })
    if (askExists === undefined || chosen !== 'refuse') return throwError(() => error)
    return from(askExists(`${name} is`)).pipe(
      switchMap((answer): Observable<Outcome> => {
        if (answer === 'skip') return of({ type: 'skipped', name })
        if (answer !== 'abort') return file(name, answer)
        return concat(of(failedWith(name, error)), stopAll())
      })
    )
  }

  const stopAll = (): Observable<never> =>
    defer(() => {
      aborted$.next()
      return EMPTY
    })

  const folder = (pattern: string): Observable<Outcome> =>
    engine.fetchAll(pattern, optionsFor(ifExists)).pipe(
      tap((progress) => {
        board.show(pattern, folderRowOf(pattern, progress, verbose))
        if (progress.bytes > 0 || progress.done > 0) onBegun?.(pattern)
      }),
      takeLast(1),
      throwIfEmpty(() => nothingMatches(pattern)),
      switchMap((progress) => afterFolder(pattern, progress))
    )

  /** What was here already is asked about once, when all the rest has come. */
  const afterFolder = (pattern: string, progress: FolderProgress): Observable<Outcome> => {
    if (progress.files === 0) return throwError(() => nothingMatches(pattern))
    const here = progress.failed.filter(({ code }) => code === 'EXISTS')
    const others = progress.failed.filter(({ code }) => code !== 'EXISTS')
    const outcome = (failed: FolderProgress['failed'], more = 0): Outcome => ({
      type: 'folder',
      name: pattern,
      progress: { ...progress, failed, skipped: progress.skipped + more }
    })
    if (here.length > 0 && ifExists === 'skip') return of(outcome(others, here.length))
    if (here.length === 0 || askExists === undefined || ifExists !== 'refuse') return of(outcome(progress.failed))
    board.remove(pattern)
    return from(askExists(here.length === 1 ? `${here[0]?.name} is` : `${here.length} files of ${pattern} are`)).pipe(
      switchMap((answer) => {
        if (answer === 'skip') return of(outcome(others, here.length))
        if (answer === 'abort') return concat(of(outcome(progress.failed)), stopAll())
        const again$ = from(here).pipe(mergeMap(({ name }) => whole(name, file(name, answer)), CONCURRENT_NAMES))
        return concat(of(outcome(others)), again$)
      })
    )
  }

  /** A file of that name first; where nobody has it, a pattern. */
  const fileOrPattern = (name: string): Observable<Outcome> => {
    if (!init.patterns || !isPattern(name)) return file(name, ifExists)
    // Not waiting: for a file called like a pattern one could wait for ever.
    return file(name, ifExists, false).pipe(
      catchError((error: unknown) => {
        if (!(error instanceof P2pError)) throw error
        const nobody = error.code === 'NETWORK' || error.code === 'TIMEOUT'
        if (error.code === 'NOT_FOUND' || (wait && nobody)) return folder(name)
        return wait ? file(name, ifExists) : throwError(() => error)
      })
    )
  }

  const whole = (name: string, outcome$: Observable<Outcome>): Observable<Outcome> =>
    outcome$.pipe(
      catchError((error: unknown) => {
        if (!(error instanceof P2pError)) throw error
        return of(failedWith(name, error))
      }),
      // Before its outcome is told, so that the bar does not come back below it.
      tap({ next: () => board.remove(name), finalize: () => board.remove(name) })
    )

  return from([...new Set(names)]).pipe(
    mergeMap((name) => whole(name, fileOrPattern(name)), CONCURRENT_NAMES),
    takeUntil(aborted$),
    takeUntil(init.stop$)
  )
}

const failedWith = (name: string, error: P2pError): Outcome => ({ type: 'failed', name, error })

const nothingMatches = (pattern: string) =>
  new P2pError('NOT_FOUND', `None of the known peers lists a file like ${pattern}`, {
    advice: 'Put a pattern in quotes, and see with `p2p-rx ls --peer URL` what a peer has.'
  })
