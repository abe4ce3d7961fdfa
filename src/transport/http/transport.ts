/** The way out over real networks: one server for neighbours of every kind, and calls to them. */
import { randomUUID } from 'node:crypto'
import type { Agent, AgentOptions } from 'node:http'
import { defer, finalize, map, Observable, of, share, switchMap, tap, timeout } from 'rxjs'
import type {
  Cache,
  ContactsOutcome,
  Dialect,
  Failed,
  FileList,
  Greeting,
  HandOver,
  Inbound,
  Outcome,
  PeerUrl,
  Pins,
  Question,
  Transport
} from '../../streams/ports.js'
import { createMemberCarrier, type IdChange } from '../tls/carrier.js'
import type { Member } from '../tls/member.js'
import type { Line } from '../xmlrpc/call.js'
import { askForeign } from '../xmlrpc/foreign.js'
import { learn, respelled } from '../xmlrpc/learn.js'
import { askP2prx, contactsOf, listP2prx, rotateP2prx, type Self } from '../xmlrpc/p2prx.js'
import { abortable, failed, followed, isFailure } from './abortable.js'
import { addressesAt } from './addresses.js'
import { type Carrier, IN_THE_CLEAR } from './carrier.js'
import { DataPool } from './data/pool.js'
import { askHashes, askRoot, type DataLine, openRead } from './data/read.js'
import { createAsker } from './find/ask.js'
import {
  DEFAULT_LIMITS,
  FAIR_PART,
  type HttpLimits,
  MAX_CONTROL_SOCKETS_PER_PEER,
  MAX_FREE_SOCKETS_PER_PEER,
  MAX_SOCKETS
} from './limits.js'
import { listen } from './listen.js'
import { RateLimits, type Rates } from './rates.js'
import { DEFAULT_SLOTS } from './slots.js'

/** All calls of a greeting together: three round trips, and a neighbour that is busy with another caller. */
const HELLO_DEADLINE_MS = 5_000
/** To write a secret down. */
const HAND_OVER_DEADLINE_MS = 5_000
/** To one page of a list. */
const LIST_DEADLINE_MS = 10_000
/** From the first sign of an answer to its end: a neighbour that brings a large file first takes its time, but not for ever. */
const MAX_ANSWERING_MS = 600_000
/** Neighbours whose dialect is remembered, a few times the peers one knows; the one learnt first goes first. */
const MAX_LEARNT = 1_024

export interface HttpTransportOptions extends Self {
  /** The one spelling under which the peer announces itself. Default: made of host and port. */
  readonly url?: PeerUrl
  /** Address to listen on. Default: 127.0.0.1, which only this machine reaches. */
  readonly host?: string
  /** Port to listen on. Default: 0, any free one. */
  readonly port?: number
  /** Takes the content that foreign neighbours send. */
  readonly cache: Cache
  /** Puts off a call until there is room for it. */
  readonly budget: <T>(work$: Observable<T>) => Observable<T>
  /** A private network to be in; without one all is in the clear. */
  readonly network?: PrivateNetwork
  readonly limits?: Partial<HttpLimits>
  /** Password of a TinyP2P network to serve too. Only without a private network. */
  readonly tinyPassword?: string
  /** Peers that may download from us at once; others wait in a queue. Default: 16. */
  readonly uploadSlots?: number
  /** How fast bytes may go and come. Default: as fast as they can. */
  readonly rates?: Rates
}

export interface PrivateNetwork {
  readonly member: Member
  readonly pins: Pins
  readonly onIdChange: (change: IdChange) => void
}

/** What this transport can do beyond what every transport can. */
export interface HttpTransport extends Transport {
  /** In place of the rates before, also for what is under way. */
  readonly setRates: (rates: Rates) => void
  /** All URLs that lead to us; none until we listen. */
  readonly addresses: () => readonly PeerUrl[]
  readonly close: () => void
}

const MISSED: Outcome = { type: 'missed' }
const TIMED_OUT: Failed = { type: 'failed', reason: 'timed-out', detail: 'no answer in time' }
/** No fault of the neighbour's: what was learnt of it stays true. */
const NO_LISTS: Failed = { type: 'failed', reason: 'not-a-peer', detail: 'its dialect has no list of files' }

/**
 * A transport over HTTP. It has a URL only while somebody is subscribed to `listen`; a peer that calls without
 * listening is a visitor, who is not introduced to anybody.
 */
