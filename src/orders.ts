/** What the user of a peer may order: hello, query, fetch and list, with what goes wrong as a P2pError. */
import { EMPTY, expand, filter, from, map, type Observable, switchMap, take } from 'rxjs'
import { type ErrorCode, P2pError } from './errors.js'
import { parsePeerUrl } from './options.js'
import { type Directory, type KnownPeer, knownPeers } from './streams/directory.js'
import { isPlainName } from './streams/names.js'
import type { FileList, Offer, Outcome, PeerUrl, SharedFile, Transport } from './streams/ports.js'
import type { Progress, Transfer } from './streams/transfer.js'
import { peerKey } from './streams/urls.js'

/** Pages of one list: those of the largest share. A peer that always has more must not keep us for ever. */
const MAX_PAGES = 2_000

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
        // Ordered from within a turn of the directory, the introduction waits for that turn: look when it is over.
        return from(Promise.resolve()).pipe(
          switchMap(() => directory.state$),
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
            throw failure(missed(name), directory)
          })
        )
      }),
    fetch: (name, { overwrite = false } = {}) =>
      whenStarted(() => {
        if (!isPlainName(name)) throw badName(name)
        return transfer.fetch(name, { overwrite }).pipe(
          map((result) => {
            if (result.type === 'progress') return result.progress
            throw failure(result, directory)
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
              const advice = listed.reason === 'not-a-peer' ? { advice: 'Only p2p-rx peers list their files.' } : {}
              throw new P2pError('NETWORK', `${url} does not list its files: ${listed.detail}`, advice)
            })
          )
        return page('').pipe(
          expand(({ files, more }, index) =>
            more && files.length > 0 && index < MAX_PAGES ? page(files.at(-1)?.name ?? '') : EMPTY
          ),
          map(({ files }) => files)
        )
      })
  }
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
  const timedOut = peer.reason === 'timed-out'
  const why = timedOut ? 'it does not answer' : `it could not be reached (${peer.reason ?? 'unknown'})`
  throw new P2pError(timedOut ? 'TIMEOUT' : 'NETWORK', `No peer at ${url}: ${why}. It will be tried again`)
}
