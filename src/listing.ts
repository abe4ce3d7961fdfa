/** What other peers list: page by page, and which of it fits a pattern. */
import {
  catchError,
  combineLatest,
  defer,
  EMPTY,
  expand,
  filter,
  from,
  map,
  mergeMap,
  type Observable,
  reduce,
  switchMap,
  take
} from 'rxjs'
import { P2pError } from './errors.js'
import type { Directory } from './streams/directory.js'
import { knownPeers } from './streams/directory-table.js'
import { isPlainName } from './streams/names.js'
import type { FileList, Offer, PeerUrl, SharedFile, Transport } from './streams/ports.js'

/** Pages of one list: those of the largest share. A peer that always has more must not keep us for ever. */
const MAX_PAGES = 2_000
/** Files that one pattern may bring: a list of them is held in memory. */
const MAX_MATCHES = 100_000
/** Holders of one offer, as on the wire. */
const MAX_HOLDERS = 64
/** Peers whose lists are read at once. */
const CONCURRENT_LISTS = 4
const MAX_PATTERN_CHARS = 4_096

export function listPages(transport: Pick<Transport, 'list'>, url: PeerUrl): Observable<readonly SharedFile[]> {
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
}

/** Everything known p2p-rx peers list whose name fits, each name once, with all who have that content. Errors with NOT_FOUND or NETWORK. */
export function matchingOffers(
  transport: Pick<Transport, 'list'>,
  directory: Directory,
  pattern: string
): Observable<readonly Offer[]> {
  return combineLatest([met(directory), defer(() => matcherOf(pattern))]).pipe(
    switchMap(([urls, fits]) => {
      if (urls.length === 0) throw new P2pError('NETWORK', 'None of the known peers lists its files')
      return from(urls).pipe(
        mergeMap(
          (url) =>
            listPages(transport, url).pipe(
              map((files) => ({ url, files: files.filter(({ name }) => isPlainName(name) && fits(name)) })),
              // What one peer does not tell, another may.
              catchError(() => EMPTY)
            ),
          CONCURRENT_LISTS
        ),
        reduce(withPage, new Map<string, Offer>())
      )
    }),
    map((offers) => {
      if (offers.size === 0) throw new P2pError('NOT_FOUND', `None of the known peers lists a file like ${pattern}`)
      return [...offers.values()]
    })
  )
}

function withPage(offers: Map<string, Offer>, page: { url: PeerUrl; files: readonly SharedFile[] }) {
  for (const { name, size, root } of page.files) {
    const known = offers.get(name)
    if (known === undefined && offers.size < MAX_MATCHES) {
      offers.set(name, { name, size, ...(root === undefined ? {} : { root }), holders: [page.url] })
      continue
    }
    // One name, two contents: the first one heard of is meant.
    const same = known?.root !== undefined && known.root === root && known.holders.length < MAX_HOLDERS
    if (same) offers.set(name, { ...known, holders: [...known.holders, page.url] })
  }
  return offers
}

/** The p2p-rx peers that answer, once all that are known have been greeted. */
function met(directory: Directory): Observable<readonly PeerUrl[]> {
  return directory.state$.pipe(
    filter((state) => [...state.values()].every(({ phase }) => phase === 'settled')),
    take(1),
    map((state) =>
      knownPeers(state).flatMap(({ url, state: how, dialect }) => (how === 'up' && dialect === 'p2prx' ? [url] : []))
    )
  )
}

async function matcherOf(pattern: string): Promise<(name: string) => boolean> {
  if (pattern.length > MAX_PATTERN_CHARS) throw new P2pError('BAD_NAME', 'The pattern is too long')
  // Loaded when there is a pattern: a command for one file begins sooner without.
  const { default: picomatch } = await import('picomatch')
  return picomatch(pattern, { dot: true, nonegate: true })
}
