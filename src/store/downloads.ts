import { randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { type FileHandle, link, lstat, open, rename, rmdir, statfs, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { P2pError } from '../errors.js'
import { PRIVATE_FOLDER } from '../streams/names.js'
import type { Download, Downloads } from '../streams/ports.js'
import { checkContent, createGatherer, diskError } from './gather.js'
import { locate, openPlace, type Place, rootOf } from './paths.js'

/** Tries to open a temporary file: the private folder goes when the last download ends, perhaps just now. */
const MAX_OPEN_TRIES = 10

export interface DownloadsOptions {
  /** The shared folder, where the files go. Has to exist when the first download begins. */
  readonly dir: string
  /** Told of a file in its place before `finish` resolves, so that whoever waits for it finds it listed. Must not reject. */
  readonly onPlaced?: (name: string, content: { readonly size: number; readonly root: string }) => Promise<void>
}

/** {@link Downloads} into a real folder. */
export interface FolderDownloads extends Downloads {
  /** Gives up what has not been finished; resolves when no temporary file is left. */
  readonly close: () => Promise<void>
}

/** Gathers files in the private folder of a share, and puts the whole ones in their places, each in one step. */
export function createDownloads({ dir, onPlaced }: DownloadsOptions): FolderDownloads {
  const running = new Set<Download>()
  const beginning = new Set<Promise<Download>>()
  let closed = false
  const begin: Downloads['begin'] = async ({ name, size }, { overwrite }) => {
    if (closed) throw new P2pError('CLOSED', 'The peer is closed')
    const root = rootOf(dir)
    await checkPlace(root, name, overwrite)
    await checkRoom(root, name, size)
    const { place, entry, handle } = await openTemporary(root, name)
    const download = createDownload({
      root,
      name,
      overwrite,
      place,
      entry,
      handle,
      onPlaced,
      ended: () => running.delete(download)
    })
    running.add(download)
    return download
  }
  return {
    begin(offer, options) {
      const begun = begin(offer, options)
      beginning.add(begun)
      const over = () => void beginning.delete(begun)
      begun.then(over, over)
      return begun
    },
    async close() {
      closed = true
      await Promise.allSettled(beginning)
      await Promise.all([...running].map((download) => download.abandon()))
    }
  }
}

interface DownloadInit {
  readonly root: string
  readonly name: string
  readonly overwrite: boolean
  /** The private folder, and the file's name in it. */
  readonly place: Place
  readonly entry: string
  readonly handle: FileHandle
  readonly onPlaced: DownloadsOptions['onPlaced']
  /** Called when nothing is left of it but the finished file. */
  readonly ended: () => void
}

function createDownload(init: DownloadInit): Download {
  const { root, name, overwrite, place, entry, handle, onPlaced, ended: tellEnded } = init
  let gatherer = createGatherer(handle)
  let ended: Promise<void> | undefined

  async function end(): Promise<void> {
    await gatherer.stop()
    await handle.close()
    await unlink(place.at(entry)).catch(() => undefined)
    await place.close()
    // Succeeds for the last one only, as long as nothing else lies there.
    await rmdir(join(root, PRIVATE_FOLDER)).catch(() => undefined)
    tellEnded()
  }

  async function orDiskError<T>(work: () => Promise<T>): Promise<T> {
    if (ended !== undefined) throw new P2pError('CLOSED', `The download of ${name} has ended`)
    try {
      return await work()
    } catch (error) {
      throw diskError(name, error)
    }
  }

  return {
    get length() {
      return gatherer.length
    },
    append: (chunk) => orDiskError(() => gatherer.append(chunk)),
    rewind: () =>
      orDiskError(async () => {
        await gatherer.stop()
        await handle.truncate(0)
        gatherer = createGatherer(handle)
      }),
    finish: (expected) =>
      orDiskError(async () => {
        const contentRoot = await gatherer.finish()
        checkContent(name, { size: gatherer.length, root: contentRoot }, expected)
        // The content before the name: after a power cut there must not be a name without it.
        await handle.sync()
        const path = locate(root, name)
        const parts = name.split('/')
        const target = await openPlace(root, parts.slice(0, -1))
        try {
          const goal = target.at(parts.at(-1) ?? '')
          if (overwrite) await putOver(place.at(entry), goal, path)
          else await putBeside(place.at(entry), goal, name)
          await target.sync()
        } finally {
          await target.close()
        }
        await (ended ??= end())
        await onPlaced?.(name, { size: expected.size, root: contentRoot })
        return { path, root: contentRoot }
      }),
    abandon: () => (ended ??= end())
  }
}

/** Says early what `finish` would find out late. Makes nothing. */
async function checkPlace(root: string, name: string, overwrite: boolean): Promise<void> {
  const path = locate(root, name)
  for (let folder = dirname(path); folder.length > root.length; folder = dirname(folder)) {
    const found = await lookAt(folder)
    if (found !== undefined && !found.isDirectory()) {
      throw new P2pError('FOLDER', `Cannot put files into ${folder}: it is a link, or not a folder`)
    }
  }
  const found = await lookAt(path)
  if (found === undefined) return
  if (!overwrite) throw exists(name)
  if (!found.isFile()) throw notAFile(path)
}

async function lookAt(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // ENOTDIR: a file is on the way, which the folder above will say.
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new P2pError('FOLDER', `Cannot put a file at ${path}: ${(error as Error).message}`, { cause: error })
  }
}

async function checkRoom(root: string, name: string, size: number): Promise<void> {
  const { bavail, bsize, blocks } = await statfs(root).catch(() => ({ bavail: 0, bsize: 0, blocks: 0 }))
  // Some file systems do not tell.
  if (blocks === 0 || size <= bavail * bsize) return
  throw new P2pError('DISK', `Cannot write ${name}: it has ${size} bytes, and the disk has room for ${bavail * bsize}`)
}

async function openTemporary(root: string, name: string): Promise<Pick<DownloadInit, 'place' | 'entry' | 'handle'>> {
  const entry = `${randomBytes(16).toString('hex')}.part`
  for (let tries = 1; ; tries++) {
    let place: Place | undefined
    try {
      place = await openPlace(root, [PRIVATE_FOLDER])
      return { place, entry, handle: await open(place.at(entry), 'wx') }
    } catch (error) {
      await place?.close()
      if (tries === MAX_OPEN_TRIES) throw diskError(name, error)
    }
  }
}

async function putOver(from: string, goal: string, path: string): Promise<void> {
  // A rename would take the place of a link, but then the file would not be where the owner had put it.
  const found = await lookAt(goal)
  if (found !== undefined && !found.isFile()) throw notAFile(path)
  await rename(from, goal)
}

// File systems without hard links: FAT says EPERM, others one of the rest.
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EACCES'])

/** Gives the file its name unless the name is taken, in one step: of many at once, one wins. */
async function putBeside(from: string, goal: string, name: string): Promise<void> {
  try {
    await link(from, goal)
    return
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (code === 'EEXIST') throw exists(name)
    if (!NO_LINKS.has(code)) throw error
  }
  try {
    // Takes the name first, so that the rename goes over nothing but our own empty file.
    await (await open(goal, 'wx')).close()
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'EEXIST' ? exists(name) : error
  }
  await rename(from, goal)
}

function exists(name: string): P2pError {
  return new P2pError('EXISTS', `There is a ${name} already`)
}

function notAFile(path: string): P2pError {
  return new P2pError('FOLDER', `Cannot replace ${path}: it is not a file`)
}
