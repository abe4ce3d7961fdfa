import type { BigIntStats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { P2pError } from '../errors.js'
import type { HashRequest, Library, SharedFile, Source } from '../streams/ports.js'
import { createAnswers, notFound } from './answers.js'
import { createCatalog, MAX_SHARED_FILES } from './catalog.js'
import { followFolder, settlesInMs } from './follow.js'
import { createHashIndex } from './hash-index.js'
import { createHashing } from './hashing.js'
import { type Facts, factsOf } from './looks.js'
import { isSpeltSo, locate, openInside, rootOf } from './paths.js'
import { createRecentFiles, type RecentFile, SMALL_BYTES, sourceOf } from './recent.js'
import { createSearch } from './search.js'
import { createSource, identityOf, whole } from './source.js'
import type { State } from './state.js'

/** Different problems told to the owner; a folder of thousands of broken ones should not fill the terminal. */
const MAX_PROBLEMS = 100

export interface LibraryOptions {
  /** The shared folder. Has to exist when `start` is called. */
  readonly dir: string
  /** Hears, once each, of what keeps files from being shared. Nothing is done with it when absent. */
  readonly onProblem?: (problem: P2pError) => void
  /** Gives the state that is open while the library is; asked for once, by `start`. Without, hashes are forgotten at the end. */
  readonly state?: () => Promise<State>
  /** Whether others may look for what is in the files. Default: for their names only. */
  readonly searchContent?: boolean
}

/** The library of a real folder. Whatever it lists, the disk has the last word: `find` and `open` look there. */
export interface FolderLibrary extends Library {
  /** Begins to read and to watch the folder; resolves when all of it has been seen once. `find` and `open` do not have to wait for it. Errors with FOLDER. */
  readonly start: () => Promise<void>
  /** Offers a file that has just been put in place, at once and without hashing it again. */
  readonly adopt: (name: string, known: KnownContent) => Promise<void>
  /** Stops watching and hashing; opened files can still be read. */
  readonly close: () => Promise<void>
}

/** What was learnt of a content while it arrived. */
interface KnownContent {
  readonly size: number
  readonly root: string
  /** The hashes of its pieces; empty for one piece or less. A longer file is hashed again without. */
  readonly layer?: Uint8Array
}

interface Opened {
  readonly handle: FileHandle
  readonly stat: BigIntStats
}

export function createLibrary({
  dir,
  onProblem = () => undefined,
  state,
  searchContent = false
}: LibraryOptions): FolderLibrary {
  const catalog = createCatalog()
  const stop = new AbortController()
  const recent = createRecentFiles()
  const looks = new Map<string, Promise<RecentFile | undefined>>()
  // Whoever changes a file shall not wait for what is remembered to expire.
  catalog.change$.subscribe(({ name }) => recent.drop(name))
  const known = createHashIndex()
  const { answer } = createAnswers(known.layer)
  const told = new Set<string>()
  let folder: ReturnType<typeof openFolder> | undefined
  const searching = createSearch({ catalog, root: () => theFolder().root, searchContent })

  // The folder may be made after the library: it is looked for when first needed.
  const theFolder = () => (folder ??= openFolder(rootOf(dir)))

  function openFolder(root: string) {
    const hashing = createHashing({
      root,
      isKnown: (name) => catalog.get(name)?.root !== undefined,
      onHashed(name, { identity, root: contentRoot, layer }) {
        known.remember(identity, contentRoot, layer)
        const entry = catalog.get(name)
        if (entry?.identity === identity) catalog.put({ ...entry, root: contentRoot })
      }
    })
    const following = followFolder({
      root,
      catalog,
      enlist,
      onOverwritten: known.drop,
      onProblem: problem,
      signal: stop.signal
    })
    return { root, hashing, following }
  }

  function problem(message: string, cause?: unknown): void {
    if (told.has(message) || told.size >= MAX_PROBLEMS) return
    told.add(message)
    onProblem(new P2pError('FOLDER', message, { cause }))
  }

  function enlist(name: string, { identity, size, modifiedMs }: Facts): void {
    const root = known.root(identity)
    const file = { name, size, modifiedMs, identity }
    if (!catalog.put(root === undefined ? file : { ...file, root })) {
      problem(`Only ${MAX_SHARED_FILES} files are listed; the others are found by their names only`)
    } else if (root === undefined) theFolder().hashing.add(name, file.size)
  }

  const pause = (ms: number) => sleep(ms, undefined, { signal: stop.signal, ref: false }).catch(() => undefined)

  /** Opens a file that is whole; one that changed a moment ago is given the time to show it. */
  async function openWhole(name: string): Promise<Opened | undefined> {
    const { root } = theFolder()
    const first = await openOnce(root, name)
    if (first === undefined) return undefined
    if (catalog.get(name)?.identity === identityOf(first.stat)) return first
    const exact = await isSpeltSo(root, name, first.stat)
    const leftMs = settlesInMs(factsOf(first.stat))
    if (exact && leftMs === 0) {
      enlist(name, factsOf(first.stat))
      return first
    }
    await first.handle.close()
    if (!exact) return undefined
    await pause(leftMs)
    const second = await openOnce(root, name)
    if (second === undefined) return undefined
    if (identityOf(second.stat) === identityOf(first.stat)) {
      enlist(name, factsOf(second.stat))
      return second
    }
    await second.handle.close()
    return undefined
  }

  const shared = ({ name, size, modifiedMs, identity }: RecentFile): SharedFile => {
    const root = known.root(identity)
    return { name, size, modifiedMs, ...(root === undefined ? {} : { root }) }
  }

  /** One look at the disk at a time for each name, whoever else asks for it meanwhile. */
  function look(name: string): Promise<RecentFile | undefined> {
    const seen = recent.get(name)
    if (seen !== undefined) return Promise.resolve(seen === 'absent' ? undefined : seen)
    let looking = looks.get(name)
    if (looking === undefined) {
      looking = lookAt(name).finally(() => looks.delete(name))
      looks.set(name, looking)
    }
    return looking
  }

  async function lookAt(name: string): Promise<RecentFile | undefined> {
    const opened = await openWhole(name)
    if (opened === undefined) {
      recent.putAbsent(name)
      return undefined
    }
    const { handle, stat } = opened
    const source = createSource({ name, handle, stat, root: undefined, close: () => handle.close() })
    try {
      const file: RecentFile = {
        name,
        size: source.size,
        modifiedMs: Number(stat.mtimeMs),
        identity: identityOf(stat),
        etag: source.etag,
        ...(source.size > SMALL_BYTES ? {} : { bytes: await whole(source) })
      }
      recent.put(file)
      if (known.root(file.identity) === undefined) void theFolder().hashing.want(name)
      return file
    } finally {
      await source.close()
    }
  }

  async function find(name: string): Promise<SharedFile | undefined> {
    const file = await look(name)
    return file === undefined ? undefined : shared(file)
  }

  async function open(name: string): Promise<Source> {
    // Says what is wrong with a bad name; one that was seen is none.
    if (recent.get(name) === undefined) locate('', name)
    const file = await look(name)
    if (file?.bytes !== undefined) return sourceOf(file, file.bytes, known.root(file.identity))
    const opened = file === undefined ? undefined : await openWhole(name)
    if (opened === undefined) throw new P2pError('NOT_FOUND', `Couldn't find the file ${name}`)
    const { handle, stat } = opened
    return createSource({ name, handle, stat, root: known.root(identityOf(stat)), close: () => handle.close() })
  }

  async function findRoot(root: string): Promise<SharedFile | undefined> {
    for (const name of catalog.named(root)) {
      const file = await find(name)
      if (file?.root === root) return file
    }
    return undefined
  }

  async function openRoot(root: string): Promise<Source> {
    for (const name of catalog.named(root)) {
      const source = await open(name).catch(() => undefined)
      if (source?.root === root) return source
      await source?.close()
    }
    throw notFound(root)
  }

  async function hashes(request: HashRequest): Promise<Uint8Array> {
    const source = await openRoot(request.root)
    try {
      return await answer(source, request)
    } finally {
      await source.close()
    }
  }

  async function rootOfName(name: string, waitMs: number): Promise<string | undefined> {
    const file = await find(name)
    if (file === undefined) {
      locate('', name)
      throw new P2pError('NOT_FOUND', `Couldn't find the file ${name}`)
    }
    if (file.root !== undefined || waitMs <= 0) return file.root
    const enough = new AbortController()
    try {
      await Promise.race([
        theFolder().hashing.want(name),
        sleep(waitMs, undefined, { signal: AbortSignal.any([enough.signal, stop.signal]) }).catch(() => undefined)
      ])
    } finally {
      enough.abort()
    }
    return (await find(name))?.root
  }

  async function adopt(name: string, { size, root: contentRoot, layer }: KnownContent): Promise<void> {
    const { root } = theFolder()
    const opened = await openOnce(root, name)
    if (opened === undefined) return
    await opened.handle.close()
    // Somebody may have put another one there since.
    if (Number(opened.stat.size) !== size) return
    recent.drop(name)
    known.remember(identityOf(opened.stat), contentRoot, layer)
    enlist(name, factsOf(opened.stat))
  }

  let started: Promise<void> | undefined
  async function begin(): Promise<void> {
    const { following } = theFolder()
    if (state !== undefined) await known.attach(await state())
    await following.begin()
    catalog.announce()
    if (!stop.signal.aborted) await known.tidy(catalog.identities())
  }

  return {
    file$: catalog.file$,
    change$: catalog.change$,
    list: catalog.list,
    find,
    open,
    findRoot,
    openRoot,
    hashes,
    rootOf: rootOfName,
    search: searching.search,
    adopt,
    start: () => (started ??= begin()),
    async close() {
      stop.abort()
      await started?.catch(() => undefined)
      await Promise.all([folder?.following.end(), folder?.hashing.close(), searching.close()])
      await known.close()
      catalog.close()
    }
  }
}

async function openOnce(root: string, name: string): Promise<Opened | undefined> {
  const handle = await openInside(root, name)
  if (handle === undefined) return undefined
  try {
    return { handle, stat: await handle.stat({ bigint: true }) }
  } catch (error) {
    await handle.close()
    throw error
  }
}
