/**
 * The composition root: the one file that knows every room. It builds the actors, hands them the world through
 * their ports, and owns all that runs: what it starts, `close` stops.
 */
import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import { join } from 'node:path'
import {
  asyncScheduler,
  catchError,
  defer,
  EMPTY,
  expand,
  filter,
  firstValueFrom,
  from,
  map,
  merge,
  NEVER,
  type Observable,
  of,
  ReplaySubject,
  Subject,
  switchMap,
  take,
  takeUntil,
  throwError
} from 'rxjs'
import { asP2pError, type ErrorCode, P2pError } from './errors.js'
import { completeOptions, type PeerOptions, parsePeerUrl } from './options.js'
import { createCache } from './store/cache.js'
import { createDownloads } from './store/downloads.js'
import { prepareFolder } from './store/folder.js'
import { createLibrary } from './store/library.js'
import { createBudget } from './streams/budget.js'
import { askablePeers, createDirectory, type KnownPeer, knownPeers } from './streams/directory.js'
import type { Happening, PeerEvent } from './streams/events.js'
import { isPlainName } from './streams/names.js'
import type {
  FileList,
  Inbound,
  Offer,
  Outcome,
  PeerUrl,
  ReadOutcome,
  ReadRequest,
  SharedFile,
  Source
} from './streams/ports.js'
import { createQuery } from './streams/query.js'
import { createRelay } from './streams/relay.js'
import { createTransfer, type Progress } from './streams/transfer.js'
import { peerKey } from './streams/urls.js'
import { createHttpTransport } from './transport/http/transport.js'

/** The private folder inside the share: unfinished files and the cache, on the same file system, never listed. */
const PRIVATE_FOLDER = '.p2p-rx'

/** A running peer. Its Observables are cold, and unsubscribing stops the work, except `event$`, `peers$` and `shared$`. */
export interface Peer {
  /** All that happens, from the moment of subscription on. Completes after `closed`. */
  readonly event$: Observable<PeerEvent>
  /** Whom we know; replays the present value. */
  readonly peers$: Observable<readonly KnownPeer[]>
  /** What we share; replays the present value. */
  readonly shared$: Observable<readonly SharedFile[]>
  /**
   * Resolves with the announced URL once neighbours can reach us (for a visitor, with an empty string).
   * Rejects with FOLDER, PORT_IN_USE, OWN_ALIAS or NETWORK when the peer could not start; it is closed then.
   */
  readonly ready: () => Promise<PeerUrl>
  /** Introduces us to a peer and emits it once it answered. Errors with BAD_URL, OWN_ALIAS, BUSY, NETWORK or TIMEOUT. */
  readonly hello: (url: PeerUrl) => Observable<KnownPeer>
  /** Asks for a file by name and emits the first offer. Errors with BAD_NAME, NOT_FOUND or CLOSED. */
  readonly query: (name: string) => Observable<Offer>
  /**
   * Finds a file and brings it into the folder. Emits progress, the last one with `path` and `root`.
   * Errors with BAD_NAME, NOT_FOUND, EXISTS, INTEGRITY, DISK, NETWORK, UNFINISHED, BUSY or CLOSED.
   */
  readonly fetch: (name: string, options?: { readonly overwrite?: boolean }) => Observable<Progress>
  /** What another p2p-rx peer shares, page by page in byte order of the names. Errors with BAD_URL or NETWORK. */
  readonly list: (url: PeerUrl) => Observable<readonly SharedFile[]>
  /** Lets running fetches finish, then stops serving and lets go of everything. */
  readonly close: () => Promise<void>
  /** Lets go of everything at once. */
  readonly destroy: () => Promise<void>
}

/**
 * Starts a peer.
 *
 * @example
 * ```ts
 * const peer = createPeer({ dir: 'files', url: 'http://127.0.0.1:4242', peers: ['http://127.0.0.1:4243'] })
 * peer.fetch('notes.txt').subscribe({
 *   next: ({ bytes, total }) => console.log(`${bytes} of ${total} bytes`),
 *   complete: () => console.log('here')
 * })
 * // 0 of 12 bytes
 * // 12 of 12 bytes
 * // here
 * ```
 */
