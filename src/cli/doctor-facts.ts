/** What `p2p-rx doctor` looks at: the peer that runs is asked, and where none does, the same is tried from here. */
import { constants } from 'node:fs'
import { access, stat, statfs } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, resolve } from 'node:path'
import { firstValueFrom, from, lastValueFrom, mergeMap, toArray } from 'rxjs'
import type { ControlClient } from '../control/client.js'
import type { Status } from '../control/messages.js'
import {
  createPeer,
  defaultStateDir,
  type KnownPeer,
  loadPeerKey,
  type NetworkOptions,
  P2pError,
  type Peer,
  probeMulticast,
  rememberedPeers,
  SOFTWARE,
  userNetworks
} from '../index.js'
import type { Facts, FolderFact, NetworkFact, PortFact } from './doctor-rules.js'
import { type PeerFlags, peersOf } from './inputs.js'
import { asVisitor, currentName, type NetworkFlags } from './networks.js'
import { greet } from './peers.js'
import { isLoopback } from './reach.js'
import { findRunningPeer, orThrow, type RunningFlags } from './running.js'

const DEFAULT_PORT = 4242
/** A port of this very computer is reached at once, or not at all. */
const CONNECT_TIMEOUT_MS = 2_000
/** Greetings under way at a time. */
const CONCURRENT_GREETINGS = 8

export interface FactFlags extends RunningFlags, NetworkFlags, PeerFlags {
  readonly open?: boolean
  readonly host?: string
  readonly port?: number
}

export async function gatherFacts(flags: FactFlags): Promise<Facts> {
  const client = await findRunningPeer(flags)
  const seen = client === undefined ? await lookedAt(flags) : await toldBy(client, flags)
  const { nearby, ...facts } = seen
  const { version } = SOFTWARE
  return {
    ...{ nowMs: Date.now(), version, nodeVersion: process.version },
    ...facts,
    ...(nearby ? { multicast: await probeMulticast() } : {})
  }
}

type Seen = Pick<Facts, 'running' | 'network' | 'folders' | 'ports' | 'peers'> & { readonly nearby: boolean }

async function toldBy(client: ControlClient, flags: FactFlags): Promise<Seen> {
  const status: Status = await firstValueFrom(orThrow(client.status()))
  const { url, dir, network, nearby, version, problems } = status
  const stateDir = flags.stateDir ?? defaultStateDir(dir, network?.name)
  return {
    nearby,
    running: { url, version, problems },
    network: network === undefined ? { type: 'open' } : { type: 'member', ...network },
    folders: [await folderFact('shared', dir), await folderFact('state', stateDir)],
    ports: await Promise.all((network?.addresses ?? [url]).map(reached)),
    peers: await lastValueFrom(orThrow(client.peers()).pipe(toArray()))
  }
}

/** That none can be chosen is told elsewhere. */
const nameOf = (flags: FactFlags) => currentName(flags).catch(() => undefined)

/** As `start` with the same flags would find it. */
async function lookedAt(flags: FactFlags): Promise<Seen> {
  const { dir, open = false } = flags
  const stateDir =
    flags.stateDir ?? (dir === undefined ? undefined : defaultStateDir(dir, open ? undefined : await nameOf(flags)))
  const state = stateDir === undefined ? undefined : await stateOf(stateDir)
  const { network, options, first } = await networkOf(flags, state)
  const { typed, listed } = await peersOf(flags)
  const contacts = [...(state?.contacts ?? []), ...[...first, ...typed, ...listed].map((url) => ({ urls: [url] }))]
  const host = flags.host ?? (open ? '127.0.0.1' : '0.0.0.0')
  const folders = [...(dir === undefined ? [] : [await folderFact('shared', resolve(dir))])]
  return {
    nearby: !open && !isLoopback(host),
    network,
    folders: state === undefined ? folders : [...folders, state.fact],
    ports: [await bound(host, flags.port ?? DEFAULT_PORT)],
    peers: network.type === 'failed' ? [] : await greeted(contacts, options, state)
  }
}

interface StateFolder {
  readonly fact: FolderFact
  readonly contacts: readonly Contact[]
}

type Contact = Awaited<ReturnType<typeof rememberedPeers>>[number] | { readonly urls: readonly string[] }

async function stateOf(stateDir: string): Promise<StateFolder> {
  const fact = await folderFact('state', stateDir)
  if (fact.state !== 'fine') return { fact, contacts: [] }
  try {
    return { fact, contacts: await rememberedPeers(stateDir) }
  } catch (error) {
    if (!(error instanceof P2pError)) throw error
    return { fact: { ...fact, state: error.code === 'STATE_IN_USE' ? 'in-use' : 'unreadable' }, contacts: [] }
  }
}

interface OurNetwork {
  readonly network: NetworkFact
  readonly options?: NetworkOptions | undefined
  /** Where members were met first. */
  readonly first: readonly string[]
}

