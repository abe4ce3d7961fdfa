/**
 * The composition root: the one file that knows every room. It builds the actors, hands them the world through
 * their ports, and owns all that runs: what it starts, `close` stops.
 */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import {
  asyncScheduler,
  BehaviorSubject,
  catchError,
  defer,
  EMPTY,
  filter,
  firstValueFrom,
  from,
  map,
  merge,
  type Observable,
  of,
  ReplaySubject,
  Subject,
  switchMap,
  take,
  takeUntil,
  throwError
} from 'rxjs'
import { createContent } from './content.js'
import { createDiscovery, createExchange } from './discovery.js'
import { asP2pError, P2pError } from './errors.js'
import { createFinds, type Finds } from './finding.js'
import { createInbound } from './inbound.js'
import { createMembership } from './membership.js'
import { listeningAt, neighbourhoodOf } from './nearby.js'
import { checkRates, completeOptions, type PeerOptions, parsePeerUrl } from './options.js'
import { createOrders, missed, type Orders } from './orders.js'
import { createRotation, type Handed } from './rotation.js'
import { createCache } from './store/cache.js'
import { createDownloads } from './store/downloads.js'
import { prepareFolder } from './store/folder.js'
import { hasContent } from './store/hash-file.js'
import { createLibrary, type FolderLibrary } from './store/library.js'
import { NOTHING_SHARED } from './store/nothing-shared.js'
import { keptId } from './store/own-id.js'
import { createPins } from './store/pins.js'
import { createPeerMemory } from './store/remembered.js'
import { openState, type State } from './store/state.js'
import { createBudget, within } from './streams/budget.js'
import { createDirectory } from './streams/directory.js'
import {
  addressesOf,
  askablePeers,
  type KnownPeer,
  knownPeers,
  reachedBy,
  searchablePeers
} from './streams/directory-table.js'
import type { Happening, PeerEvent } from './streams/events.js'
import { moreHolders } from './streams/more-holders.js'
import { PRIVATE_FOLDER } from './streams/names.js'
import type { Outcome, PeerUrl, Question, SharedFile, Transport } from './streams/ports.js'
import { createQuery } from './streams/query.js'
import type { Asked } from './streams/query-rules.js'
import { createSearch } from './streams/search.js'
import { createTransfer } from './streams/transfer.js'
import { peerKey } from './streams/urls.js'
import type { Rates } from './transport/http/rates.js'
import { createHttpTransport } from './transport/http/transport.js'
import { SOFTWARE } from './transport/software.js'
import { pinnedUnder } from './transport/tls/carrier.js'
import { checkSecret } from './transport/tls/network-ca.js'

/** How long all are given to say whether they have the content that is being fetched: nobody waits for it. */
const GATHER_MS = 3_000

/** A running peer: what it can be ordered to do, what it tells, and its end. */
export interface Peer extends Orders, Finds {
  /** All that happens, from the moment of subscription on. Completes after `closed`. */
  readonly event$: Observable<PeerEvent>
  /** Whom we know; replays the present value. */
  readonly peers$: Observable<readonly KnownPeer[]>
  /** What we share, from when the folder has been read once; replays the present value. */
  readonly shared$: Observable<readonly SharedFile[]>
  /**
   * Resolves with the announced URL once neighbours can reach us (for a visitor, with an empty string).
   * Rejects with FOLDER, PORT_IN_USE, OWN_ALIAS or NETWORK when the peer could not start; it is closed then.
   */
  readonly ready: () => Promise<PeerUrl>
  /** In place of the rates before, also for what is under way. Errors with USAGE. Without HTTP it does nothing. */
  readonly setRates: (rates: Rates) => void
  /** All URLs that lead to us, the announced one first; empty until we listen. */
  readonly addresses: () => readonly PeerUrl[]
  /** Who we are in our private network: the SHA-256 of our public key, in hex. */
  readonly id: string | undefined
  /** Ids of members we do not talk to, in place of those before; their connections end at once. Errors with USAGE. */
  readonly setRefused: (ids: readonly string[]) => void
  /** Takes whoever answers at this URL next for whom he is, though somebody else did before. */
  readonly forgetId: (url: PeerUrl) => void
  /** Goes on with another secret of our private network; whoever has only the one before is refused from now on. */
  readonly setSecret: (secret: Uint8Array) => void
  /**
   * Hands another secret to the members we know and do not refuse, and emits for each whether it took it; `setSecret` is to
   * follow. Cold. Errors with USAGE for a secret that is none, and where there is no private network.
   */
  readonly handSecret: (secret: Uint8Array) => Observable<Handed>
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
  const { scheduler } = options.clock ?? { scheduler: asyncScheduler }
  const stop$ = new Subject<void>()
  /** Just before `stop$`: whoever waits hears why, instead of a completion that looks like success. */
  const ending$ = new Subject<P2pError>()
  const happening$ = new Subject<Happening>()
  const started$ = new ReplaySubject<PeerUrl>(1)
  let ownUrl: PeerUrl = ''

