import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, rmdir, statfs, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { P2pError } from '../errors.js'
import { PRIVATE_FOLDER } from '../streams/names.js'
import type { Cache, SharedFile, Source } from '../streams/ports.js'
import { createAnswers, notFound } from './answers.js'
import { checkContent, createGatherer, diskError } from './gather.js'
import { createSource } from './source.js'

/** Bytes kept unless said otherwise: a film or some thousand documents, and little of any disk. */
const DEFAULT_MAX_BYTES = 1024 ** 3

/** Files kept; each holds a descriptor, of which a process has 1,024 on many systems. */
const MAX_CACHED_FILES = 256

/** Bytes on their way in at a time, all together. Foreign peers do not say beforehand how much comes, and one could send for ever. */
const MAX_FOREIGN_BYTES = 64 * 1024 ** 3

export interface CacheOptions {
  /** A folder for the cache alone; made when first needed. */
  readonly dir: string
  /** Bytes kept, without those still arriving. A single larger file is kept until the next one comes. Default 1 GiB. */
  readonly maxBytes?: number
}

/** A {@link Cache} on the disk. */
export interface FolderCache extends Cache {
  /** Gives up what is arriving, and forgets everything. Opened files can still be read. */
  readonly close: () => Promise<void>
}

/** An entry is offered this long: its source may have changed since, and would not tell. */
const MAX_AGE_MS = 60_000

/** How often the room on the disk is looked at while a file of unknown size arrives. */
const CHECK_EVERY_BYTES = 64 * 1024 ** 2

interface Entry extends Pick<Parameters<typeof createSource>[0], 'handle' | 'stat'> {
  readonly file: SharedFile & { readonly root: string }
  /** The hashes of its pieces. */
  readonly layer: Uint8Array
  readonly untilMs: number
  /** Who holds the handle: the table, and each open source. */
  holders: number
}

/**
 * A cache of files that have no names on the disk: each is unlinked as soon as it is open, so that nothing is left of it
 * when the process ends, however it ends.
 */
