/** What we have ourselves, in the share or in the cache, or pass on, and the ways to it: for neighbours, and for our own downloads. */
import { catchError, defer, firstValueFrom, map, type Observable, of } from 'rxjs'
import { asP2pError } from './errors.js'
import type { FolderCache } from './store/cache.js'
import type { FolderLibrary } from './store/library.js'
import type { Sources } from './streams/download.js'
import { readOpened } from './streams/local-read.js'
import { createPassOn } from './streams/pass-on.js'
import type {
  HashesOutcome,
  HashRequest,
  Inbound,
  PeerUrl,
  Question,
  RootOutcome,
  SharedFile,
  Transport
} from './streams/ports.js'

export interface ContentInit {
  readonly library: FolderLibrary
  readonly cache: FolderCache
  readonly transport: Transport
  readonly ownUrl: () => PeerUrl
}

export function createContent({ library, cache, transport, ownUrl }: ContentInit) {
  const passOn = createPassOn({ ...transport, ownUrl })
  const served: Pick<Inbound, 'open' | 'openShared' | 'openRoot' | 'hashes' | 'rootOf'> = {
    openShared: library.open,
    open: async (name) =>
      cache.find(name) !== undefined && (await library.find(name)) === undefined
        ? cache.open(name)
        : library.open(name),
    async openRoot(root, passed = false) {
      if (cache.findRoot(root) !== undefined) return cache.openRoot(root)
      return library.openRoot(root).catch(orPassed(() => (passed ? undefined : passOn.open(root))))
    },
    async hashes(request) {
      if (cache.findRoot(request.root) !== undefined) return cache.hashes(request)
      const passed = () =>
        request.passed === true ? undefined : firstValueFrom(passOn.hashes(request), { defaultValue: undefined })
      return library.hashes(request).catch(orPassed(passed))
    },
    rootOf: async (name, waitMs) => {
      const kept = cache.find(name)
      return kept === undefined || (await library.find(name)) !== undefined ? library.rootOf(name, waitMs) : kept.root
    }
  }

  const gone = () => of({ type: 'gone' as const })
  const ownHashes = (request: HashRequest): Observable<HashesOutcome> =>
    defer(() => served.hashes(request)).pipe(
      map((bytes): HashesOutcome => ({ type: 'hashes', bytes })),
      catchError(gone)
    )
  const ownRoot = (name: string, waitMs: number): Observable<RootOutcome> =>
    defer(async (): Promise<RootOutcome> => {
      const root = await served.rootOf(name, waitMs)
      const size = ((await library.find(name)) ?? cache.find(name))?.size
      return root === undefined || size === undefined ? { type: 'unknown' } : { type: 'root', root, size }
    }).pipe(catchError(gone))

  /** What a foreign neighbour sent is in our cache, and what we share ourselves need not be sent: we are its holder then. */
  const sources: Pick<Sources, 'read' | 'hashes' | 'rootOf'> = {
    read: (holder, request) => (holder === ownUrl() ? readOpened(served, request) : transport.read(holder, request)),
    hashes: (holder, request) => (holder === ownUrl() ? ownHashes(request) : transport.hashes(holder, request)),
    rootOf: (holder, name, waitMs) =>
      holder === ownUrl() ? ownRoot(name, waitMs) : transport.rootOf(holder, name, waitMs)
  }

  async function find({ name = '', root }: Partial<Question>, elsewhere = false): Promise<SharedFile | undefined> {
    if (root !== undefined) return (await library.findRoot(root)) ?? cache.findRoot(root)
    return elsewhere ? undefined : ((await library.find(name)) ?? cache.find(name))
  }

  return { served, sources, find, passOn }
}

/** Of what is not here, what others have; where they have not either, it stays said that it is not here. */
function orPassed<T>(passed: () => T | undefined | Promise<T | undefined>) {
  return async (error: unknown): Promise<T> => {
    const other = asP2pError(error).code === 'NOT_FOUND' ? await passed() : undefined
    if (other === undefined) throw error
    return other
  }
}
