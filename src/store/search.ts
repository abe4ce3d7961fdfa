/** Looks for files of the share: by their names, or by what is in them. */
import { defer, EMPTY, finalize, Subject, takeUntil } from 'rxjs'
import { P2pError } from '../errors.js'
import type { Library, Match, Pattern, SharedFile } from '../streams/ports.js'
import type { Catalog } from './catalog.js'
import { createContentSearch } from './content-search.js'
import { createLater } from './later.js'
import type { Matcher } from './patterns.js'
import { pulled } from './pulled.js'
import { createTurns } from './turns.js'

/** Files of one batch, which is one line of an answer. */
const MAX_BATCH_FILES = 64

/** Searches under way, standing ones among them: each remembers where it is, and up to 1 MiB of states of its pattern. */
const MAX_SEARCHES = 128

/** What one search may take of the main thread; a million names that all have to be tried take about a second. */
const MAX_WORK_MS = 5_000

interface SearchInit {
  readonly catalog: Catalog
  /** The folder; asked for when files are read. */
  readonly root: () => string
  /** Whether others may look for what is in the files. */
  readonly searchContent: boolean
  readonly rootWaitMs?: number
}

export function createSearch({ catalog, root, searchContent, ...timing }: SearchInit) {
  const turn = createTurns()
  const contents = createContentSearch(root)
  const closed$ = new Subject<void>()
  let running = 0

  /** Those whose names fit, as soon as there is something to tell. */
  async function* named(files: Iterable<SharedFile | undefined>, fits: Matcher['fits'], signal: AbortSignal) {
    let batch: SharedFile[] = []
    let workedMs = 0
    let untilMs = await turn()
    let sinceMs = performance.now()
    for (const file of files) {
      if (file !== undefined && fits(file.name)) batch.push(file)
      const nowMs = performance.now()
      if (batch.length < MAX_BATCH_FILES && nowMs < untilMs) continue
      workedMs += nowMs - sinceMs
      if (batch.length > 0) yield batch
      batch = []
      untilMs = await turn()
      sinceMs = performance.now()
      if (signal.aborted || workedMs > MAX_WORK_MS) return
    }
    if (batch.length > 0) yield batch
  }

  function candidates({ name, needs }: Matcher): Iterable<SharedFile | undefined> {
    return name === undefined ? catalog.candidates(needs) : [catalog.file(name)]
  }

  async function* find(pattern: Pattern, standing: boolean, signal: AbortSignal): AsyncGenerator<readonly Match[]> {
    // Loaded when there is a pattern: a peer that is asked for none begins sooner without.
    const { ANYTHING, compilePattern } = await import('./patterns.js')
    const compiled = compilePattern(pattern)
    const inContent = pattern.content === true
    const matcher = inContent ? ANYTHING : compiled
    const later = standing ? createLater({ catalog, fits: matcher.fits, signal, ...timing }) : undefined
    const chosen = (files: Iterable<SharedFile | undefined>) => {
      const found = named(files, matcher.fits, signal)
      return inContent ? contents.search(pattern, found, { signal, patient: standing }) : found
    }
    const isTold = ({ name, root: known }: Match) => known !== undefined || later?.waitForRoot(name) !== true
    try {
      yield* told(chosen(candidates(matcher)), isTold)
      for (let files = await later?.next(MAX_BATCH_FILES); files !== undefined; ) {
        yield* files === 'again' ? told(chosen(candidates(matcher)), isTold) : chosen(files)
        files = await later?.next(MAX_BATCH_FILES)
      }
    } finally {
      later?.end()
    }
  }

  const search: NonNullable<Library['search']> = (pattern, { standing = false } = {}) =>
    defer(() => {
      if (pattern.content === true && !searchContent) return EMPTY
      if (running >= MAX_SEARCHES) throw new P2pError('BUSY', 'Too many searches are under way')
      running += 1
      return pulled((signal) => find(pattern, standing, signal)).pipe(finalize(() => (running -= 1)))
    }).pipe(takeUntil(closed$))

  return {
    search,
    close: (): Promise<void> => {
      closed$.next()
      return contents.close()
    }
  }
}

async function* told(batches: AsyncIterable<readonly Match[]>, isTold: (match: Match) => boolean) {
  for await (const batch of batches) {
    const files = batch.filter(isTold)
    if (files.length > 0) yield files
  }
}