export function createPeer(given: PeerOptions): Peer {
  const options = completeOptions(given)
  const { dir, peers, visitor, queryTimeoutMs } = options
  const scheduler = asyncScheduler
  const stop$ = new Subject<void>()
  /** Just before `stop$`: whoever waits hears why, instead of a completion that looks like success. */
  const ending$ = new Subject<P2pError>()
  const happening$ = new Subject<Happening>()
  const started$ = new ReplaySubject<PeerUrl>(1)
  let ownUrl: PeerUrl = ''

  const library = visitor ? NOTHING_SHARED : createLibrary({ dir })
  const downloads = createDownloads({ dir })
  const cache = createCache({ dir: join(dir, PRIVATE_FOLDER, 'cache') })
  const transport = options.transport ?? createHttpTransport({ ...options, cache, introduce: !visitor })
  const budget = createBudget()

  const directory = createDirectory({ hello: (url) => budget(transport.hello(url)), scheduler, stop$ })
  const query = createQuery({
    ask: (url, question) => budget(transport.ask(url, question)),
    find: async (name, elsewhere) => (elsewhere ? undefined : await library.find(name)) ?? cache.find(name),
    neighbours: () => askablePeers(directory.state()),
    report: (url, reason) => directory.send({ type: 'fail', url, reason }),
    newId: randomUUID,
    concurrency: options.concurrency,
    scheduler,
    stop$
  })
  const askOurselves = (name: string, elsewhere: boolean): Observable<Outcome> =>
    query
      .ask({
        question: { name, history: [], asking: [], deadlineMs: queryTimeoutMs },
        as: ownUrl,
        own: true,
        elsewhere
      })
      .pipe(filter(({ type }) => type !== 'answering'))
  const open = async (name: string): Promise<Source> =>
    cache.find(name) !== undefined && (await library.find(name)) === undefined ? cache.open(name) : library.open(name)
  const read = (holder: PeerUrl, request: ReadRequest): Observable<ReadOutcome> =>
    holder === ownUrl ? readCached(request) : transport.read(holder, request)
  // What a foreign neighbour sent is in our cache: we are its holder ourselves.
  const readCached = ({ name, start, end }: ReadRequest): Observable<ReadOutcome> =>
    defer(() => cache.open(name)).pipe(
      map((source): ReadOutcome => {
        return { type: 'body', size: source.size, start, etag: source.etag, bytes: closing(source, start, end) }
      }),
      catchError(() => of<ReadOutcome>({ type: 'gone' }))
    )
  const transfer = createTransfer({
    locate: (name) =>
      askOurselves(name, true).pipe(map((outcome) => (outcome.type === 'offered' ? outcome.offer : missed(name)))),
    read,
    downloads,
    scheduler,
    stop$
  })

  const inbound: Inbound = {
    introduced: (url) => directory.send({ type: 'introduce', url, told: false }),
    asked: (question, as) => query.ask({ question, as, own: false }),
    askedForContent: createRelay({ ask: (question, as) => query.ask({ question, as, own: false }), open, read, cache }),
    askedToFetch: (name, secret) =>
      defer(async () => {
        if (!isSecret(secret, options.fetchSecret)) return of('denied' as const)
        if ((await library.find(name)) !== undefined) return of('done' as const)
        return fetchOnBehalf(name)
      }).pipe(switchMap((result$) => result$)),
    open,
    list: (after) => library.list(after)
  }
  const fetchOnBehalf = (name: string): Observable<'done' | 'missed' | 'denied' | 'failed'> =>
    peer.fetch(name).pipe(
      filter(({ path }) => path !== undefined),
      map(() => 'done' as const),
      catchError((error: unknown) => {
        const { code } = asP2pError(error)
        return of(
          code === 'NOT_FOUND' ? ('missed' as const) : code === 'BAD_NAME' ? ('denied' as const) : ('failed' as const)
        )
      })
    )

  const event$ = new Subject<PeerEvent>()
  merge(happening$, directory.event$, query.event$, transfer.event$, library.change$)
    .pipe(
      map((happening): PeerEvent => ({ ...happening, at: new Date().toISOString(), v: 1 })),
      takeUntil(stop$)
    )
    .subscribe((event) => event$.next(event))

  // Listening belongs to the peer's life: it ends with stop$, or ends the peer when it fails.
  defer(() => prepareFolder(dir))
    .pipe(
      switchMap(() => (visitor ? of('') : transport.listen(inbound))),
      takeUntil(stop$)
    )
    .subscribe({
      next(url) {
        ownUrl = url
        const alias = peers.find((other) => peerKey(other) === peerKey(url))
        if (alias !== undefined) return void end(new P2pError('OWN_ALIAS', `${alias} is this peer itself.`))
        if (!visitor) happening$.next({ type: 'listening', url })
        for (const other of peers) directory.send({ type: 'introduce', url: other, told: true })
        started$.next(url)
      },
      error: (error: unknown) => void end(asP2pError(error, 'NETWORK'))
    })

  let ended: Promise<void> | undefined
  function end(cause?: P2pError): Promise<void> {
    ended ??= (async () => {
      if (cause === undefined) started$.error(new P2pError('CLOSED', 'The peer is closed.'))
      else started$.error(cause)
      ending$.next(cause ?? new P2pError('CLOSED', 'The peer was closed.'))
      stop$.next()
      await Promise.all([library.close(), cache.close()])
      const code = cause === undefined ? {} : { code: cause.code }
      event$.next({ type: 'closed', ...code, at: new Date().toISOString(), v: 1 })
      event$.complete()
    })()
    return ended
  }

  /** Work waits until the peer has started, and ends when it stops. */
  const whenStarted = <T>(work: () => Observable<T>): Observable<T> =>
    started$.pipe(take(1), switchMap(work), takeUntil(ending$.pipe(switchMap((error) => throwError(() => error)))))

  const peer: Peer = {
    event$: event$.asObservable(),
    peers$: directory.state$.pipe(map(knownPeers)),
    shared$: library.file$,
    ready: () => firstValueFrom(started$),
    hello: (url) =>
      whenStarted(() => {
        const key = peerKey(parsePeerUrl(url))
        if (key === peerKey(ownUrl)) throw new P2pError('OWN_ALIAS', `${url} is this peer itself.`)
        directory.send({ type: 'introduce', url, told: true })
        return directory.state$.pipe(
          map((state) => state.get(key ?? url)),
          filter((entry) => entry?.phase !== 'waiting' && entry?.phase !== 'greeting'),
          take(1),
          map((entry) => met(url, entry?.peer))
        )
      }),
    query: (name) =>
      whenStarted(() => {
        if (!isPlainName(name)) throw badName(name)
        return askOurselves(name, false).pipe(
          map((outcome) => {
            if (outcome.type === 'offered') return outcome.offer
            throw new P2pError('NOT_FOUND', missed(name).detail)
          })
        )
      }),
    fetch: (name, { overwrite = false } = {}) =>
      whenStarted(() => {
        if (!isPlainName(name)) throw badName(name)
        return from(library.find(name)).pipe(
          switchMap((own) => {
            if (own !== undefined && !overwrite) throw new P2pError('EXISTS', `You have ${name} already.`)
            return transfer.fetch(name, { overwrite })
          }),
          map((result) => {
            if (result.type === 'progress') return result.progress
            throw new P2pError(result.code as ErrorCode, result.detail)
          })
        )
      }),
    list: (url) =>
      whenStarted(() => {
        parsePeerUrl(url)
        const page = (after: string): Observable<FileList> =>
          budget(transport.list(url, after)).pipe(
            map((listed) => {
              if (!('type' in listed)) return listed
              throw new P2pError('NETWORK', `${url} does not list its files: ${listed.detail}.`)
            })
          )
        return page('').pipe(
          expand(({ files, more }) => (more && files.length > 0 ? page(files.at(-1)?.name ?? '') : EMPTY)),
          map(({ files }) => files)
        )
      }),
    close: async () => {
      await firstValueFrom(transfer.underWay$.pipe(filter((count) => count === 0)), { defaultValue: 0 })
      await end()
    },
    destroy: () => end()
  }
  return peer
}

