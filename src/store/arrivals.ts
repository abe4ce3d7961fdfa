/** Files of unknown size from somebody who promises nothing: written while they come, and named when they are whole. */
import { lstat, open, rmdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { P2pError } from '../errors.js'
import { PRIVATE_FOLDER } from '../streams/names.js'
import { createGatherer, diskError } from './gather.js'
import { giveName } from './naming.js'
import { temporaryEntry } from './partial.js'
import { locate, rootOf } from './paths.js'
import { createPlaces } from './places.js'

export interface Arrived {
  readonly path: string
  readonly size: number
  /** The BEP 52 root of what came. */
  readonly root: string
}

export interface Arrivals {
  /** Whether something has that name already. Errors with BAD_NAME. */
  readonly has: (name: string) => Promise<boolean>
  /**
   * Puts the file beside what is there, never in its place. Errors with BAD_NAME, EXISTS, TOO_LARGE, DISK or FOLDER, and with
   * what the bytes say; then nothing is left of it.
   */
  readonly take: (name: string, bytes: AsyncIterable<Uint8Array>, maxBytes: number) => Promise<Arrived>
  readonly close: () => Promise<void>
}

/** Errors with FOLDER when `dir` is none. */
export function createArrivals(dir: string): Arrivals {
  const root = rootOf(dir)
  const places = createPlaces()

  return {
    has: async (name) => (await lstat(locate(root, name)).catch(() => undefined)) !== undefined,

    async take(name, bytes, maxBytes) {
      const path = locate(root, name)
      const entry = temporaryEntry(name)
      return await places.within(root, [PRIVATE_FOLDER], async (place) => {
        const part = place.at(entry)
        const handle = await open(part, 'wx').catch((error: unknown) => {
          throw diskError(name, error)
        })
        const gatherer = createGatherer(handle)
        try {
          for await (const chunk of bytes) {
            if (gatherer.length + chunk.length > maxBytes)
              throw new P2pError('TOO_LARGE', `${name} is longer than ${maxBytes} bytes`, {
                advice: 'Get it otherwise.'
              })
            await onDisk(name, gatherer.append(chunk))
          }
          const contentRoot = await onDisk(name, gatherer.finish())
          await onDisk(name, handle.datasync())
          await giveName(places, { root, name, from: part, ifExists: 'refuse' })
          return { path, size: gatherer.length, root: contentRoot }
        } finally {
          await gatherer.stop()
          await handle.close()
          // Under its own name it has a second one.
          await unlink(part).catch(() => undefined)
        }
      })
    },

    async close() {
      await places.release()
      // Succeeds only when nobody else has something there.
      await rmdir(join(root, PRIVATE_FOLDER)).catch(() => undefined)
    }
  }
}

async function onDisk<T>(name: string, work: Promise<T>): Promise<T> {
  return await work.catch((error: unknown) => {
    throw diskError(name, error)
  })
}
