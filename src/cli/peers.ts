/** `p2p-rx peers`: which of the named peers answer, and what they speak; or whom the peer that runs knows. */
import { tmpdir } from 'node:os'
import {
  catchError,
  firstValueFrom,
  from,
  lastValueFrom,
  map,
  mergeMap,
  type Observable,
  reduce,
  take,
  takeUntil,
  tap
} from 'rxjs'
import type { ControlClient } from '../control/client.js'
import { createPeer, type KnownPeer, P2pError, type Peer } from '../index.js'
import { type PeerFlags, peersOf } from './inputs.js'
import { asVisitor, type NetworkFlags } from './networks.js'
import { answer, peerRow, say, writeJson } from './output.js'
import { tellPeer } from './peer-lines.js'
import { orThrow, type RunningFlags, requireRunningPeer } from './running.js'
import { selfLines } from './status.js'
import { stoppedExitCode, watchStops } from './stop.js'

/** Greetings under way at a time; the peer itself opens no more at once, whatever it is asked. */
const CONCURRENT_GREETINGS = 8

export interface PeersFlags extends PeerFlags, RunningFlags, NetworkFlags {
  readonly json?: boolean
  readonly verbose?: number
}

export async function peers(flags: PeersFlags): Promise<number> {
  const stops = watchStops()
  const { typed, listed } = await peersOf(flags)
  const urls = [...new Set([...typed, ...listed])]
  const show = (known: KnownPeer) => {
    if (flags.json) writeJson(known)
    else if (flags.verbose) tellPeer(answer, known, Date.now())
    else answer(...peerRow(known))
  }
  if (urls.length === 0) {
    let count = 0
    const client = await requireRunningPeer(flags)
    if (flags.verbose && !flags.json) await tellOurselves(client)
    const known$ = orThrow(client.peers()).pipe(
      tap((known) => {
        show(known)
        count += 1
      }),
      takeUntil(stops.stop$)
    )
    await lastValueFrom(known$, { defaultValue: undefined })
    if (stops.reason !== undefined) return stoppedExitCode(stops.reason)
    if (count === 0) say('No other peer is known yet.')
    return 0
  }
  // Nothing is fetched, so any folder will do that can be written, which this one may not.
  const peer = createPeer({ dir: tmpdir(), visitor: true, network: await asVisitor(urls, flags) })
  try {
    await peer.ready()
    // Rows come as the peers answer: a silent one holds up none of the others.
    const row$ = from(urls).pipe(
      mergeMap((url) => greet(peer, url), CONCURRENT_GREETINGS),
      tap(show),
      takeUntil(stops.stop$)
    )
    const someAnswer = await lastValueFrom(row$.pipe(reduce((some, { state }) => some || state === 'up', false)))
    if (stops.reason !== undefined) return stoppedExitCode(stops.reason)
    if (someAnswer) return 0
    throw new P2pError(
      'NETWORK',
      urls.length === 1 ? `${urls[0]} cannot be reached` : 'None of the peers can be reached'
    )
  } finally {
    await peer.close()
  }
}

/** In whose name the peer that runs knows the others. */
async function tellOurselves(client: ControlClient): Promise<void> {
  const { url, network } = await firstValueFrom(orThrow(client.status()))
  for (const line of selfLines(url, network)) answer(line)
}

/** Greets one; what it fails with is its row, not the end of the others'. */
export function greet(peer: Peer, url: string): Observable<KnownPeer> {
  return peer.hello(url).pipe(
    catchError((error: unknown) => {
      if (!(error instanceof P2pError)) throw error
      // The error is a sentence; the table of peers has the reason as a word.
      return peer.peers$.pipe(
        take(1),
        map((known) => known.find((one) => one.url === url) ?? { url, state: 'failing' as const, failures: 1 })
      )
    })
  )
}
