/** What the user of a peer may look for: everything that fits a pattern, once or from now on, with what goes wrong as a P2pError. */
import { concat, concatMap, defer, EMPTY, filter, from, map, type Observable, of, type SchedulerLike } from 'rxjs'
import { P2pError } from './errors.js'
import { within } from './options.js'
import { keyOf } from './streams/hits.js'
import type { Hit, Pattern, PeerUrl, Trace } from './streams/ports.js'
import type { Searches } from './streams/search.js'
import { isPattern, MAX_LIMIT, MAX_PATTERN_CHARS, MAX_STANDING_MS } from './streams/search-rules.js'
import type { SearchNews } from './streams/searching.js'
import { standing } from './streams/standing.js'
import { hash53 } from './streams/told.js'

/** Hits that a user wants to see. */
const DEFAULT_LIMIT = 1_000
/** How long a find waits for neighbours that are silent, or far away. */
const DEFAULT_FIND_TIMEOUT_MS = 15_000
/** Holders and relays of one file that are told to the user: those of an offer. */
const MAX_FOUND_HOLDERS = 64
const MAX_FOUND_RELAYS = 8
/** Of its other names. */
const MAX_OTHER_NAMES = 8

/** A file that fits, with all of its holders known so far. */
export interface FoundFile extends Hit {
  /** The same for the same content, or for the same file of the same holder as long as that has not hashed it. */
  readonly key: string
  /** What else it is called by some of its holders. */
  readonly otherNames?: readonly string[]
}

/** What a find brings, and how it went. */
export type FindNews =
  | { readonly type: 'hit'; readonly hit: FoundFile }
  /** A call has ended, ours or that of a peer behind us. */
  | { readonly type: 'trace'; readonly trace: Trace }
  /** Comes last. `late`: not all had answered when the time was over. */
  | { readonly type: 'ended'; readonly how: 'all' | 'late' }

/** How to look. */
export interface FindOptions {
  /** Different files at most, 1 to 250,000; then all is taken back. Default 1,000. */
  readonly limit?: number
  /** How long it may take, in milliseconds, when not all answer; up to 120,000. Default 15,000. */
  readonly timeoutMs?: number
}

/** Cold Observables, as {@link Orders}. A text is words, all of which occur in a name, or a glob if it has one of `*?[{` in it. */
export interface Finds {
  /**
   * Emits every file within reach whose name fits, as they come, and once more with all its holders whenever another one
   * becomes known: keep them by their `key`. Completes empty when there is none. Errors with BAD_PATTERN, BUSY or CLOSED.
   */
  readonly find: (pattern: string | Pattern, options?: FindOptions) => Observable<FoundFile>
  /** The same, telling of every call of every peer that took part. */
  readonly trace: (pattern: string | Pattern, options?: FindOptions) => Observable<FindNews>
  /** Emits every file within reach that fits, each content once: those there are, then whatever is added, until unsubscribed. Errors as `find`. */
  readonly watch: (pattern: string | Pattern) => Observable<Hit>
}

export interface FindsInit {
  readonly search: Searches
  readonly ownUrl: () => PeerUrl
  readonly newId: () => string
  /** A neighbour answers, for the first time or again. */
  readonly joined$: Observable<unknown>
  readonly scheduler: SchedulerLike
  /** See `OrdersInit`. */
  readonly whenStarted: <T>(work: () => Observable<T>) => Observable<T>
}

export function createFinds({ search, ownUrl, newId, joined$, scheduler, whenStarted }: FindsInit): Finds {
  const ask = (pattern: Pattern, how: { limit: number; deadlineMs: number; standing?: boolean; trace?: boolean }) =>
    defer(() => {
      const asked = { pattern, history: [], asking: [], id: newId(), ...how }
      return search.ask({ search: asked, as: ownUrl(), own: true })
    }).pipe(map(withoutRefusal))

  const find = (given: string | Pattern, options: FindOptions, trace: boolean): Observable<FindNews> =>
    whenStarted(() => {
      const { limit = DEFAULT_LIMIT, timeoutMs = DEFAULT_FIND_TIMEOUT_MS } = options
      within('limit', limit, 1, MAX_LIMIT)
      within('timeoutMs', timeoutMs, 1, 120_000)
      const found = createFound()
      return ask(checked(given), { limit, deadlineMs: timeoutMs, trace }).pipe(
        concatMap((news): Observable<FindNews> => {
          if (news.type === 'ended') return of({ type: 'ended', how: news.how === 'late' ? 'late' : 'all' })
          if (news.type !== 'found') return EMPTY
          const hits = news.hits.map((hit): FindNews => ({ type: 'hit', hit: found(hit) }))
          const traces = (news.traces ?? []).map((each): FindNews => ({ type: 'trace', trace: each }))
          // More is asked for when these have been taken.
          return concat(from([...hits, ...traces]), andThen(news.next))
        })
      )
    })

  return {
    find: (pattern, options = {}) =>
      find(pattern, options, false).pipe(
        filter((news) => news.type === 'hit'),
        map(({ hit }) => hit)
      ),
    trace: (pattern, options = {}) => find(pattern, options, true),
    watch: (given) =>
      whenStarted(() => {
        const pattern = checked(given)
        const how = { limit: MAX_LIMIT, deadlineMs: MAX_STANDING_MS, standing: true }
        return standing({ ask: () => ask(pattern, how), joined$, seed: hash53(newId(), 0), scheduler })
      })
  }
}

/** Puts holders that become known one after the other together. Holds as many files as are wanted. */
function createFound(): (hit: Hit) => FoundFile {
  const files = new Map<string, FoundFile>()
  return (hit) => {
    const key = keyOf(hit)
    const known = files.get(key)
    const file = known === undefined ? { key, ...hit } : joined(known, hit)
    files.set(key, file)
    return file
  }
}

function joined(known: FoundFile, { name, holders, relays, hops }: Hit): FoundFile {
  const passing = [...new Set([...(known.relays ?? []), ...(relays ?? [])])].slice(0, MAX_FOUND_RELAYS)
  const { otherNames = [] } = known
  const isOther = name !== known.name && !otherNames.includes(name) && otherNames.length < MAX_OTHER_NAMES
  return {
    ...known,
    ...(isOther ? { otherNames: [...otherNames, name] } : {}),
    holders: [...new Set([...known.holders, ...holders])].slice(0, MAX_FOUND_HOLDERS),
    ...(passing.length === 0 ? {} : { relays: passing }),
    hops: Math.min(known.hops, hops)
  }
}

function checked(given: string | Pattern): Pattern {
  const pattern: Pattern =
    typeof given === 'string' ? { kind: /[*?[{]/.test(given) ? 'glob' : 'words', text: given } : given
  if (isPattern(pattern)) return pattern
  const { text } = pattern
  if (text.length > MAX_PATTERN_CHARS) throw new P2pError('BAD_PATTERN', 'The pattern is too long')
  if (text.trim() === '') throw new P2pError('BAD_PATTERN', 'The pattern is empty')
  throw new P2pError('BAD_PATTERN', 'Lines are looked for by words or a regular expression')
}

/** The only refusals of our own: neighbours' are traces. */
function withoutRefusal(news: SearchNews): SearchNews {
  if (news.type === 'bad-pattern') throw new P2pError('BAD_PATTERN', news.detail)
  if (news.type !== 'ended' || news.how !== 'declined') return news
  throw new P2pError('BUSY', 'Too many finds are running')
}

const andThen = (work: () => void) => defer(() => (work(), EMPTY))
