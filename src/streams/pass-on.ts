/**
 * Content that neighbours have and others cannot reach: whoever heard the offer from us gets the bytes through us.
 * They flow through as they come, so it costs memory for a few chunks whatever the size, and a slot like any upload.
 */
import { catchError, concatMap, EMPTY, from, type Observable, of, Subscription, take } from 'rxjs'
import type { Sources } from './download.js'
import type { HashRequest, Offer, PeerUrl, ReadOutcome, Source } from './ports.js'
import { peerKey } from './urls.js'

/** Offers passed on that are remembered; a download begins within seconds of its offer. */
const MAX_PASSED = 512
/** The same of hits, which come by the thousand and are looked at first; they do not crowd out offers. */
const MAX_PASSED_HITS = 4_096

export interface PassOn {
  /** An offer of others goes to a neighbour. */
  readonly note: (offer: Offer) => void
  /** The same of a hit. */
  readonly noteHit: (hit: Offer) => void
  /** What is read comes from one of its holders. Nothing when we passed no such offer on. */
  readonly open: (root: string) => Source | undefined
  /** Emits nothing when none of the holders gives them. */
  readonly hashes: (request: HashRequest) => Observable<Uint8Array>
}

export interface PassOnInit extends Pick<Sources, 'read' | 'hashes'> {
  readonly ownUrl: () => PeerUrl
}

export function createPassOn({ read, hashes, ownUrl }: PassOnInit): PassOn {
  const offers = createTable(MAX_PASSED)
  const hits = createTable(MAX_PASSED_HITS)
  const passed = (root: string) => offers.get(root) ?? hits.get(root)
  /** Without ourselves, whom an offer may name as well: we would call ourselves, and that call us again. */
  const holdersOf = (offer: Offer) => offer.holders.filter((holder) => peerKey(holder) !== peerKey(ownUrl()))

  return {
    note: offers.note,
    noteHit: hits.note,
    open(root) {
      const offer = passed(root)
      if (offer === undefined) return undefined
      const { name, size } = offer
      const holders = holdersOf(offer)
      if (holders.length === 0) return undefined
      return {
        size,
        root,
        etag: root,
        read: (start = 0, end = size) =>
          passing(holders, (holder) => read(holder, { name, root, start, end, passed: true }), end - start),
        close: () => Promise.resolve()
      }
    },
    hashes(request) {
      const offer = passed(request.root)
      return from(offer === undefined ? [] : holdersOf(offer)).pipe(
        concatMap((holder) => hashes(holder, { ...request, passed: true }).pipe(catchError(() => EMPTY))),
        concatMap((outcome) => (outcome.type === 'hashes' ? of(outcome.bytes) : EMPTY)),
        take(1)
      )
    }
  }
}

/** By root; the one heard of last comes last. */
function createTable(most: number) {
  const table = new Map<string, Offer>()
  return {
    get: (root: string) => table.get(root),
    note: ({ name, size, root, holders }: Offer) => {
      if (root === undefined) return
      table.delete(root)
      for (const oldest of table.keys()) {
        if (table.size < most) break
        table.delete(oldest)
      }
      table.set(root, { name, size, root, holders })
    }
  }
}

/** The bytes of the first holder that sends any. One that breaks off breaks us off: our reader asks again. */
async function* passing(
  holders: readonly PeerUrl[],
  read: (holder: PeerUrl) => Observable<ReadOutcome>,
  lengthBytes: number
): AsyncGenerator<Uint8Array> {
  let left = lengthBytes
  for (const holder of holders) {
    const reading = new Subscription()
    try {
      const bytes = await bodyOf(read(holder), reading)
      if (bytes === undefined) continue
      for await (const chunk of bytes) {
        left -= chunk.length
        yield chunk
      }
      break
    } finally {
      reading.unsubscribe()
    }
  }
  if (left !== 0) throw new Error('none of its holders could be read')
}

/** The bytes of a read, which lasts as long as `reading`; nothing when there are none. */
function bodyOf(read$: Observable<ReadOutcome>, reading: Subscription): Promise<AsyncIterable<Uint8Array> | undefined> {
  return new Promise((resolve) => {
    reading.add(
      read$.subscribe({
        next: (outcome) => {
          if (outcome.type !== 'queued') resolve(outcome.type === 'body' ? outcome.bytes : undefined)
        },
        complete: () => resolve(undefined)
      })
    )
  })
}
