/** Files that fit and come after a search has told what was there. */
import { Subscription } from 'rxjs'
import type { SharedFile } from '../streams/ports.js'
import type { Catalog } from './catalog.js'

/** A file is told without its root when it has not been hashed by then. */
const ROOT_WAIT_MS = 60_000

/** Names that wait for their root, and as many that wait to be told; a search with more of them looks at everything again. */
const MAX_LATER_NAMES = 10_000

interface LaterInit {
  readonly catalog: Pick<Catalog, 'arrival$' | 'file'>
  readonly fits: (name: string) => boolean
  readonly signal: AbortSignal
  readonly rootWaitMs?: number
}

export function createLater({ catalog, fits, signal, rootWaitMs = ROOT_WAIT_MS }: LaterInit) {
  /** By when each is told, in this order. */
  const unrooted = new Map<string, number>()
  const ready = new Set<string>()
  const arrivals = new Subscription()
  let tooMany = false
  let ended = false
  let timer: NodeJS.Timeout | undefined
  let wake: () => void = () => undefined

  function tell(name: string): void {
    if (ready.size < MAX_LATER_NAMES) ready.add(name)
    else tooMany = true
    wake()
  }

  function tellOverdue(): void {
    timer = undefined
    for (const [name, dueMs] of unrooted) {
      if (dueMs > performance.now()) {
        watchTheTime(dueMs)
        return
      }
      unrooted.delete(name)
      tell(name)
    }
  }

  function watchTheTime(dueMs: number): void {
    timer ??= setTimeout(tellOverdue, Math.max(0, dueMs - performance.now()) + 1).unref()
  }

  /** Tells of the file when its root is known; whether there is room for that. */
  function waitForRoot(name: string): boolean {
    if (unrooted.size >= MAX_LATER_NAMES) return false
    const dueMs = performance.now() + rootWaitMs
    // One that has changed waits anew, behind the others.
    unrooted.delete(name)
    unrooted.set(name, dueMs)
    watchTheTime(dueMs)
    return true
  }

  function end(): void {
    ended = true
    clearTimeout(timer)
    arrivals.unsubscribe()
    wake()
  }
  signal.addEventListener('abort', end, { once: true })
  arrivals.add(
    catalog.arrival$.subscribe({
      next({ name, root }) {
        if (!fits(name)) return
        if (root === undefined && waitForRoot(name)) return
        unrooted.delete(name)
        tell(name)
      },
      complete: end
    })
  )
  // Taken back while the pattern was loaded.
  if (signal.aborted) end()

  return {
    waitForRoot,
    /** Waits for some; `again` when there were too many to remember, nothing at the end. */
    async next(most: number): Promise<readonly SharedFile[] | 'again' | undefined> {
      while (!ended && ready.size === 0 && !tooMany) await new Promise<void>((resolve) => (wake = resolve))
      if (ended) return undefined
      if (tooMany) {
        tooMany = false
        ready.clear()
        return 'again'
      }
      const names = [...ready].slice(0, most)
      for (const name of names) ready.delete(name)
      // Some may have gone since.
      return names.flatMap((name) => catalog.file(name) ?? [])
    },
    end
  }
}
