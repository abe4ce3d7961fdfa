/** `p2p-rx ls`: what a folder would share, or what a peer shares: one that is named, or the one that runs here. */
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { firstValueFrom, lastValueFrom, takeUntil, tap } from 'rxjs'
import type { ControlClient } from '../control/client.js'
import { createPeer, P2pError, parsePeerUrl, type SharedFile } from '../index.js'
import { requireFolder } from './inputs.js'
import { asVisitor, type NetworkFlags } from './networks.js'
import { answer, fileRow, say, writeJson } from './output.js'
import { findRunningPeer, orThrow, type RunningFlags } from './running.js'
import { type Stops, stoppedExitCode, watchStops } from './stop.js'

export interface LsFlags extends RunningFlags, NetworkFlags {
  readonly peer?: string
  readonly json?: boolean
}

export async function ls({ dir, stateDir, peer: url, network, json = false }: LsFlags): Promise<number> {
  const stops = watchStops()
  let count = 0
  const show = (files: readonly SharedFile[]) => {
    count += files.length
    for (const file of files)
      if (json) writeJson(file)
      else answer(fileRow(file))
  }
  const running = url === undefined ? await findRunningPeer({ stateDir, dir }) : undefined
  if (running === undefined && url === undefined && stateDir !== undefined)
    throw new P2pError('USAGE', `No peer runs with the state folder ${stateDir}`, {
      advice: 'Name the folder with --dir, or a peer with --peer.'
    })
  if (url !== undefined) await listPeer(parsePeerUrl(url), { network, show, stops })
  else if (running !== undefined) await listRunning(running, show, stops)
  else {
    await requireFolder(dir ?? '.')
    show(await listFolder(dir ?? '.'))
  }
  if (stops.reason !== undefined) return stoppedExitCode(stops.reason)
  if (count === 0) say(`${url ?? dir ?? (running ? 'Your peer' : '.')} has nothing to share.`)
  return 0
}

/** What the peer that runs shares; it has read the folder already. */
async function listRunning(client: ControlClient, show: (files: readonly SharedFile[]) => void, { stop$ }: Stops) {
  const file$ = orThrow(client.files()).pipe(
    tap((file) => show([file])),
    takeUntil(stop$)
  )
  await lastValueFrom(file$, { defaultValue: undefined })
}

interface Listing extends NetworkFlags {
  readonly show: (files: readonly SharedFile[]) => void
  readonly stops: Stops
}

/** Hands over page after page as it comes. */
async function listPeer(url: string, { network, show, stops: { stop$ } }: Listing): Promise<void> {
  // Nothing is fetched, so any folder will do that can be written, which this one may not.
  const peer = createPeer({ dir: tmpdir(), visitor: true, network: await asVisitor([url], { network }) })
  try {
    await peer.ready()
    await lastValueFrom(peer.list(url).pipe(tap(show), takeUntil(stop$)), { defaultValue: [] })
  } finally {
    await peer.close()
  }
}

/** What is shared is what the peer itself says of the folder; it listens for this moment only, to nobody. */
async function listFolder(dir: string): Promise<readonly SharedFile[]> {
  const peer = createPeer({ dir, port: 0, network: { secret: randomBytes(32) } })
  try {
    await peer.ready()
    return await firstValueFrom(peer.shared$, { defaultValue: [] })
  } finally {
    await peer.close()
  }
}
