/** `p2p-rx start`: a peer that runs until it is told to stop, and that other commands of its user can use. */
import { resolve } from 'node:path'
import { firstValueFrom, map } from 'rxjs'
import { createLedger } from '../control/ledger.js'
import { rememberProblems } from '../control/problems.js'
import { type Control, createControl } from '../control/server.js'
import { socketPathOf } from '../control/socket.js'
import {
  createPeer,
  defaultStateDir,
  formatInvite,
  P2pError,
  type Peer,
  parsePeerUrl,
  type Rates,
  SOFTWARE
} from '../index.js'
import { capOf } from './amounts.js'
import { checkApart } from './apart.js'
import { createMissingFolder, type PeerFlags, peersOf, readSecret } from './inputs.js'
import { type Membership, type MembershipFlags, openMembership } from './membership.js'
import { currentName } from './networks.js'
import { say, writeJson } from './output.js'
import { isEverywhere, isLoopback } from './reach.js'
import { runShell } from './shell.js'
import { stoppedExitCode, watchStops } from './stop.js'

export interface StartFlags extends PeerFlags, MembershipFlags {
  readonly dir?: string | undefined
  /** No private network. */
  readonly open?: boolean
  readonly url?: string
  readonly host?: string
  readonly port?: number
  readonly secretFile?: string
  readonly tinyPasswordFile?: string
  readonly stateDir?: string
  readonly up?: number
  readonly down?: number
  readonly upPerPeer?: number
  readonly downPerPeer?: number
  readonly slots?: number
  readonly cache?: number
  /** Whether others may look for what is in the files. */
  readonly searchContent?: boolean
  /** Whether those nearby are looked for. */
  readonly lan: boolean
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
  const open = flags.open === true
  checkReach(url, host, open)
  const { typed, listed } = await peersOf(flags)
  const fetchSecret = flags.secretFile === undefined ? undefined : await readSecret(flags.secretFile)
  const tinyPassword = await tinyPasswordOf(flags)
  const stateDir = flags.stateDir ?? defaultStateDir(dir, open ? undefined : await currentName(flags))
  if (dir !== '') await checkApart(dir, stateDir)
  // Members of a private network alone are let in, so others may knock: an invite is of use on other machines then.
  const listenAt = host ?? (open ? '127.0.0.1' : '0.0.0.0')
  checkPeers(typed, open)
  const fitting = ofKind(listed, open, flags.peers)
  await createMissingFolder(dir)
  const membership = open ? undefined : await openMembership(flags, stateDir)

  const rates = ratesOf(flags)
  const limits = { uploadSlots: flags.slots, cacheBytes: flags.cache }
  const network = membership?.options
  const started = createPeer({
    ...{ dir, url, host: listenAt, port, network, peers: typed, fetchSecret, tinyPassword, stateDir, rates },
    ...limits,
    searchContent: flags.searchContent === true,
    ...(flags.lan ? {} : { lan: false })
  })
  const ledger = createLedger(started, rates)
  const { peer } = ledger
  const control = createControl({
    ledger,
    socketPath: socketPathOf(stateDir),
    dir: resolve(dir),
    version: SOFTWARE.version,
    nearby: !open && flags.lan && !isLoopback(listenAt),
    problems: rememberProblems(peer.event$),
    network: membership?.control(peer)
  })
  if (json) peer.event$.subscribe(writeJson)
  const unfollow = membership?.follow(peer)
  try {
    const ready = await Promise.race([peer.ready(), firstValueFrom(stops.stop$.pipe(map(() => undefined)))])
    if (ready !== undefined) {
      await membership?.keepAddresses(peer)
      await beReachable(control)
      say(membership ? `Sharing ${dir} with the network ${membership.name} at ${ready}` : `Sharing ${dir} at ${ready}`)
      say(shell ? 'Type help to see the commands, exit to leave.' : 'Ctrl-C stops it.')
      if (membership === undefined) say(`Others join with: p2p-rx start --open --dir FOLDER --port 0 --peer ${ready}`)
      else tellInvite(membership, peer.addresses(), json)
      for (const url of [...fitting, ...(membership?.peers ?? [])]) greet(peer, url)
      await (shell ? runShell(ledger, { stops, json, progress, limits }) : firstValueFrom(stops.stop$))
    }
    // To be asked to stop is how a service ends: nothing was left undone.
    return stops.reason === undefined || stops.reason === 'asked' ? 0 : stoppedExitCode(stops.reason)
  } finally {
    unfollow?.()
    await control.close()
    await peer.close()
  }
}

/** Shown to somebody who looks at it; what is written to a file or a log stays without the secret. */
function tellInvite({ name, options }: Membership, addresses: readonly string[], json: boolean): void {
  if (json || !process.stderr.isTTY) say('Others join with an invite: p2p-rx invite prints one.')
  else {
    say('Others join with p2p-rx join and this invite. Whoever has it is a member:')
    say(formatInvite({ addresses, name, secret: options.secret }))
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

async function tinyPasswordOf({ open, tinyPasswordFile: file }: StartFlags): Promise<string | undefined> {
  if (file === undefined) return undefined
  if (open !== true)
    throw new P2pError('USAGE', 'TinyP2P speaks in the clear, and this peer is private', {
      advice: 'Add --open, or leave --tiny-password-file out.'
    })
  return await readSecret(file)
}

/** One file may serve everybody, so whoever finds itself in it leaves itself out. Who cannot be reached shows in `peers`. */
function greet(peer: Peer, url: string): void {
  peer.hello(url).subscribe({ error: () => undefined })
}

/** The one refusal of a first try: who came from an open network finds out here what changed. */
function checkPeers(urls: readonly string[], open: boolean): void {
  const wrong = urls.find((url) => url.startsWith('http:'))
  if (open || wrong === undefined) return
  throw new P2pError('USAGE', `${wrong} is in the open, and this peer is private`, {
    advice: 'Add --open to be in the open too, or join its private network with an invite.'
  })
}

/** One file may serve peers of both kinds. */
function ofKind(urls: readonly string[], open: boolean, file = ''): readonly string[] {
  const fitting = urls.filter((url) => url.startsWith('http:') === open)
  const others = urls.length - fitting.length
  const what = open ? 'private, and this one is in the open' : 'in the open, and this one is private'
  if (others > 0) say(`Warning: ${others} of the peers in ${file} left out: they are ${what}.`, 'yellow')
  return fitting
}

/** Warns of a URL nobody can reach, and refuses to announce the wildcard: to others it means themselves. */
function checkReach(url: string | undefined, host: string | undefined, open: boolean): void {
  if (url === undefined) {
    // Members are told all addresses of this machine.
    if (!open || host === undefined || !isEverywhere(host)) return
    const advice = "Add this computer's address, like --url http://192.168.1.7:4242."
    throw new P2pError('USAGE', `Nobody can call back the address ${host}`, { advice })
  }
  if (open && host === undefined && !isLoopback(new URL(parsePeerUrl(url)).hostname))
    say(`Warning: others cannot reach ${url} while only 127.0.0.1 listens; add --host 0.0.0.0.`, 'yellow')
}
