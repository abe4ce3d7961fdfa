/**
 * Folders that are held open while files are put into them. Many small files go into the same few folders, and to open one
 * safely takes a dozen looks at the disk; one that is open already is only asked whether it is still where it was.
 */
import { openPlace, type Place } from './paths.js'

/** Folders nobody uses at the moment that stay open: a tree is filled folder by folder. */
const MAX_IDLE = 8

/** How long a folder that was seen to be where it belongs is not looked at again. */
const TRUSTED_MS = 250

/** The folder was removed under the work, which may be tried once more in a new one. */
class Gone extends Error {
  readonly code = 'ENOENT'

  constructor(cause: unknown) {
    super('The folder has been removed', { cause })
  }
}

interface Held {
  readonly opening: Promise<Place>
  users: number
  seenMs: number
}

export interface Places {
  /** Runs `work` with the folder below `root` that the parts lead to, made when missing. Errors with FOLDER. */
  readonly within: <T>(root: string, parts: readonly string[], work: (place: Place) => Promise<T>) => Promise<T>
  /** Lets go of all folders nobody uses. */
  readonly release: () => Promise<void>
}

export function createPlaces(): Places {
  /** The one used last comes last. */
  const held = new Map<string, Held>()

  async function enter(key: string, root: string, parts: readonly string[]): Promise<Held> {
    const known = held.get(key)
    if (known !== undefined) {
      known.users += 1
      held.delete(key)
      held.set(key, known)
      if (await isThere(known)) return known
      // Moved, removed or replaced: whoever still uses it keeps it, and closes it in the end.
      if (held.get(key) === known) held.delete(key)
      await leave(key, known)
    }
    const opened: Held = { opening: openPlace(root, parts), users: 1, seenMs: performance.now() }
    held.set(key, opened)
    try {
      await opened.opening
    } catch (error) {
      if (held.get(key) === opened) held.delete(key)
      throw error
    }
    return opened
  }

  async function isThere(one: Held): Promise<boolean> {
    if (performance.now() - one.seenMs < TRUSTED_MS) return true
    const there = await one.opening.then((place) => place.isThere()).catch(() => false)
    if (there) one.seenMs = performance.now()
    return there
  }

  async function leave(key: string, used: Held): Promise<void> {
    used.users -= 1
    if (used.users > 0) return
    if (held.get(key) !== used) await close(used)
    const idle = [...held].filter(([, { users }]) => users === 0)
    for (const [oldest, one] of idle.slice(0, -MAX_IDLE)) {
      held.delete(oldest)
      await close(one)
    }
  }

  async function withPlace<T>(root: string, parts: readonly string[], work: (place: Place) => Promise<T>): Promise<T> {
    const key = [root, ...parts].join('/')
    const entered = await enter(key, root, parts)
    try {
      return await work(await entered.opening)
    } catch (error) {
      // It was trusted without a look, and has been removed meanwhile: what is held is of no use to anybody.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      entered.seenMs = Number.NEGATIVE_INFINITY
      if (await isThere(entered)) throw error
      if (held.get(key) === entered) held.delete(key)
      throw new Gone(error)
    } finally {
      await leave(key, entered)
    }
  }

  async function close({ opening }: Held): Promise<void> {
    await opening.then((place) => place.close()).catch(() => undefined)
  }

  return {
    async within(root, parts, work) {
      try {
        return await withPlace(root, parts, work)
      } catch (error) {
        if (!(error instanceof Gone)) throw error
        return await withPlace(root, parts, work)
      }
    },
    async release() {
      for (const [key, one] of [...held]) {
        if (one.users > 0) continue
        held.delete(key)
        await close(one)
      }
    }
  }
}