export function createHttpTransport(options: HttpTransportOptions): HttpTransport {
  const { url, host = '127.0.0.1', port = 0, cache, budget, network } = options
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const member = network?.member
  const carrier = network === undefined ? IN_THE_CLEAR : createMemberCarrier(network)
  // What can be proven is what is said.
  const self: Self = {
    get id() {
      return member?.id ?? options.id
    },
    software: options.software
  }
  const learnt = new Map<PeerUrl, Dialect>()
  const greetings = new Map<PeerUrl, Observable<Greeting>>()
  let us: PeerUrl | undefined
  let boundPort = port
  const addresses = () => (us === undefined ? [] : addressesAt(us, host, boundPort))
  // Only a peer that listens, and so is closed one day, keeps connections for calls.
  let control: Agent | undefined
  // Finds stay open for long: queries must not have to wait for their connections.
  let finds: Agent | undefined
  const slots = { ...DEFAULT_SLOTS, ...(options.uploadSlots === undefined ? {} : { slots: options.uploadSlots }) }
  const rates = new RateLimits(options.rates)
  const pool = new DataPool({
    carrier,
    limits,
    throttleFor: (holder) => ({
      sliceBytes: () => rates.download.sliceBytes(holder),
      take: (bytes) => rates.download.take(holder, bytes)
    })
  })
  const downloader = member?.id ?? randomUUID()
  const dataLine = (holder: PeerUrl, signal: AbortSignal): DataLine => ({
    pool,
    holder,
    self: downloader,
    limits,
    signal
  })

  const line = (peer: PeerUrl, signal: AbortSignal, agent?: Agent): Line => ({
    peer,
    agent,
    carrier,
    limits,
    signal
  })

  /** Learns anew what a neighbour speaks. Those who want to know at the same time share the calls. */
  function greeting(peer: PeerUrl): Observable<Greeting> {
    const running$ = greetings.get(peer)
    if (running$ !== undefined) return running$
    const greeting$ = abortable<Greeting>(async (signal) => {
      const startedMs = performance.now()
      const learnt = await learn(line(peer, signal), addresses(), self)
      // What was proven counts more than what is said.
      const id = carrier.idOf(peer)
      const roundTripMs = performance.now() - startedMs
      return { type: 'greeted', ...learnt, roundTripMs, ...(id === undefined ? {} : { id, proven: true }) }
    }).pipe(
      timeout({ first: HELLO_DEADLINE_MS, with: () => of(TIMED_OUT) }),
      tap((greeted) => {
        if (greeted.type === 'greeted') remember(peer, greeted.dialect)
        else learnt.delete(peer)
      }),
      finalize(() => greetings.delete(peer)),
      share()
    )
    greetings.set(peer, greeting$)
    return greeting$
  }

  function remember(peer: PeerUrl, dialect: Dialect): void {
    const [oldest] = learnt.keys()
    if (learnt.size >= MAX_LEARNT && oldest !== undefined) learnt.delete(oldest)
    learnt.set(peer, dialect)
  }

  /** Runs `work$` in the dialect of the neighbour, which is learnt first if need be, and forgotten when it fails. */
  function speaking<T extends object>(
    peer: PeerUrl,
    leftMs: number,
    work$: (dialect: Dialect) => Observable<T | Failed>
  ): Observable<T | Failed> {
    const known = learnt.get(peer)
    const spoken$ =
      known === undefined
        ? greeting(peer).pipe(switchMap((met) => (met.type === 'failed' ? of<T | Failed>(met) : work$(met.dialect))))
        : work$(known)
    return spoken$.pipe(
      timeout({ first: leftMs, each: MAX_ANSWERING_MS, with: () => of(TIMED_OUT) }),
      tap((outcome) => {
        if (isFailure(outcome) && outcome !== NO_LISTS) learnt.delete(peer)
      })
    )
  }

  function askIn(peer: PeerUrl, dialect: Dialect, question: Question, leftMs: () => number): Observable<Outcome> {
    const { history } = question
    return abortable<Outcome>((signal, emit) => {
      const deadlineMs = Math.max(0, Math.floor(leftMs()))
      const asked = { ...question, deadlineMs, history: respelled(history, us, dialect) }
      if (dialect === 'p2prx') return askP2prx(line(peer, signal, control), asked, emit)
      // It knows nothing of roots, and would send the whole file.
      if (question.root !== undefined) return Promise.resolve(MISSED)
      return askForeign(line(peer, signal), asked, dialect, { cache, us: us ?? '', emit })
    }, MISSED)
  }

  const find = createAsker({ carrier, limits, budget, speaking })

  return {
    listen: (inbound) =>
      defer(() => {
        const agent = carrier.agent(keepAlive(MAX_CONTROL_SOCKETS_PER_PEER, limits))
        control = agent
        // No bound here: their number has one, and whoever waits for a connection seems to be silent.
        const findAgent = carrier.agent({ keepAlive: true, maxFreeSockets: 1, timeout: limits.keepAliveTimeoutMs })
        finds = findAgent
        const init = { url, host, port, self, member, limits, slots, rates, tinyPassword: options.tinyPassword }
        return listen(init, ofOurKind(inbound, carrier)).pipe(
          map((bound) => {
            us = bound.url
            boundPort = bound.port
            return us
          }),
          finalize(() => {
            us = undefined
            control = undefined
            finds = undefined
            agent.destroy()
            findAgent.destroy()
            pool.closeAll()
          })
        )
      }),

    hello: (peer) => budget(defer(() => greeting(peer))),

    ask: (peer, question) =>
      defer(() => {
        const expiresAtMs = performance.now() + question.deadlineMs
        const leftMs = () => expiresAtMs - performance.now()
        // Taken now: the asker may change its lists while this waits for a place.
        let late: Outcome = MISSED
        const copy = { ...question, history: [...question.history], asking: [...question.asking] }
        return budget(
          defer(() => {
            // Waiting for a place has used up the time: no fault of the neighbour's.
            if (leftMs() <= question.deadlineMs * FAIR_PART) return of(MISSED)
            late = TIMED_OUT
            return speaking<Outcome>(peer, leftMs(), (dialect) => askIn(peer, dialect, copy, leftMs))
          })
        ).pipe(
          timeout({
            first: question.deadlineMs,
            with: () => {
              if (late === TIMED_OUT) learnt.delete(peer)
              return of(late)
            }
          })
        )
      }),

    read: (holder, request) =>
      new Observable((subscriber) => {
        const abort = new AbortController()
        const queued = (position: number) => subscriber.next({ type: 'queued', position })
        openRead(dataLine(holder, abort.signal), request, queued).then(
          (outcome) => {
            if (outcome.type !== 'body') {
              subscriber.next(outcome)
              subscriber.complete()
              return
            }
            subscriber.next({ ...outcome, bytes: followed(outcome.bytes, () => subscriber.complete()) })
          },
          (error: unknown) => {
            subscriber.next(failed(error))
            subscriber.complete()
          }
        )
        return () => abort.abort()
      }),

    hashes: (holder, request) => abortable((signal) => askHashes(dataLine(holder, signal), request)),

    rootOf: (holder, name, waitMs) => abortable((signal) => askRoot(dataLine(holder, signal), name, waitMs)),

    // On a connection of its own: who is at the other end is looked at now.
    ...(member === undefined
      ? {}
      : {
          handSecret: (peer: PeerUrl, secret: Uint8Array) =>
            abortable<HandOver>((signal) => rotateP2prx(line(peer, signal), secret)).pipe(
              timeout({ first: HAND_OVER_DEADLINE_MS, with: () => of(TIMED_OUT) })
            )
        }),

    addresses,

    setRates: (changed) => rates.set(changed),

    close: () => {
      pool.closeAll()
      // Nobody waits for his turn any more.
      rates.set({})
    },

    contacts: (peer) =>
      budget(
        defer(() =>
          speaking<ContactsOutcome>(peer, HELLO_DEADLINE_MS, (dialect) =>
            dialect === 'p2prx' ? abortable((signal) => contactsOf(line(peer, signal, control))) : of(NO_CONTACTS)
          )
        )
      ),

    find: (peer, search) =>
      defer(() => {
        const { history, asking } = search
        // Taken now: the asker may change its lists while this waits for a place.
        const copy = { ...search, history: respelled([...history], us, 'p2prx'), asking: [...asking] }
        return find(peer, copy, finds).pipe(
          tap((finding) => {
            if (finding.type === 'failed') learnt.delete(peer)
          })
        )
      }),

    list: (peer, after) =>
      budget(
        defer(() =>
          speaking<FileList>(peer, LIST_DEADLINE_MS, (dialect) =>
            dialect === 'p2prx' ? abortable((signal) => listP2prx(line(peer, signal, control), after)) : of(NO_LISTS)
          )
        )
      )
  }
}

/** No other dialect has a word for it. */
const NO_CONTACTS: ContactsOutcome = { type: 'contacts', contacts: [] }

/** A peer that is reached in another way is none of ours. */
function ofOurKind(inbound: Inbound, { scheme }: Carrier): Inbound {
  const introduced: Inbound['introduced'] = (url, about) => {
    const ours = about?.urls.filter((other) => other.startsWith(scheme))
    if (url.startsWith(scheme))
      inbound.introduced(url, about && { ...about, ...(ours === undefined ? {} : { urls: ours }) })
  }
  return { ...inbound, introduced }
}

function keepAlive(maxSockets: number, { keepAliveTimeoutMs }: HttpLimits): AgentOptions {
  return {
    keepAlive: true,
    maxSockets,
    maxTotalSockets: MAX_SOCKETS,
    maxFreeSockets: MAX_FREE_SOCKETS_PER_PEER,
    timeout: keepAliveTimeoutMs
  }
}
