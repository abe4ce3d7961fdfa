import { asapScheduler, catchError, defer, map, Observable, of } from 'rxjs'
import { P2pError } from '../../errors.js'
import { believedHits, believedTraces } from '../../streams/hits.js'
import type {
  Clock,
  ContactsOutcome,
  Failed,
  Finding,
  Greeting,
  HashesOutcome,
  Inbound,
  PeerUrl,
  RootOutcome,
  Transport
} from '../../streams/ports.js'
import { goneOrFailed, readFrom } from './body.js'
import { type Callee, type Fate, type OpenCall, placeCall } from './call.js'
import { frozenCopy } from './copy.js'
import { createRandom } from './random.js'

/** As much as a stream from a disk hands over at a time. */
const DEFAULT_CHUNK_BYTES = 64 * 1024

/** What peers do to each other. */
export type CallKind = 'hello' | 'ask' | 'read' | 'hashes' | 'root' | 'list' | 'contacts' | 'find'

/** A call, as it is made. */
export interface MemoryCall {
  readonly kind: CallKind
  /** Empty for a visitor. */
  readonly from: PeerUrl
  readonly to: PeerUrl
  /** By the clock of the network. */
  readonly atMs: number
  /** The file, where it is about one; of a find the text of its pattern. */
  readonly name?: string
}

/** How a network in memory behaves. */
export interface MemoryNetworkOptions {
  /** What a message takes one way, in milliseconds. Default: 0, which is still never at once. */
  readonly latencyMs?: number
  /** How many of all calls break, from 0 to 1: half of them before they arrive, half before the answer is back. Default: 0. */
  readonly lossRate?: number
  /** Decides which calls break; the same seed breaks the same calls. Default: 1. */
  readonly seed?: number
  /** Default: real time. */
  readonly clock?: Clock
  /** The most that a read hands over at a time, in bytes. Default: 65,536. */
  readonly chunkBytes?: number
  /** Told of each call when it is made. */
  readonly onCall?: (call: MemoryCall) => void
}

/** A network in one process. */
export interface MemoryNetwork {
  /**
   * The way into this network for the peer with this URL; an empty URL is a visitor, whom nobody can call.
   * With `latencyMs` its messages, and those to it, take that long instead; between two such peers the longer time counts.
   */
  readonly join: (url: PeerUrl, options?: { readonly latencyMs?: number }) => Transport
  /** From now on this peer hears nothing and answers nothing, but its connections stay open: a caller waits until it gives up. */
  readonly silence: (url: PeerUrl) => void
  /** This peer dies: its connections break, and nobody answers at its URL. It cannot call either. */
  readonly kill: (url: PeerUrl) => void
  /** Takes back `silence` and `kill`. */
  readonly revive: (url: PeerUrl) => void
  /** How many questions have been asked (`ask` only). */
  readonly calls: number
  /** How many calls of each kind have been made. */
  readonly callsOf: Readonly<Record<CallKind, number>>
  /** How many calls, of any kind, have not ended on both sides. */
  readonly openCalls: () => number
}

/**
 * A network for tests and simulations: it has latency, breaks connections, and its peers fall silent or die.
 * Under a virtual clock everything that happens follows from the seed.
 *
 * @example
 * ```ts
 * const network = createMemoryNetwork({ latencyMs: 20 })
 * const transport = network.join('http://alice')
 * transport.ask('http://bob', { name: 'todo.txt', history: [], asking: [], deadlineMs: 5000 }).subscribe(console.log)
 * // { type: 'failed', reason: 'refused', detail: 'Nobody listens at http://bob.' }
 * ```
 */
