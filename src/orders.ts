/** What the user of a peer may order: hello, query, fetch and list, with what goes wrong as a P2pError. */
import { EMPTY, expand, filter, map, type Observable, take } from 'rxjs'
import { type ErrorCode, P2pError } from './errors.js'
import { parsePeerUrl } from './options.js'
import type { Directory, KnownPeer } from './streams/directory.js'
import { isPlainName } from './streams/names.js'
import type { FileList, Offer, Outcome, PeerUrl, SharedFile, Transport } from './streams/ports.js'
import type { Progress, Transfer } from './streams/transfer.js'
import { peerKey } from './streams/urls.js'

/** Cold Observables: each subscription is one piece of work, and unsubscribing stops it down to the socket. */
export interface Orders {
  /** Introduces us to a peer and emits it once it answered. Errors with BAD_URL, OWN_ALIAS, BUSY, NETWORK or TIMEOUT. */
  readonly hello: (url: PeerUrl) => Observable<KnownPeer>
  /** Asks for a file by name and emits the first offer. Errors with BAD_NAME, NOT_FOUND or CLOSED. */
  readonly query: (name: string) => Observable<Offer>
  /**
   * Finds a file and brings it into the folder. Emits progress, the last one with `path` and `root`.
   * Errors with BAD_NAME, NOT_FOUND, EXISTS (unless `overwrite`), INTEGRITY, DISK, NETWORK, UNFINISHED, BUSY or CLOSED.
   * Unsubscribing stops it; nothing lies under the final name then.
   */
  readonly fetch: (name: string, options?: { readonly overwrite?: boolean }) => Observable<Progress>
  /** What another p2p-rx peer shares, page by page, in the byte order of the names. Errors with BAD_URL or NETWORK. */
  readonly list: (url: PeerUrl) => Observable<readonly SharedFile[]>
}

export interface OrdersInit {
  readonly directory: Directory
  readonly transfer: Transfer
  readonly transport: Transport
  /** Our own query; `elsewhere` leaves our share out. */
  readonly ask: (name: string, elsewhere: boolean) => Observable<Outcome>
  readonly ownUrl: () => PeerUrl
  /** Puts work off until the peer has started, and ends it when the peer ends. */
  readonly whenStarted: <T>(work: () => Observable<T>) => Observable<T>
}

export function createOrders(init: OrdersInit): Orders {
  const { directory, transfer, transport, ask, ownUrl, whenStarted } = init
  return {
    hello: (url) =>
      whenStarted(() => {
        const key = peerKey(parsePeerUrl(url))
        if (key === peerKey(ownUrl())) throw new P2pError('OWN_ALIAS', `${url} is this peer itself`)
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
        return ask(name, false).pipe(
          map((outcome) => {
            if (outcome.type === 'offered') return outcome.offer
            throw new P2pError('NOT_FOUND', missed(name).detail)
          })
        )
      }),
    fetch: (name, { overwrite = false } = {}) =>
      whenStarted(() => {
        if (!isPlainName(name)) throw badName(name)
        return transfer.fetch(name, { overwrite }).pipe(
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
          transport.list(url, after).pipe(
            map((listed) => {
              if (!('type' in listed)) return listed
              throw new P2pError('NETWORK', `${url} does not list its files: ${listed.detail}`)
            })
          )
        return page('').pipe(
          expand(({ files, more }) => (more && files.length > 0 ? page(files.at(-1)?.name ?? '') : EMPTY)),
          map(({ files }) => files)
        )
      })
  }
}

/** The book's words (Listing 27-3). */
export function missed(name: string) {
  return { type: 'failed', code: 'NOT_FOUND', detail: `Couldn't find the file ${name}` } as const
}

function badName(name: string): P2pError {
  return new P2pError('BAD_NAME', `${JSON.stringify(name.slice(0, 200))} is not the name of a shared file`)
}

function met(url: PeerUrl, peer: KnownPeer | undefined): KnownPeer {
  if (peer === undefined)
    throw new P2pError('OWN_ALIAS', `${url} is this peer itself, or there is no room for more peers`)
  if (peer.state !== 'failing') return peer
  const timedOut = peer.reason === 'timed-out'
  const why = timedOut ? 'it does not answer' : `it could not be reached (${peer.reason ?? 'unknown'})`
  throw new P2pError(timedOut ? 'TIMEOUT' : 'NETWORK', `No peer at ${url}: ${why}. It will be tried again`)
}
