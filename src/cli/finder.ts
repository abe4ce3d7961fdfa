/** Through whom something is looked for: the peer that runs here, or one of our own for the moment. */
import { tmpdir } from 'node:os'
import { firstValueFrom, lastValueFrom, type Observable, throwError, timeout, toArray } from 'rxjs'
import type { ControlClient } from '../control/client.js'
import { findLines } from '../control/find-lines.js'
import { type FindBody, type FindLine, MAX_FIND_TIMEOUT_MS } from '../control/messages.js'
import { checkNetworkName, createPeer, type KnownPeer, type Offer, P2pError } from '../index.js'
import { type PeerFlags, peersOf } from './inputs.js'
import { asVisitor, firstPeers, type NetworkFlags } from './networks.js'
import { findRunningPeer, nobodyToAsk, orThrow, type RunningFlags, runningMembers } from './running.js'

/** How long a find waits for neighbours that do not end: the peer's own default. */
const DEFAULT_TIMEOUT_SECONDS = 15

export interface FinderFlags extends PeerFlags, RunningFlags, NetworkFlags {
  readonly timeout?: number
}

export interface Finder {
  readonly find: (body: FindBody) => Observable<FindLine>
  readonly query: (name: string) => Observable<Offer>
  /** Whom it knows by now. */
  readonly peers: () => Promise<readonly KnownPeer[]>
  readonly close: () => Promise<void>
}

/** Errors with USAGE. */
export async function finderOf(flags: FinderFlags): Promise<Finder> {
  const { typed, listed } = await peersOf(flags)
  const named = [...new Set([...typed, ...listed])]
  const client = named.length === 0 ? await runningPeer(flags) : undefined
  if (client !== undefined) {
    const timeoutMs = timeoutMsOf(flags)
    return {
      find: (body) => orThrow(client.find(body)),
      query: (name) => {
        const late = () => new P2pError('TIMEOUT', `Nobody offered ${name} in time`)
        return orThrow(client.query(name)).pipe(timeout({ first: timeoutMs, with: () => throwError(late) }))
      },
      peers: () => lastValueFrom(orThrow(client.peers()).pipe(toArray()), { defaultValue: [] }),
      close: () => Promise.resolve()
    }
  }
  const peers = named.length > 0 ? named : await thoseWhoInvited(flags)
  // Nothing is fetched, so any folder will do that can be written, which this one may not.
  const peer = createPeer({
    dir: tmpdir(),
    visitor: true,
    peers,
    network: await asVisitor(peers, flags),
    queryTimeoutMs: timeoutMsOf(flags)
  })
  return {
    find: (body) => findLines(peer, body),
    query: peer.query,
    peers: () => firstValueFrom(peer.peers$, { defaultValue: [] }),
    close: peer.close
  }
}

/** A longer one than a find may take is meant for `get`, in the environment. */
export function timeoutMsOf({ timeout: seconds = DEFAULT_TIMEOUT_SECONDS }: FinderFlags): number {
  return Math.min(Math.ceil(seconds * 1_000), MAX_FIND_TIMEOUT_MS)
}

/**
 * Whether somebody was waited for in vain, as far as time tells: each of five peers on the way keeps a tenth of it, and those
 * that answer take far less.
 */
export function waitedInVain(tookMs: number, timeoutMs: number): boolean {
  return tookMs >= timeoutMs / 2
}

/** Of a network that is named, its peer, and no other. */
async function runningPeer(flags: FinderFlags): Promise<ControlClient | undefined> {
  if (flags.network === undefined) return findRunningPeer(flags)
  const [member] = await runningMembers(checkNetworkName(flags.network), flags)
  return member?.client
}

/** Whoever has just joined a network need not start a peer to look around. Errors with USAGE. */
async function thoseWhoInvited(flags: FinderFlags): Promise<readonly string[]> {
  const isNamed = flags.dir !== undefined || flags.stateDir !== undefined
  const peers = isNamed ? [] : await firstPeers(flags)
  return peers.length > 0 ? peers : nobodyToAsk(flags)
}

/** That nobody has it can only be said when somebody was there to be asked. */
export function nothingFound(what: string, known: readonly KnownPeer[], late: boolean): P2pError {
  if (known.length === 0 || known.some(({ state }) => state !== 'failing')) {
    const advice = 'See who was asked with --trace.'
    return new P2pError('NOT_FOUND', `${what}${late ? ', though not all may have answered in time' : ''}`, { advice })
  }
  const silent = known.every(({ reason }) => reason === 'timed-out')
  return new P2pError(silent ? 'TIMEOUT' : 'NETWORK', `${what}: none of the known peers answered`)
}