const NOTHING_SHARED = {
  file$: of([]),
  change$: NEVER,
  find: () => Promise.resolve(undefined),
  open: (name: string) => Promise.reject(new P2pError('NOT_FOUND', missed(name).detail)),
  list: () => ({ files: [], more: false }),
  close: () => Promise.resolve()
}

/** The book's words (Listing 27-3). */
function missed(name: string) {
  return { type: 'failed', code: 'NOT_FOUND', detail: `Couldn't find the file ${name}` } as const
}

function badName(name: string): P2pError {
  return new P2pError('BAD_NAME', `${JSON.stringify(name.slice(0, 200))} is not the name of a shared file.`)
}

function met(url: PeerUrl, peer: KnownPeer | undefined): KnownPeer {
  if (peer === undefined)
    throw new P2pError('OWN_ALIAS', `${url} is this peer itself, or there is no room for more peers.`)
  if (peer.state !== 'failing') return peer
  const timedOut = peer.reason === 'timed-out'
  const why = timedOut ? 'it does not answer' : `it could not be reached (${peer.reason ?? 'unknown'})`
  throw new P2pError(timedOut ? 'TIMEOUT' : 'NETWORK', `No peer at ${url}: ${why}. It will be tried again.`)
}

/** In constant time, whatever the lengths. */
function isSecret(given: string, secret: string | undefined): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return secret !== undefined && timingSafeEqual(digest(given), digest(secret))
}

async function* closing(source: Source, start: number, end?: number): AsyncGenerator<Uint8Array> {
  try {
    yield* source.read(start, end)
  } finally {
    await source.close()
  }
}
