import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { asP2pError } from '../errors.js'
import type { Catalog } from './catalog.js'
import { createLooks, type Facts, type Look } from './looks.js'
import { walk } from './walk.js'
import { createFolderWatch } from './watch.js'

/** A file that has not changed for this long is whole: more than the pauses of a copy, less than the second in which it has to be found. */
const SETTLE_MS = 400

/** Hints are gathered this long: a file that is being written gives one at every write. */
const GATHER_HINTS_MS = 50

/** Names looked at in one go, as far as they changed one by one. */
const HINTS_AT_ONCE = 512

/** Names that changed and were not looked at yet; beyond that, reading the whole folder again is cheaper. */
const MAX_HINTS = 100_000

/** Between two readings of the whole folder, for file systems that tell nothing and for what a watch may miss. */
const RESCAN_MS = 60_000

interface FollowInit {
  readonly root: string
  readonly catalog: Catalog
  /** Takes a whole file into the list. */
  readonly enlist: (name: string, facts: Facts) => void
  /** The content of a file has been written over. */
  readonly onOverwritten: (identity: string) => void
  readonly onProblem: (message: string, cause?: unknown) => void
  readonly signal: AbortSignal
}

/** How long a file has to stay as it is to count as whole, by the time it was last written; nothing when it has already. */
export function settlesInMs({ modifiedMs }: Pick<Facts, 'modifiedMs'>): number {
  const leftMs = SETTLE_MS - (Date.now() - modifiedMs)
  // A time in the future says nothing.
  return Math.max(0, Math.min(SETTLE_MS, leftMs))
}

/** Keeps the catalog as the folder is: reads it once, then looks at each name that a watch, or the next reading, hints at. */
export function followFolder({ root, catalog, enlist, onOverwritten, onProblem, signal }: FollowInit) {
  /** When to look at a name. */
  const hints = new Map<string, number>()
  /** Since when a file that is being written has been as it is. */
  const unsettled = new Map<string, { identity: string; sinceMs: number }>()
  const scans = new Set<string>()
  const looks = createLooks(root)
  const watched = createFolderWatch({ root, onHint: (name) => hint(name), onProblem })
  let timer: NodeJS.Timeout | undefined
  let rescans: NodeJS.Timeout | undefined
  let working: Promise<void> | undefined

  function hint(name: string, afterMs = GATHER_HINTS_MS): void {
    if (name === '' || hints.size >= MAX_HINTS) scans.add('')
    else hints.set(name, Date.now() + afterMs)
    wake()
  }

  function wake(): void {
    if (signal.aborted || working !== undefined) return
    timer ??= setTimeout(() => {
      timer = undefined
      working = work().finally(() => {
        working = undefined
        if (hints.size + scans.size > 0) wake()
      })
    }, GATHER_HINTS_MS).unref()
  }

  async function work(): Promise<void> {
    const now = Date.now()
    const due = [...hints].flatMap(([name, atMs]) => (atMs <= now ? [name] : []))
    for (const name of due) hints.delete(name)
    for (let at = 0; at < due.length; at += HINTS_AT_ONCE) await look(due.slice(at, at + HINTS_AT_ONCE))
    for (const from of [...scans]) {
      scans.delete(from)
      await scan(from)
    }
  }

  async function scan(from: string): Promise<void> {
    const seen = new Set<string>()
    await walk({
      root,
      from,
      enter: watched.enter,
      visit: (names) => {
        for (const name of names) seen.add(name)
        return look(names)
      },
      skipped: (folder, cause) => {
        const { code, message } = asP2pError(cause)
        // A folder below that is gone has just been taken away.
        if (code !== 'NOT_FOUND' || folder === '') onProblem(`Cannot share ${join(root, folder)}: ${message}`, cause)
      },
      signal
    })
    // The rest may have come while we read, so it is looked at before it is dropped.
    const below = from === '' ? '' : `${from}/`
    for (const name of catalog.names()) if (name.startsWith(below) && !seen.has(name)) hint(name, 0)
  }

  /** Sees what has become of names. */
  async function look(names: readonly string[]): Promise<void> {
    const stopped = () => signal.aborted
    if (stopped()) return
    const seen = await looks.look(names)
    if (stopped()) return
    for (const [index, name] of names.entries()) {
      const found = seen[index]
      if (found !== undefined) take(name, found)
    }
  }

  function take(name: string, found: Look): void {
    if (found.type === 'folder') {
      catalog.remove(name)
      scans.add(name)
      return
    }
    // What was a folder is none any more.
    if (watched.knows(name)) forgetFolder(name)
    if (found.type === 'file') takeFile(name, found, found.readable)
    else {
      unsettled.delete(name)
      catalog.remove(name)
    }
  }

  function takeFile(name: string, facts: Facts, readable: boolean): void {
    const { identity } = facts
    const listed = catalog.get(name)?.identity
    if (listed === identity) return
    if (listed !== undefined) onOverwritten(listed)
    const before = unsettled.get(name)
    const same = before?.identity === identity
    const leftMs = settlesInMs(facts)
    if (leftMs === 0 || (same && Date.now() - before.sinceMs >= SETTLE_MS)) {
      unsettled.delete(name)
      if (readable) enlist(name, facts)
      else {
        catalog.remove(name)
        onProblem(`Cannot share ${join(root, name)}: it may not be read`)
      }
      return
    }
    // What was offered is no more, and what comes is not whole yet.
    catalog.remove(name)
    if (!same) unsettled.set(name, { identity, sinceMs: Date.now() })
    hint(name, leftMs)
  }

  function forgetFolder(folder: string): void {
    watched.leave(folder)
    for (const name of catalog.names()) if (name.startsWith(`${folder}/`)) catalog.remove(name)
  }

  return {
    /** Reads the folder once and follows it from then on. */
    async begin(): Promise<void> {
      await scan('')
      // Files that came just before us: who asks for the list now should not miss them.
      if (unsettled.size > 0) {
        await sleep(SETTLE_MS + 2 * GATHER_HINTS_MS, undefined, { signal, ref: false }).catch(() => undefined)
      }
      if (!signal.aborted) rescans = setInterval(() => hint(''), RESCAN_MS).unref()
    },
    async end(): Promise<void> {
      clearTimeout(timer)
      clearInterval(rescans)
      await looks.close()
      await working
      watched.close()
    }
  }
}
