/**
 * Content for callers who cannot fetch it themselves: a peer of the older kind asks with `query` and wants the
 * file in the answer. What lies elsewhere is first brought into the cache, so that one local file is sent
 * whatever its way here, and the next one who asks is served from there.
 */
import { catchError, concat, concatMap, EMPTY, from, map, type Observable, of, takeWhile } from 'rxjs'
import { acquired } from './acquired.js'
import type { Cache, Inbound, Offer, Outcome, PeerUrl, Question, ReadOutcome, ReadRequest, Source } from './ports.js'
import { MAX_HOLDERS } from './swarm-rules.js'
import { peerKey } from './urls.js'

export interface RelayInit {
  readonly ask: (question: Question, as: PeerUrl) => Observable<Outcome>
  /** Opens what we have ourselves, shared or cached. */
  readonly open: (name: string) => Promise<Source>
  readonly read: (holder: PeerUrl, request: ReadRequest) => Observable<ReadOutcome>
  readonly cache: Cache
}

interface Content {
  readonly type: 'opened'
  readonly source: Source
}

const LOST: Outcome = { type: 'failed', reason: 'refused', detail: 'none of its holders could be read' }

function opening(open: () => Promise<Source>): Observable<Content> {
  return acquired(open, (source) => source.close()).pipe(map((source) => ({ type: 'opened', source })))
}

export function createRelay({ ask, open, read, cache }: RelayInit): Inbound['askedForContent'] {
  const bringFrom = (holder: PeerUrl, { name, size, root }: Offer): Observable<Content> =>
    read(holder, { name, start: 0 }).pipe(
      concatMap((outcome) => {
        if (outcome.type !== 'body') return EMPTY
        const expected = { size, ...(root === undefined ? {} : { root }) }
        return from(cache.keep(name, outcome.bytes, expected)).pipe(concatMap(() => opening(() => cache.open(name))))
      }),
      // A holder that fails here is one of several; the caller hears of it only when all have failed.
      catchError(() => EMPTY)
    )

  return (question, as) =>
    ask(question, as).pipe(
      concatMap((outcome): Observable<Outcome | Content> => {
        if (outcome.type !== 'offered') return of(outcome)
        const { offer } = outcome
        const others = offer.holders.filter((holder) => peerKey(holder) !== peerKey(as)).slice(0, MAX_HOLDERS)
        if (others.length === 0) return opening(() => open(offer.name)).pipe(catchError(() => of(LOST)))
        // Bringing a file here takes as long as it takes; the caller's deadline was for finding it.
        const brought = others.map((holder) => bringFrom(holder, offer))
        return concat(of<Outcome>({ type: 'answering' }), ...brought, of(LOST)).pipe(
          takeWhile(({ type }) => type === 'answering', true)
        )
      })
    )
}
