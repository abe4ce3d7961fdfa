/** What the user of a peer may order: hello, query, fetch and list, with what goes wrong as a P2pError. */
import { concat, concatMap, filter, from, map, type Observable, of, type SchedulerLike, switchMap, take } from 'rxjs'
import { type ErrorCode, P2pError } from './errors.js'
import { listPages, matchingOffers } from './listing.js'
import { checkKind, parsePeerUrl } from './options.js'
import type { Directory } from './streams/directory.js'
import { type KnownPeer, knownPeer, knownPeers, rowToldAs } from './streams/directory-table.js'
import { type FolderProgress, fetchAll, LISTING } from './streams/fetch-all.js'
import { isPlainName } from './streams/names.js'
import type { FailureReason, IfExists, Offer, Outcome, PeerUrl, SharedFile, Transport } from './streams/ports.js'
import type { Progress } from './streams/progress.js'
import type { Transfer, TransferOptions } from './streams/transfer.js'
import { peerKey } from './streams/urls.js'

/** Cold Observables: each subscription is one piece of work, and unsubscribing stops it down to the socket. */
export interface Orders {
  /**
   * Introduces us to a peer and emits it once it answered. Errors with BAD_URL, OWN_ALIAS, BUSY, NETWORK, TIMEOUT, OTHER_NETWORK,
   * OTHER_ID or DENIED (see `setRefused`).
   */
  readonly hello: (url: PeerUrl) => Observable<KnownPeer>
  /** Asks for a file by name and emits the first offer. Errors with BAD_NAME, NOT_FOUND or CLOSED. */
  readonly query: (name: string) => Observable<Offer>
  /**
   * Finds a file and brings it here from all who have it. Emits progress, the last one with `path` and `root`.
   * Errors with BAD_NAME, NOT_FOUND, EXISTS (see `ifExists`), INTEGRITY, DISK, NETWORK, UNFINISHED, BUSY or CLOSED.
   * Unsubscribing stops it; nothing lies under the final name then, and what has come is kept for the next try.
   */
  readonly fetch: (name: string, options?: FetchOptions) => Observable<Progress>
  /**
   * Brings every file whose name fits a glob (`photos/**`, `*.pdf`) and that a known p2p-rx peer lists. Goes on after a
   * failure, and emits how far all of them are. Errors with BAD_NAME, NOT_FOUND (nothing fits), NETWORK or CLOSED.
   */
  readonly fetchAll: (pattern: string, options?: FetchOptions) => Observable<FolderProgress>
  /** What another p2p-rx peer shares, page by page, in the byte order of the names. Errors with BAD_URL or NETWORK. */
  readonly list: (url: PeerUrl) => Observable<readonly SharedFile[]>
}

/** How a file is to be fetched. */
export interface FetchOptions {
  /** What to do when there is a file of that name already. Default: `refuse`, an error EXISTS. */
  readonly ifExists?: IfExists
  /** The folder to bring it to; has to exist. Default: the share. */
  readonly into?: string
  /** Goes on by itself when space or holders return, instead of failing. Default: false. */
  readonly wait?: boolean
}

export interface OrdersInit {
  readonly directory: Directory
  readonly transfer: Transfer
  readonly transport: Transport
  /** Our own query; `elsewhere` leaves our share out. */
  readonly ask: (name: string, elsewhere: boolean) => Observable<Outcome>
  /** Whether the file of this name there (or in the share) has this very content. */
  readonly isHere: (offer: Offer, into: string | undefined) => Promise<boolean>
  readonly ownUrl: () => PeerUrl
  readonly isPrivate: boolean
  readonly scheduler: SchedulerLike
  /** Puts work off until the peer has started, and ends it when the peer ends. */
  readonly whenStarted: <T>(work: () => Observable<T>) => Observable<T>
}