  const tellProblem = ({ code, message }: P2pError) => happening$.next({ type: 'problem-found', code, message })
  const tellThrown = (error: unknown) => tellProblem(asP2pError(error))
  const { stateDir } = options
  // One that cannot be opened ends the peer, before it listens.
  const state = stateDir === undefined ? undefined : openingOnce(() => openState(stateDir))
  const { searchContent } = options
  const library = visitor
    ? NOTHING_SHARED
    : createLibrary({ dir, onProblem: tellProblem, state: state?.open, searchContent })
  // What has arrived is offered at once, and is not hashed a second time.
  const onPlaced: FolderLibrary['adopt'] = (name, content) => library.adopt(name, content).catch(tellThrown)
  const downloads = createDownloads({ dir, onPlaced })
  const cache = createCache({ dir: join(dir, PRIVATE_FOLDER, 'cache'), maxBytes: options.cacheBytes })
  const budget = createBudget()
  const pins = createPins(state?.open, tellThrown)
  const membership =
    options.network === undefined
      ? undefined
      : createMembership(options.network, pins, (happening) => happening$.next(happening))
  let ownId: string = membership?.member.id ?? randomUUID()
  const http =
    options.transport === undefined
      ? createHttpTransport({
          ...options,
          network: membership,
          cache,
          budget,
          software: SOFTWARE,
          get id() {
            return ownId
          }
        })
      : undefined
  const transport = http ?? within(budget, options.transport as Transport)

  const secret$ = new BehaviorSubject(options.network?.secret)
  const exchange = options.exchange ? createExchange(transport, () => ownId) : undefined
  const directory = createDirectory({ hello: transport.hello, exchange, scheduler, stop$ })
  const rotation =
    membership &&
    createRotation({
      member: membership.member,
      directory,
      transport,
      keepSecret: options.network?.keepSecret,
      scheduler,
      tell: (happening) => happening$.next(happening),
      changed: (secret) => secret$.next(secret)
    })
  const discovery = createDiscovery({
    directory,
    memory: state && createPeerMemory(async () => (await state.open()).text('peers')),
    neighbourhood: neighbourhoodOf(options, secret$),
    tell: (happening) => happening$.next(happening),
    scheduler,
    stop$
  })
  const located = reachedBy(transport, directory.state)
  const content = createContent({ library, cache, transport: located, ownUrl: () => ownUrl })
  const query = createQuery({
    ask: transport.ask,
    find: content.find,
    neighbours: () => askablePeers(directory.state()),
    addresses: (url) => addressesOf(directory.state(), url),
    report: (url, reason) => directory.send({ type: 'fail', url, reason }),
    newId: randomUUID,
    concurrency: options.concurrency,
    scheduler,
    stop$
  })
  const search = createSearch({
    find: transport.find,
    match: library.search,
    neighbours: () => searchablePeers(directory.state()),
    addresses: (url) => addressesOf(directory.state(), url),
    report: (url, reason) => directory.send({ type: 'fail', url, reason }),
    newId: randomUUID,
    scheduler,
    stop$
  })
  const ours = (question: Partial<Question>, deadlineMs = queryTimeoutMs): Asked => ({
    question: { name: '', history: [], asking: [], deadlineMs, ...question },
    as: ownUrl,
    own: true
  })
  const askOurselves = (name: string, elsewhere: boolean): Observable<Outcome> =>
    query.ask({ ...ours({ name }), elsewhere }).pipe(filter(({ type }) => type !== 'answering'))
  const transfer = createTransfer({
    ...content.sources,
    more: moreHolders({ gather: (question) => query.gather(ours(question, GATHER_MS)), scheduler }),
    // Looked at now, not when it was ordered: another fetch of this name may have been waited for.
    locate: (name, { ifExists, into }) =>
      from(ifExists !== 'refuse' || into !== undefined ? Promise.resolve(undefined) : library.find(name)).pipe(
        switchMap((own) => (own === undefined ? askOurselves(name, into === undefined) : of(own))),
        map((found) => {
          if (!('type' in found)) return { type: 'failed' as const, code: 'EXISTS', detail: `You have ${name} already` }
          return found.type === 'offered' ? found.offer : missed(name)
        })
      ),
    own: async (root) => ((await content.find({ root })) === undefined ? undefined : ownUrl),
    downloads,
    scheduler,
    stop$
  })