export function createMemoryNetwork({
  latencyMs = 0,
  lossRate = 0,
  seed = 1,
  // With no latency it delivers in a microtask, where asyncScheduler would take a millisecond for each message.
  clock: { scheduler } = { scheduler: asapScheduler },
  chunkBytes = DEFAULT_CHUNK_BYTES,
  onCall
}: MemoryNetworkOptions = {}): MemoryNetwork {
  const random = createRandom(seed)
  const listening = new Map<PeerUrl, Inbound>()
  const latencyMsOf = new Map<PeerUrl, number>()
  const silent = new Set<PeerUrl>()
  const dead = new Set<PeerUrl>()
  const open = new Set<OpenCall>()
  const callsOf = { hello: 0, ask: 0, read: 0, hashes: 0, root: 0, list: 0, contacts: 0, find: 0 }

  function drawFate(): Fate {
    if (lossRate === 0 || random() >= lossRate) return 'whole'
    return random() < 0.5 ? 'broken-before' : 'broken-after'
  }

  function calleeOf(from: PeerUrl, to: PeerUrl): Callee {
    const inbound = listening.get(to)
    if (inbound === undefined || dead.has(to) || dead.has(from)) return 'nobody'
    return silent.has(to) ? 'silent' : inbound
  }

  function listen(url: PeerUrl, inbound: Inbound): Observable<PeerUrl> {
    return new Observable((listener) => {
      if (listening.has(url)) {
        listener.error(new P2pError('PORT_IN_USE', `Somebody listens at ${url} already.`))
        return undefined
      }
      if (url !== '') listening.set(url, inbound)
      queueMicrotask(() => listener.next(url))
      return () => {
        if (url === '') return
        listening.delete(url)
        for (const openCall of [...open]) if (openCall.to === url) openCall.breakOff(url)
      }
    })
  }

  function wayMs(from: PeerUrl, to: PeerUrl): number {
    const own = [latencyMsOf.get(from), latencyMsOf.get(to)].filter((ms) => ms !== undefined)
    return own.length === 0 ? latencyMs : Math.max(...own)
  }

  /** Subscribed to, it is one call, counted and with its luck drawn. */
  function call<T extends object>(
    about: { kind: CallKind; from: PeerUrl; to: PeerUrl; name?: string },
    put: (inbound: Inbound) => Observable<T>
  ): Observable<T | Failed> {
    const { kind, from, to } = about
    return defer(() => {
      callsOf[kind] += 1
      onCall?.({ ...about, atMs: scheduler.now() })
      const callee = () => calleeOf(from, to)
      return placeCall({ from, to, latencyMs: wayMs(from, to), fate: drawFate(), scheduler, callee, open }, put)
    })
  }

  function join(url: PeerUrl, options: { readonly latencyMs?: number } = {}): Transport {
    if (options.latencyMs !== undefined) latencyMsOf.set(url, options.latencyMs)
    return {
      listen: (inbound) => listen(url, inbound),

      hello: (to) =>
        defer((): Observable<Greeting> => {
          if (to === url) return of({ type: 'failed', reason: 'ourselves', detail: `${url} is our own URL.` })
          const startMs = scheduler.now()
          return call({ kind: 'hello', from: url, to }, (inbound) => {
            if (url !== '') inbound.introduced(url)
            return of({ type: 'greeted' as const, dialect: 'p2prx' as const })
          }).pipe(
            map((greeting) =>
              greeting.type === 'greeted' ? { ...greeting, roundTripMs: scheduler.now() - startMs } : greeting
            )
          )
        }),

      ask: (to, question) => {
        const copy = frozenCopy(question)
        return call({ kind: 'ask', from: url, to, name: copy.name }, (inbound) => inbound.asked(copy, to))
      },

      read: (to, request) => {
        // The reader's memory is left alone: within a process nothing would be gained by it.
        const copy = frozenCopy(request)
        const stalled = () => silent.has(to)
        return call({ kind: 'read', from: url, to, name: copy.name }, (inbound) =>
          readFrom(inbound, copy, { chunkBytes, stalled })
        )
      },

      hashes: (to, request) => {
        const copy = frozenCopy(request)
        return call<HashesOutcome>({ kind: 'hashes', from: url, to }, (inbound) =>
          defer(() => inbound.hashes(copy)).pipe(
            map((hashes): HashesOutcome => ({ type: 'hashes', bytes: hashes.slice() })),
            catchError((thrown: unknown) => of<HashesOutcome>(goneOrFailed(thrown)))
          )
        )
      },

      rootOf: (to, name, waitMs) =>
        call<RootOutcome>({ kind: 'root', from: url, to, name }, (inbound) =>
          defer(() => rootAndSize(inbound, name, waitMs)).pipe(
            catchError((thrown: unknown) => of<RootOutcome>(goneOrFailed(thrown)))
          )
        ),

      list: (to, after) => call({ kind: 'list', from: url, to }, (inbound) => of(inbound.list(after))),

      find: (to, search) => {
        const copy = frozenCopy(search)
        const declined$ = of<Finding>({ type: 'ended', how: 'declined' })
        return call<Finding>({ kind: 'find', from: url, to, name: copy.pattern.text }, (inbound) =>
          defer(() => inbound.searched?.(copy, to) ?? declined$).pipe(catchError(() => declined$))
        ).pipe(map(believed))
      },

      contacts: (to) =>
        call<ContactsOutcome>({ kind: 'contacts', from: url, to }, (inbound) =>
          of({ type: 'contacts', contacts: inbound.contacts?.() ?? [] })
        )
    }
  }

  return {
    join,
    silence: (url) => {
      silent.add(url)
    },
    kill: (url) => {
      dead.add(url)
      for (const openCall of [...open]) if (openCall.from === url || openCall.to === url) openCall.breakOff(url)
    },
    revive: (url) => {
      silent.delete(url)
      dead.delete(url)
    },
    get calls() {
      return callsOf.ask
    },
    callsOf,
    openCalls: () => open.size
  }
}

async function rootAndSize(inbound: Inbound, name: string, waitMs: number): Promise<RootOutcome> {
  const waited = await inbound.rootOf(name, waitMs)
  const { root = waited, size, close } = await inbound.open(name)
  await close()
  return root === undefined ? { type: 'unknown' } : { type: 'root', root, size }
}

function believed(finding: Finding): Finding {
  if (finding.type !== 'found') return finding
  const { hits, traces } = finding
  return {
    ...finding,
    hits: believedHits(hits),
    ...(traces === undefined ? {} : { traces: believedTraces(traces) })
  }
}