export function createOrders(init: OrdersInit): Orders {
  const { directory, transfer, transport, ask, isHere, ownUrl, isPrivate, scheduler, whenStarted } = init
  return {
    hello: (url) =>
      whenStarted(() => {
        const key = peerKey(parsePeerUrl(url))
        checkKind([url], isPrivate)
        if (key === peerKey(ownUrl())) throw new P2pError('OWN_ALIAS', `${url} is this peer itself`)
        directory.send({ type: 'introduce', url, told: true })
        // Ordered from within a turn of the directory, the introduction waits for that turn: look when it is over.
        return from(Promise.resolve()).pipe(
          switchMap(() => directory.state$),
          map((state) => rowToldAs(state, url)?.[1]),
          filter((entry) => entry?.phase !== 'waiting' && entry?.phase !== 'greeting'),
          take(1),
          map((entry) => met(url, entry && knownPeer(entry)))
        )
      }),
    query: (name) =>
      whenStarted(() => {
        if (!isPlainName(name)) throw badName(name)
        return ask(name, false).pipe(
          map((outcome) => {
            if (outcome.type === 'offered') return outcome.offer
            throw failure(missed(name), directory)
          })
        )
      }),
    fetch: (name, options = {}) =>
      whenStarted(() => {
        if (!isPlainName(name)) throw badName(name)
        return transfer.fetch(name, complete(options)).pipe(
          map((result) => {
            if (result.type === 'progress') return result.progress
            throw failure(result, directory)
          })
        )
      }),
    fetchAll: (pattern, options = {}) =>
      whenStarted(() => {
        const how = complete(options)
        const fetch = (offer: Offer) =>
          transfer.fetch(offer.name, { ...how, offer }).pipe(
            concatMap((result) => {
              if (result.type !== 'failed' || result.code !== 'EXISTS') return of(result)
              // Run again, a pattern goes on where it was: what has come is no failure.
              return from(isHere(offer, how.into)).pipe(map((here) => (here ? ({ type: 'here' } as const) : result)))
            })
          )
        const all$ = matchingOffers(transport, directory, pattern).pipe(
          switchMap((offers) => fetchAll({ offers, fetch, scheduler }))
        )
        return concat(of(LISTING), all$)
      }),
    list: (url) =>
      whenStarted(() => {
        checkKind([parsePeerUrl(url)], isPrivate)
        return listPages(transport, url)
      })
  }
}

function complete({ ifExists = 'refuse', into, wait = false }: FetchOptions): TransferOptions {
  return { ifExists, wait, ...(into === undefined ? {} : { into }) }
}

/** The book's words (Listing 27-3). */
export function missed(name: string) {
  return { type: 'failed', code: 'NOT_FOUND', detail: `Couldn't find the file ${name}` } as const
}

/** That nobody has it can only be said when somebody was there to be asked. */
function failure({ code, detail }: { code: string; detail: string }, directory: Directory): P2pError {
  const known = knownPeers(directory.state())
  if (code !== 'NOT_FOUND' || known.length === 0 || known.some(({ state }) => state !== 'failing')) {
    return new P2pError(code as ErrorCode, detail)
  }
  const silent = known.every(({ reason }) => reason === 'timed-out')
  return new P2pError(silent ? 'TIMEOUT' : 'NETWORK', `${detail}: none of the known peers answered`)
}

function badName(name: string): P2pError {
  return new P2pError('BAD_NAME', `${JSON.stringify(name.slice(0, 200))} is not the name of a shared file`)
}

function met(url: PeerUrl, peer: KnownPeer | undefined): KnownPeer {
  if (peer === undefined)
    throw new P2pError('OWN_ALIAS', `${url} is this peer itself, or there is no room for more peers`)
  if (peer.state !== 'failing') return peer
  const [code, why] = WHY[peer.reason ?? 'refused'] ?? [
    'NETWORK',
    `it could not be reached (${peer.reason ?? 'unknown'})`
  ]
  throw new P2pError(code, `No peer at ${url}: ${why}. It will be tried again`)
}

const WHY: Partial<Record<FailureReason, readonly [ErrorCode, string]>> = {
  'timed-out': ['TIMEOUT', 'it does not answer'],
  'no-name': ['NETWORK', 'its name leads to no address'],
  'no-route': ['NETWORK', 'no way leads there'],
  'no-tls': ['OTHER_NETWORK', 'who answers there is in the open'],
  'other-network': ['OTHER_NETWORK', 'who answers there is no member of our network'],
  'other-id': ['OTHER_ID', 'who answers there is somebody else than at first contact'],
  unwanted: ['DENIED', 'we do not talk to who answers there']
}