  /** Work waits until the peer has started, and ends when it stops. */
  const whenStarted = <T>(work: () => Observable<T>): Observable<T> =>
    defer(() => {
      if (ended !== undefined) throw closed()
      return started$.pipe(take(1), switchMap(work))
    }).pipe(takeUntil(ending$.pipe(switchMap((error) => throwError(() => error)))))
  const orders = createOrders({
    directory,
    transfer,
    transport,
    ask: askOurselves,
    isHere: async ({ name, size, root }, into = dir) =>
      root !== undefined && hasContent(join(into, name), { size, root }),
    ownUrl: () => ownUrl,
    isPrivate: membership !== undefined,
    scheduler,
    whenStarted
  })
  const finds = createFinds({
    search,
    ownUrl: () => ownUrl,
    newId: randomUUID,
    joined$: directory.event$.pipe(filter(({ type }) => type === 'peer-joined')),
    scheduler,
    whenStarted
  })
  const inbound = createInbound({
    directory,
    library,
    cache,
    content,
    query,
    search,
    fetch: orders.fetch,
    fetchSecret: options.fetchSecret,
    exchange: exchange !== undefined,
    handed: rotation?.handed
  })

  const stamped = (happening: Happening): PeerEvent => ({ ...happening, at: new Date().toISOString(), v: 1 })
  const event$ = new Subject<PeerEvent>()
  merge(happening$, directory.event$, query.event$, transfer.event$, library.change$)
    .pipe(takeUntil(stop$))
    .subscribe((happening) => {
      // A busy peer has thousands a second, and mostly nobody listens.
      if (event$.observed) event$.next(stamped(happening))
    })

  // Where a peer was before, somebody else may be met for the first time.
  directory.event$.pipe(takeUntil(stop$)).subscribe((happening) => {
    if (happening.type === 'peer-moved') pins.forget(pinnedUnder(happening.from))
  })

  // Listening belongs to the peer's life: it ends with stop$, or ends the peer when it fails.
  defer(async () => {
    await prepareFolder(dir)
    const opened = await state?.open()
    if (membership !== undefined) await pins.load()
    else if (opened !== undefined) ownId = await keptId(opened.text('self'), ownId)
  })
    .pipe(
      switchMap(() => (visitor ? of('') : transport.listen(inbound))),
      takeUntil(stop$)
    )
    .subscribe({
      next(url) {
        ownUrl = url
        const alias = peers.find((other) => peerKey(other) === peerKey(url))
        if (alias !== undefined) return void end(new P2pError('OWN_ALIAS', `${alias} is this peer itself`))
        if (!visitor) happening$.next({ type: 'listening', url })
        library.start().catch(tellThrown)
        for (const other of peers) directory.send({ type: 'introduce', url: other, told: true })
        if (!visitor) discovery.start(listeningAt(url, options.port)).catch(tellThrown)
        started$.next(url)
      },
      error: (error: unknown) => void end(asP2pError(error, 'NETWORK'))
    })

  let ended: Promise<void> | undefined
  function end(cause?: P2pError): Promise<void> {
    ended ??= (async () => {
      started$.error(cause ?? closed())
      ending$.next(cause ?? closed())
      stop$.next()
      transport.close?.()
      await Promise.all([library.close(), downloads.close(), cache.close()])
      await discovery.close()
      await state?.close()
      event$.next(stamped({ type: 'closed', ...(cause === undefined ? {} : { code: cause.code }) }))
      event$.complete()
    })()
    return ended
  }

  return {
    event$: event$.asObservable(),
    peers$: directory.state$.pipe(map(knownPeers)),
    // Not before the folder has been read once: who lists it right after the start would see nothing.
    shared$: defer(() => (ended === undefined ? started$ : EMPTY)).pipe(
      take(1),
      switchMap(() => library.start()),
      switchMap(() => library.file$),
      catchError(() => EMPTY)
    ),
    ready: () => (ended === undefined ? firstValueFrom(started$) : Promise.reject(closed())),
    ...orders,
    ...finds,
    setRates(rates) {
      checkRates(rates)
      http?.setRates(rates)
    },
    addresses: () => http?.addresses() ?? [ownUrl].filter((url) => url !== ''),
    id: membership?.member.id,
    setRefused(ids) {
      membership?.member.setRefused(ids)
      for (const { url, id } of knownPeers(directory.state()))
        if (id !== undefined && ids.includes(id)) directory.send({ type: 'fail', url, reason: 'unwanted' })
    },
    forgetId: (url) => pins.forget(pinnedUnder(parsePeerUrl(url))),
    setSecret: (secret) => rotation?.use(secret),
    handSecret: (secret) =>
      whenStarted(() => {
        if (rotation === undefined) throw new P2pError('USAGE', 'This peer is in no private network')
        checkSecret(secret)
        return rotation.hand(secret)
      }),
    close: async () => {
      await firstValueFrom(transfer.underWay$.pipe(filter((count) => count === 0)), { defaultValue: 0 })
      await end()
    },
    destroy: () => end()
  }
}

/** Opened when first asked for, and let go of at the end, however far that had come. */
function openingOnce(open: () => Promise<State>) {
  let opening: Promise<State> | undefined
  return {
    open: () => (opening ??= open()),
    close: async () => {
      const state = await opening?.catch(() => undefined)
      await state?.close()
    }
  }
}

const closed = () => new P2pError('CLOSED', 'The peer is closed')