/** As ourselves where we have been somebody already: others may have banned just us. */
async function networkOf(flags: FactFlags, state: StateFolder | undefined): Promise<OurNetwork> {
  if (flags.open) return { network: { type: 'open' }, first: [] }
  try {
    const name = await currentName(flags)
    const known = name === undefined ? undefined : await userNetworks().load(name)
    if (name === undefined || known === undefined) return { network: { type: 'none' }, first: [] }
    const first = await userNetworks().folder(name).peers()
    const visiting = await asVisitor(['https:'], { network: name })
    if (visiting === undefined || state?.fact.state !== 'fine')
      return { network: { type: 'member', name }, options: visiting, first }
    return {
      network: { type: 'member', name },
      options: { ...visiting, key: await loadPeerKey(state.fact.path) },
      first
    }
  } catch (error) {
    if (!(error instanceof P2pError)) throw error
    return { network: { type: 'failed', detail: error.message, advice: error.advice }, first: [] }
  }
}

async function greeted(
  contacts: readonly Contact[],
  network: NetworkOptions | undefined,
  state: StateFolder | undefined
): Promise<readonly KnownPeer[]> {
  const scheme = network === undefined ? 'http:' : 'https:'
  const ofOurKind = contacts
    .map((contact) => ({ ...contact, urls: contact.urls.filter((url) => url.startsWith(scheme)) }))
    .filter(({ urls }) => urls.length > 0)
  if (ofOurKind.length === 0) return []
  // With its state, who was met at an address before is known.
  const stateDir = state?.fact.state === 'fine' ? { stateDir: state.fact.path } : {}
  const peer = createPeer({ dir: tmpdir(), visitor: true, network, ...stateDir })
  try {
    await peer.ready()
    const rows$ = from(ofOurKind).pipe(
      mergeMap((contact) => greetAtAll(peer, contact), CONCURRENT_GREETINGS),
      toArray()
    )
    return distinct((await lastValueFrom(rows$)).flat())
  } finally {
    await peer.close()
  }
}

/** Where it answers, or why it does not, for each of its addresses. */
async function greetAtAll(peer: Peer, { urls, ...known }: Contact): Promise<readonly KnownPeer[]> {
  const rows: KnownPeer[] = []
  for (const url of urls) {
    const row = await firstValueFrom(greet(peer, url))
    if (row.state === 'up') return [row]
    rows.push({ ...known, ...row })
  }
  return rows
}

/** One row for each peer, or for each address of one that does not answer. */
function distinct(rows: readonly KnownPeer[]): readonly KnownPeer[] {
  return [...new Map(rows.map((row) => [row.state === 'up' ? (row.id ?? row.url) : row.url, row])).values()]
}

async function folderFact(use: FolderFact['use'], path: string): Promise<FolderFact> {
  const disk = await freeBytesAt(path)
  const fact = (state: FolderFact['state']): FolderFact => ({ use, path, state, ...disk })
  const about = await stat(path).catch((error: unknown) => (error as NodeJS.ErrnoException).code ?? 'EIO')
  if (about === 'ENOENT') return fact('missing')
  if (about === 'ENOTDIR') return fact('no-folder')
  if (typeof about === 'string') return fact('unreadable')
  if (!about.isDirectory()) return fact('no-folder')
  const may = (mode: number) =>
    access(path, mode).then(
      () => true,
      () => false
    )
  if (!(await may(constants.R_OK | constants.X_OK))) return fact('unreadable')
  return fact((await may(constants.W_OK)) ? 'fine' : 'unwritable')
}

/** Of the disk on which it lies, or will lie. */
async function freeBytesAt(path: string): Promise<{ readonly freeBytes?: number }> {
  try {
    const { bavail, bsize } = await statfs(path)
    return { freeBytes: bavail * bsize }
  } catch {
    const above = dirname(path)
    return above === path ? {} : freeBytesAt(above)
  }
}

/** What would become of a peer that listens there. */
function bound(host: string, port: number): Promise<PortFact> {
  const at = `Port ${port} of ${host}`
  const server = createServer()
  return new Promise((resolve_) => {
    server.once('error', ({ code = '' }: NodeJS.ErrnoException) =>
      resolve_({ at, state: code === 'EACCES' ? 'forbidden' : code === 'EADDRINUSE' ? 'in-use' : 'no-address' })
    )
    server.listen({ host, port }, () => server.close(() => resolve_({ at, state: 'free' })))
  })
}

function reached(url: string): Promise<PortFact> {
  const { hostname, port, protocol } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, '')
  return new Promise((resolve_) => {
    const socket = connect({ host, port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port) })
    const end = (state: PortFact['state']) => {
      socket.destroy()
      resolve_({ at: url, state })
    }
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => end('silent'))
    socket.once('connect', () => end('answers'))
    socket.once('error', () => end('silent'))
  })
}
