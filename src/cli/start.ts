/** `p2p-rx start`: a peer that runs until it is told to stop, and that other commands of its user can use. */
import { resolve } from 'node:path'
import { firstValueFrom, map } from 'rxjs'
import { createLedger } from '../control/ledger.js'
import { type Control, createControl } from '../control/server.js'
import { socketPathOf } from '../control/socket.js'
import { createPeer, defaultStateDir, P2pError, type Peer, parsePeerUrl, type Rates } from '../index.js'
import { capOf } from './amounts.js'
import { createMissingFolder, type PeerFlags, peersOf, readSecret } from './inputs.js'
import { say, writeJson } from './output.js'
import { runShell } from './shell.js'
import { stoppedExitCode, watchStops } from './stop.js'

export interface StartFlags extends PeerFlags {
  readonly dir?: string
  readonly url?: string
  readonly host?: string
  readonly port?: number
  readonly secretFile?: string
  readonly stateDir?: string
  readonly up?: number
  readonly down?: number
  readonly upPerPeer?: number
  readonly downPerPeer?: number
  readonly slots?: number
  readonly cache?: number
  readonly shell: boolean
  readonly progress: boolean
  readonly json?: boolean
}

export async function start(flags: StartFlags): Promise<number> {
  const stops = watchStops()
  const { dir, url, host, port, shell, progress, json = false } = flags
  // Not commander's mandatory option: it would be missed before a misspelt --dir is noticed.
  if (dir === undefined)
    throw new P2pError('USAGE', 'There is no folder to share', { advice: 'Name one with --dir FOLDER.' })
  checkReach(url, host)
  const { typed, listed } = await peersOf(flags)
  const fetchSecret = flags.secretFile === undefined ? undefined : await readSecret(flags.secretFile)
  await createMissingFolder(dir)

  const stateDir = flags.stateDir ?? defaultStateDir(dir)
  const rates = ratesOf(flags)
  const limits = { uploadSlots: flags.slots, cacheBytes: flags.cache }
  const started = createPeer({ dir, url, host, port, peers: typed, fetchSecret, stateDir, rates, ...limits })
  const ledger = createLedger(started, rates)
  const { peer } = ledger
  const control = createControl({ ledger, socketPath: socketPathOf(stateDir), dir: resolve(dir) })
  if (json) peer.event$.subscribe(writeJson)
  try {
    const ready = await Promise.race([peer.ready(), firstValueFrom(stops.stop$.pipe(map(() => undefined)))])
    if (ready !== undefined) {
      await beReachable(control)
      say(`Sharing ${dir} at ${ready}`)
      say(shell ? 'Type help to see the commands, exit to leave.' : 'Ctrl-C stops it.')
      say(`Others join with: p2p-rx start --dir FOLDER --port 0 --peer ${ready}`)
      for (const url of listed) greet(peer, url)
      await (shell ? runShell(ledger, { stops, json, progress, limits }) : firstValueFrom(stops.stop$))
    }
    // To be asked to stop is how a service ends: nothing was left undone.
    return stops.reason === undefined || stops.reason === 'asked' ? 0 : stoppedExitCode(stops.reason)
  } finally {
    await control.close()
    await peer.close()
  }
}

/** A folder that cannot hold a socket is no reason not to share; another peer with the same state is. */
async function beReachable(control: Control): Promise<void> {
  const failed = await control.listen()
  if (failed === undefined) return
  const { code, message, advice } = failed
  if (code === 'STATE_IN_USE') throw new P2pError('STATE_IN_USE', message, { advice })
  say(`Warning: other commands cannot use this peer: ${message}. ${advice}`, 'yellow')
}

function ratesOf({ up, down, upPerPeer, downPerPeer }: StartFlags): Rates {
  return {
    uploadBytesPerSecond: capOf(up),
    downloadBytesPerSecond: capOf(down),
    uploadBytesPerSecondPerPeer: capOf(upPerPeer),
    downloadBytesPerSecondPerPeer: capOf(downPerPeer)
  }
}

/** One file may serve everybody, so whoever finds itself in it leaves itself out. Who cannot be reached shows in `peers`. */
function greet(peer: Peer, url: string): void {
  peer.hello(url).subscribe({ error: () => undefined })
}

/** Warns of a URL nobody can reach, and refuses to announce the wildcard: to others it means themselves. */
function checkReach(url: string | undefined, host: string | undefined): void {
  if (url === undefined) {
    if (host !== '0.0.0.0' && host !== '::') return
    const advice = "Add this computer's address, like --url http://192.168.1.7:4242."
    throw new P2pError('USAGE', `Nobody can call back the address ${host}`, { advice })
  }
  if (host === undefined && !isLoopback(new URL(parsePeerUrl(url)).hostname))
    say(`Warning: others cannot reach ${url} while only 127.0.0.1 listens; add --host 0.0.0.0.`, 'yellow')
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname)
}
