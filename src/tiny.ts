/** Gets files out of a TinyP2P network: from each of its servers what fits and is not here yet. */
import { catchError, concat, concatMap, defer, from, mergeMap, Observable, of, switchMap } from 'rxjs'
import { asP2pError, type ErrorCode, P2pError } from './errors.js'
import { parsePeerUrl } from './options.js'
import { type Arrived, createArrivals } from './store/arrivals.js'
import { isPlainName } from './streams/names.js'
import type { PeerUrl } from './streams/ports.js'
import { failure, tinyContent, tinyList, tinyServers } from './transport/xmlrpc/tiny-client.js'

/** Servers asked at once. From each of them files come one after the other: it serves one call at a time. */
const CONCURRENT_SERVERS = 8
/** The longest file: such a server has it in memory as a whole, several times. */
const MAX_FILE_BYTES = 4 * 1024 ** 3
/** How long a server may say nothing: it may be sending somebody else a large file. */
const DEFAULT_TIMEOUT_MS = 15_000

/** What to get out of a TinyP2P network. */
export interface TinyOptions {
  /** One of its servers, spelt as the server was started: the password is hashed with it. */
  readonly url: PeerUrl
  readonly password: string
  /** As Python's `re.search` takes it; empty for everything. */
  readonly pattern: string
  /** Where the files go, and what is not fetched because it is there. */
  readonly dir: string
  /** How long a server may say nothing, in milliseconds. Default 15,000. */
  readonly timeoutMs?: number
}

/** What happens meanwhile. */
export type TinyEvent =
  /** A server has told what it has that fits. */
  | { readonly type: 'listed'; readonly url: PeerUrl; readonly files: number }
  | ({ readonly type: 'fetched'; readonly url: PeerUrl; readonly name: string } & Arrived)
  /** There is something of that name already. */
  | { readonly type: 'skipped'; readonly url: PeerUrl; readonly name: string }
  /** A server, or one of its files, could not be used; the others go on. */
  | {
      readonly type: 'failed'
      readonly url: PeerUrl
      readonly name?: string
      readonly code: ErrorCode
      readonly message: string
    }

/**
 * Gets all that fits, from all servers of the network. Cold; unsubscribing ends it. Errors with DENIED when the first server
 * does not take the password, with NETWORK or TIMEOUT when it cannot be reached, with FOLDER or DISK when files cannot be kept.
 */
export function fetchTiny(options: TinyOptions): Observable<TinyEvent> {
  return defer(() => {
    const url = parsePeerUrl(options.url)
    if (!url.startsWith('http:')) throw new P2pError('BAD_URL', `${url} is private, and TinyP2P speaks in the clear`)
    return withArrivals(options)
  })
}

function withArrivals({ url, password, pattern, dir, timeoutMs = DEFAULT_TIMEOUT_MS }: TinyOptions) {
  return new Observable<TinyEvent>((subscriber) => {
    const arrivals = createArrivals(dir)
    const abort = new AbortController()
    /** Of those under way or here already, whether they came: two servers may have the same name, and the first one is taken. */
    const coming = new Map<string, Promise<boolean>>()
    const callTo = (server: PeerUrl) => ({ server, password, waitMs: timeoutMs, signal: abort.signal })

    const one = async (server: PeerUrl, name: string): Promise<TinyEvent> => {
      if (!isPlainName(name) || name.includes('/'))
        throw new P2pError('BAD_NAME', `${server} has a file whose name is refused: ${JSON.stringify(name)}`)
      for (let other = coming.get(name); other !== undefined; other = coming.get(name)) {
        if (await other) return { type: 'skipped', url: server, name }
      }
      const fetching = fetchOne(server, name)
      const done = fetching.then(
        ({ type }) => type === 'fetched',
        () => false
      )
      coming.set(name, done)
      try {
        return await fetching
      } finally {
        coming.delete(name)
      }
    }

    const fetchOne = async (server: PeerUrl, name: string): Promise<TinyEvent> => {
      if (await arrivals.has(name)) return { type: 'skipped', url: server, name }
      const bytes = await tinyContent(callTo(server), name)
      try {
        return { type: 'fetched', url: server, name, ...(await arrivals.take(name, bytes, MAX_FILE_BYTES)) }
      } catch (error) {
        // Somebody else has put a file there meanwhile.
        if (error instanceof P2pError && error.code === 'EXISTS') return { type: 'skipped', url: server, name }
        throw failure(server, error)
      }
    }

    const fromServer = (server: PeerUrl): Observable<TinyEvent> =>
      defer(() => tinyList(callTo(server), pattern)).pipe(
        switchMap((names) =>
          concat(
            of<TinyEvent>({ type: 'listed', url: server, files: names.length }),
            from(names).pipe(
              concatMap((name) => defer(() => one(server, name)).pipe(catchError(orFailed(server, name))))
            )
          )
        ),
        catchError(orFailed(server))
      )

    let closing: Promise<void> | undefined
    /** What is being written ends with its connection. */
    const close = () => {
      abort.abort()
      closing ??= Promise.allSettled(coming.values()).then(arrivals.close)
      return closing
    }
    const work = defer(() => tinyServers(callTo(url)))
      .pipe(mergeMap((servers) => from(servers).pipe(mergeMap(fromServer, CONCURRENT_SERVERS))))
      .subscribe({
        next: (event) => subscriber.next(event),
        error: (error: unknown) => void close().then(() => subscriber.error(error)),
        complete: () => void close().then(() => subscriber.complete())
      })
    return () => {
      work.unsubscribe()
      void close()
    }
  })
}

/** One server, or one file, is not the end of it; a disk that takes no more is. */
function orFailed(url: PeerUrl, name?: string) {
  return (thrown: unknown): Observable<TinyEvent> => {
    const error = asP2pError(thrown)
    if (error.code === 'DISK' || error.code === 'FOLDER') throw error
    const { code, message } = error
    return of({ type: 'failed', url, ...(name === undefined ? {} : { name }), code, message })
  }
}