export function createCache({ dir, maxBytes = DEFAULT_MAX_BYTES }: CacheOptions): FolderCache {
  /** Least recently used first. */
  const entries = new Map<string, Entry>()
  /** The last one that arrives, or waits to, by name. */
  const keeping = new Map<string, Promise<SharedFile>>()
  const stops = new Set<() => Promise<void>>()
  const { answer } = createAnswers((root) => Promise.resolve(rooted(root)?.layer))
  let keptBytes = 0
  let incomingBytes = 0
  let closed = false

  async function letGo(entry: Entry): Promise<void> {
    entry.holders -= 1
    if (entry.holders === 0) await entry.handle.close()
  }

  async function drop(name: string): Promise<void> {
    const entry = entries.get(name)
    if (entry === undefined) return
    entries.delete(name)
    keptBytes -= entry.file.size
    await letGo(entry)
  }

  async function makeRoom(): Promise<void> {
    for (const name of [...entries.keys()]) {
      if (keptBytes + incomingBytes <= maxBytes && entries.size < MAX_CACHED_FILES) return
      await drop(name)
    }
  }

  function touch(name: string): Entry | undefined {
    const entry = entries.get(name)
    if (entry === undefined) return undefined
    if (entry.untilMs < performance.now()) {
      drop(name).catch(() => undefined)
      return undefined
    }
    entries.delete(name)
    entries.set(name, entry)
    return entry
  }

  /** An entry with this content, whatever its name is. */
  function rooted(root: string): Entry | undefined {
    for (const [name, { file }] of entries) if (file.root === root) return touch(name)
    return undefined
  }

  function sourceOf(entry: Entry): Source {
    entry.holders += 1
    const { handle, stat, file } = entry
    return createSource({ name: file.name, handle, stat, root: file.root, close: () => letGo(entry) })
  }

  async function receive(
    name: string,
    bytes: AsyncIterable<Uint8Array>,
    expected?: { readonly size: number; readonly root?: string }
  ): Promise<SharedFile> {
    const handle = await openNameless()
    const gatherer = createGatherer(handle)
    const stop = async () => {
      await gatherer.stop()
      await handle.close()
    }
    stops.add(stop)
    let length = 0
    let checkedAt = 0
    try {
      await checkRoom(dir, name, expected?.size ?? 0)
      for await (const chunk of bytes) {
        if (closed) throw gone()
        length += chunk.length
        incomingBytes += chunk.length
        if (incomingBytes > MAX_FOREIGN_BYTES) {
          throw new P2pError('DISK', `${name} is longer than what is fetched for somebody else`)
        }
        if (expected !== undefined && length > expected.size) {
          throw new P2pError('INTEGRITY', `${name} has more than the ${expected.size} bytes that were offered`)
        }
        if (length - checkedAt >= CHECK_EVERY_BYTES) {
          checkedAt = length
          await checkRoom(dir, name, length)
        }
        await makeRoom()
        await onDisk(name, gatherer.append(chunk))
      }
      const root = await onDisk(name, gatherer.finish())
      if (expected !== undefined) checkContent(name, { size: length, root }, expected)
      const stat = await handle.stat({ bigint: true })
      await drop(name)
      await makeRoom()
      // From here on it is in the table, and no longer ours to close.
      if (closed) throw gone()
      stops.delete(stop)
      const file = { name, size: length, modifiedMs: Number(stat.mtimeMs), root }
      const untilMs = performance.now() + MAX_AGE_MS
      entries.set(name, { file, layer: gatherer.layer(), untilMs, handle, stat, holders: 1 })
      keptBytes += length
      return file
    } catch (error) {
      if (stops.delete(stop)) await stop()
      throw closed ? gone() : error
    } finally {
      incomingBytes -= length
    }
  }

  async function openNameless(): Promise<FileHandle> {
    if (closed) throw gone()
    const path = join(dir, `${randomBytes(16).toString('hex')}.cache`)
    try {
      await mkdir(dir, { recursive: true })
      const handle = await open(path, 'wx+')
      await unlink(path)
      return handle
    } catch (error) {
      throw diskError('to the cache', error)
    }
  }

  const keep: Cache['keep'] = (name, bytes, expected) => {
    const before = keeping.get(name)
    const mine = (async () => {
      const file = await before?.catch(() => undefined)
      const fits =
        expected === undefined || (file?.size === expected.size && (expected.root ?? file.root) === file.root)
      if (file === undefined || !fits) return receive(name, bytes, expected)
      // Lets the sender go, who is not read; how he takes it is of no concern.
      await Promise.resolve(bytes[Symbol.asyncIterator]().return?.()).catch(() => undefined)
      return file
    })()
    keeping.set(name, mine)
    const done = () => {
      if (keeping.get(name) === mine) keeping.delete(name)
    }
    mine.then(done, done)
    return mine
  }

  return {
    keep,
    find: (name) => touch(name)?.file,
    open(name) {
      const entry = touch(name)
      if (entry === undefined) return Promise.reject(new P2pError('NOT_FOUND', `Couldn't find the file ${name}`))
      return Promise.resolve(sourceOf(entry))
    },
    findRoot: (root) => rooted(root)?.file,
    openRoot(root) {
      const entry = rooted(root)
      return entry === undefined ? Promise.reject(notFound(root)) : Promise.resolve(sourceOf(entry))
    },
    async hashes(request) {
      const entry = rooted(request.root)
      if (entry === undefined) throw notFound(request.root)
      const source = sourceOf(entry)
      try {
        return await answer(source, request)
      } finally {
        await source.close()
      }
    },
    async close() {
      closed = true
      const running = [...stops]
      stops.clear()
      await Promise.all(running.map((stop) => stop()))
      for (const name of [...entries.keys()]) await drop(name)
      // Both succeed only when nothing else lies there.
      await rmdir(dir).catch(() => undefined)
      if (basename(dirname(dir)) === PRIVATE_FOLDER) await rmdir(dirname(dir)).catch(() => undefined)
    }
  }
}

/** What is fetched for somebody else may take half of what is free on the disk, not more. */
async function checkRoom(dir: string, name: string, sizeBytes: number): Promise<void> {
  const { bavail, bsize, blocks } = await statfs(dir).catch(() => ({ bavail: 0, bsize: 0, blocks: 0 }))
  // Some file systems do not tell.
  if (blocks === 0 || sizeBytes <= (bavail * bsize) / 2) return
  throw new P2pError('DISK', `There is no room to keep ${name} for somebody else`)
}

function gone(): P2pError {
  return new P2pError('CLOSED', 'The cache is closed')
}

/** Tells failures of the disk from those of the sender, which are passed on as they are. */
async function onDisk<T>(name: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw diskError(name, error)
  }
}
