/** What neighbours may ask of us, and who of us answers it. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { catchError, filter, map, type Observable, of, tap } from 'rxjs'
import type { createContent } from './content.js'
import { asP2pError, type ErrorCode } from './errors.js'
import type { Orders } from './orders.js'
import type { FolderCache } from './store/cache.js'
import type { FolderLibrary } from './store/library.js'
import type { Directory } from './streams/directory.js'
import { contactsIn } from './streams/directory-table.js'
import { createTelling } from './streams/exchange.js'
import type { Inbound } from './streams/ports.js'
import type { Query } from './streams/query.js'
import { createRelay } from './streams/relay.js'
import type { Searches } from './streams/search.js'

export interface InboundInit {
  readonly directory: Directory
  readonly library: FolderLibrary
  readonly cache: FolderCache
  readonly content: ReturnType<typeof createContent>
  readonly query: Query
  readonly search: Searches
  readonly fetch: Orders['fetch']
  readonly fetchSecret: string | undefined
  /** Whether neighbours are told of each other. */
  readonly exchange: boolean
  readonly handed: Inbound['handed']
}

export function createInbound(init: InboundInit): Inbound {
  const { directory, library, cache, content, query, search, fetch, fetchSecret, exchange, handed } = init
  const tellContacts = createTelling(() => contactsIn(directory.state()))
  const ask: Inbound['asked'] = (question, as) => query.ask({ question, as, own: false })

  return {
    ...content.served,
    introduced: (url, about) => directory.send({ type: 'introduce', ...about, url, told: false }),
    ...(exchange ? { contacts: tellContacts } : {}),
    asked: (question, as) =>
      ask(question, as).pipe(
        tap((outcome) => {
          if (outcome.type === 'offered' && outcome.offer.relays?.includes(as) === true)
            content.passOn.note(outcome.offer)
        })
      ),
    askedForContent: createRelay({ ask, open: content.served.open, read: content.sources.read, cache }),
    askedToFetch: (name, secret) => (isSecret(secret, fetchSecret) ? fetchOnBehalf(name) : of('denied')),
    list: (after) => library.list(after),
    whenListed: () => library.start(),
    searched: (asked, as) =>
      search.searched(asked, as).pipe(
        tap((finding) => {
          if (finding.type !== 'found') return
          for (const hit of finding.hits) if (hit.relays?.includes(as) === true) content.passOn.noteHit(hit)
        })
      ),
    ...(handed === undefined ? {} : { handed })
  }

  function fetchOnBehalf(name: string): Observable<'done' | 'missed' | 'denied' | 'failed'> {
    return fetch(name).pipe(
      filter(({ path }) => path !== undefined),
      map(() => 'done' as const),
      catchError((error: unknown) => of(FETCHED[asP2pError(error).code] ?? ('failed' as const)))
    )
  }
}

/** What a failed fetch is to the one who ordered it from afar: that the file is here already is all he wants. */
const FETCHED: Partial<Record<ErrorCode, 'done' | 'missed' | 'denied'>> = {
  EXISTS: 'done',
  NOT_FOUND: 'missed',
  BAD_NAME: 'denied'
}

/** In constant time, whatever the lengths. */
function isSecret(given: string, secret: string | undefined): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return secret !== undefined && timingSafeEqual(digest(given), digest(secret))
}
