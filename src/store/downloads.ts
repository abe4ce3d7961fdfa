import { rmdir, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { P2pError } from '../errors.js'
import { PRIVATE_FOLDER } from '../streams/names.js'
import type { Download, Downloads } from '../streams/ports.js'
import { createDownload } from './download.js'
import { PIECE_BYTES } from './merkle.js'
import { checkFree, checkName } from './naming.js'
import { openPartial, removeTemporary } from './partial.js'
import { rootOf } from './paths.js'
import { createPieces } from './pieces.js'
import { createPlaces } from './places.js'
import { createSmallDownload } from './small-download.js'

/** The hashes of its pieces are in memory while a file comes: of one of this size 64 MiB. An offer may say any size. */
const MAX_FILE_BYTES = 2 * 1024 ** 4

export interface DownloadsOptions {
  /** The shared folder, where the files go unless told otherwise. Has to exist when the first download begins. */
  readonly dir: string
  /** Told of a file in its place in that folder before `finish` resolves, so that whoever waits for it finds it listed. Must not reject. */
  readonly onPlaced?: (
    name: string,
    content: { readonly size: number; readonly root: string; readonly layer: Uint8Array }
  ) => Promise<void>
}

/** {@link Downloads} into a real folder. */
export interface FolderDownloads extends Downloads {
  /** Gives up what has not been finished, and keeps it for the next try; resolves when nothing runs any more. */
  readonly close: () => Promise<void>
}

/** Gathers files in the private folder of a share, and puts the whole ones in their places, each in one step. */
export function createDownloads({ dir, onPlaced }: DownloadsOptions): FolderDownloads {
  const pieces = createPieces()
  const places = createPlaces()
  const running = new Set<Download>()
  const beginning = new Set<Promise<Download>>()
  /** Folders that downloads went into, and whose private folders may be left. */
  const roots = new Set<string>()
  let closed = false
  /** A download that begins waits for it: its private folder would be removed under it. */
  let tidying: Promise<void> = Promise.resolve()

  const begin: Downloads['begin'] = async ({ name, size, root: contentRoot }, { ifExists, into }) => {
    if (closed) throw new P2pError('CLOSED', 'The peer is closed')
    if (size > MAX_FILE_BYTES) throw new P2pError('TOO_LARGE', `${name} is too large: it is said to have ${size} bytes`)
    const root = rootOf(into ?? dir)
    await tidying
    if (size > PIECE_BYTES) pieces.warm()
    const isSmall = size <= PIECE_BYTES && ifExists === 'refuse'
    if (isSmall) checkFree(root, name)
    else await checkName({ root, name, ifExists })
    roots.add(root)
    const common = {
      root,
      name,
      sizeBytes: size,
      contentRoot,
      pieces,
      places,
      placed: async (given: string, content: { size: number; root: string; layer: Uint8Array }) => {
        if (into === undefined) await onPlaced?.(given, content)
      }
    }
    if (isSmall) {
      const small = createSmallDownload({ ...common, ended: () => ended(small) })
      running.add(small)
      return small
    }
    const partial = await openPartial(places, { root, name, sizeBytes: size, contentRoot })
    try {
      // Before anything is made whose size is that of an offer. A small file finds out by itself.
      if (size > PIECE_BYTES) await checkRoom(root, name, size - partial.takenBytes)
    } catch (error) {
      await partial.close(partial.remains === undefined)
      throw error
    }
    const download: Download = createDownload({ ...common, ifExists, partial, ended: () => ended(download) })
    running.add(download)
    return download
  }

  function ended(download: Download): Promise<void> {
    running.delete(download)
    return tidy()
  }

  /** The last one closes the folders behind it, and takes the private ones along where nothing lies there. */
  function tidy(): Promise<void> {
    if (running.size > 0 || beginning.size > 0) return tidying
    tidying = tidying.then(removeFolders)
    return tidying
  }

  async function removeFolders(): Promise<void> {
    const left = [...roots]
    roots.clear()
    await places.release()
    await Promise.all(left.map(removeFolder))
  }

  async function removeFolder(root: string): Promise<void> {
    const path = join(root, PRIVATE_FOLDER)
    const isKept = await rmdir(path).then(
      () => false,
      (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOTEMPTY'
    )
    if (!isKept) return
    // Perhaps it is what a killed process left that keeps it there.
    await places.within(root, [PRIVATE_FOLDER], removeTemporary).catch(() => undefined)
    await places.release()
    await rmdir(path).catch(() => undefined)
  }

  return {
    async begin(offer, options) {
      const begun = begin(offer, options)
      beginning.add(begun)
      try {
        return await begun
      } catch (error) {
        beginning.delete(begun)
        await tidy()
        throw error
      } finally {
        beginning.delete(begun)
      }
    },
    async close() {
      closed = true
      await Promise.allSettled(beginning)
      await Promise.all([...running].map((download) => download.abandon()))
      await pieces.close()
      await tidy()
    }
  }
}

async function checkRoom(root: string, name: string, sizeBytes: number): Promise<void> {
  const { bavail, bsize, blocks } = await statfs(root).catch(() => ({ bavail: 0, bsize: 0, blocks: 0 }))
  // Some file systems do not tell.
  if (blocks === 0 || sizeBytes <= bavail * bsize) return
  throw new P2pError('DISK', `Cannot write ${name}: it needs ${sizeBytes} bytes, and the disk has ${bavail * bsize}`)
}
