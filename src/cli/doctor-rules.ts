/** What `p2p-rx doctor` makes of what it has seen: facts in, findings out. Pure. */
import type { FailureReason, KnownPeer, Multicast } from '../index.js'
import { formatTime } from './amounts.js'
import { formatSize } from './output.js'
import { whyOf } from './peer-lines.js'

/** A piece and what the state needs; with less nothing can be fetched. */
const LEAST_FREE_BYTES = 16 * 1024 ** 2
/** Less is used up by one film. */
const SCARCE_BYTES = 1024 ** 3
/** A clock that differs by more was never set; times of files and certificates are shown wrong then. */
const MAX_CLOCK_MS = 120_000
/** Before this version was made, and after certificates of members have ended. */
const [EARLIEST_MS, LATEST_MS] = [Date.UTC(2025, 0), Date.UTC(2100, 0)]

/** What can be found out without judging it. */
export interface Facts {
  readonly nowMs: number
  readonly version: string
  readonly nodeVersion: string
  /** The peer of this user that runs; absent where none does, and it was looked from here. */
  readonly running?: { readonly url: string; readonly version: string; readonly problems: readonly string[] }
  readonly network: NetworkFact
  readonly folders: readonly FolderFact[]
  readonly ports: readonly PortFact[]
  /** By interface; absent where nobody is looked for nearby. */
  readonly multicast?: readonly Multicast[]
  readonly peers: readonly KnownPeer[]
}

export type NetworkFact =
  | { readonly type: 'member'; readonly name: string; readonly id?: string }
  | { readonly type: 'open' }
  | { readonly type: 'none' }
  | { readonly type: 'failed'; readonly detail: string; readonly advice: string }

export interface FolderFact {
  readonly use: 'shared' | 'state'
  readonly path: string
  readonly state: 'fine' | 'missing' | 'no-folder' | 'unreadable' | 'unwritable' | 'in-use'
  /** Of its disk; absent where that cannot be known. */
  readonly freeBytes?: number
}

export interface PortFact {
  /** Host and port, or the URL of the peer that runs. */
  readonly at: string
  /** `answers`, `silent`: of the peer that runs; the others: of one that would be started. */
  readonly state: 'answers' | 'silent' | 'free' | 'in-use' | 'forbidden' | 'no-address'
}

export interface Finding {
  /** `bad` does not work; `note` may matter, and nothing is broken. */
  readonly level: 'ok' | 'note' | 'bad'
  readonly check: 'version' | 'clock' | 'network' | 'folder' | 'disk' | 'port' | 'multicast' | 'peer' | 'problem'
  readonly text: string
  /** What to do about it. */
  readonly advice?: string
  /** Of a peer. */
  readonly url?: string
  readonly id?: string
  readonly reason?: FailureReason
}

type Said = Pick<Finding, 'level' | 'text'> & { readonly advice?: string }

export function judge(facts: Facts): readonly Finding[] {
  return [
    ...of('version', versionOf(facts)),
    ...of('clock', clockOf(facts)),
    ...of('network', networkOf(facts.network)),
    ...of('folder', facts.folders.map(folderOf)),
    ...of('disk', facts.folders.flatMap(diskOf)),
    ...of('port', facts.ports.map(portOf)),
    ...of('multicast', multicastOf(facts)),
    ...of(
      'problem',
      (facts.running?.problems ?? []).map((text) => ({ level: 'note', text: `The peer has said: ${text}` }))
    ),
    ...peersOf(facts)
  ]
}

const of = (check: Finding['check'], said: readonly Said[]): Finding[] => said.map((one) => ({ check, ...one }))

function versionOf({ version, nodeVersion, running }: Facts): Said[] {
  const us: Said = { level: 'ok', text: `p2p-rx ${version} on Node ${nodeVersion}` }
  if (running === undefined)
    return [us, { level: 'note', text: 'No peer of yours runs; looked from here as one that is started would' }]
  const there: Said = { level: 'ok', text: `The peer at ${running.url} runs` }
  if (running.version === version) return [us, there]
  const advice = 'Stop it and start it again.'
  return [us, { level: 'note', text: `The peer at ${running.url} runs with p2p-rx ${running.version}`, advice }]
}

function clockOf({ nowMs }: Facts): Said[] {
  if (nowMs >= EARLIEST_MS && nowMs < LATEST_MS) return [{ level: 'ok', text: 'The clock of this computer is set' }]
  const text = `The clock of this computer says ${new Date(nowMs).toISOString()}`
  return [{ level: 'bad', text, advice: 'Set it: certificates are not valid at that time.' }]
}

function networkOf(network: NetworkFact): Said[] {
  switch (network.type) {
    case 'member': {
      const us = network.id === undefined ? '' : `; this peer is ${network.id} there`
      return [{ level: 'ok', text: `A member of the private network ${network.name}${us}` }]
    }
    case 'open':
      return [{ level: 'note', text: 'In the open: everybody who reaches the port can read the shared folder' }]
    case 'none':
      return [
        {
          level: 'note',
          text: 'In no private network yet',
          advice: '`p2p-rx start` makes one, `p2p-rx join` joins one.'
        }
      ]
    case 'failed':
      return [{ level: 'bad', text: network.detail, advice: network.advice }]
  }
}

function folderOf({ use, path, state }: FolderFact): Said {
  const name = use === 'shared' ? `The shared folder ${path}` : `The state folder ${path}`
  const rights = 'Change its rights, as with chmod u+rwx, or name another one.'
  switch (state) {
    case 'fine':
      return { level: 'ok', text: `${name} can be read and written` }
    case 'missing':
      return { level: 'note', text: `${name} is not there yet`, advice: '`p2p-rx start` makes it.' }
    case 'no-folder':
      return { level: 'bad', text: `${name} is a file`, advice: 'Name another one.' }
    case 'unreadable':
      return { level: 'bad', text: `${name} cannot be read: its rights do not allow it`, advice: rights }
    case 'unwritable':
      return { level: 'bad', text: `${name} cannot be written: its rights or its disk do not allow it`, advice: rights }
    case 'in-use':
      return {
        level: 'bad',
        text: `${name} is used by another process that does not answer`,
        advice: 'End it, or name another folder with --state-dir.'
      }
  }
}

function diskOf({ path, freeBytes }: FolderFact): Said[] {
  if (freeBytes === undefined) return []
  const text = `${formatSize(freeBytes)} are free for ${path}`
  const advice = 'Make room: what is fetched would not fit.'
  if (freeBytes < LEAST_FREE_BYTES) return [{ level: 'bad', text, advice }]
  return freeBytes < SCARCE_BYTES ? [{ level: 'note', text, advice }] : [{ level: 'ok', text }]
}

function portOf({ at, state }: PortFact): Said {
  switch (state) {
    case 'answers':
      return { level: 'ok', text: `${at} answers, from this computer` }
    case 'silent':
      return {
        level: 'bad',
        text: `${at}, which others are told, does not answer even from this computer`,
        advice: 'See whether a firewall or router blocks it, or say with --url how others reach it.'
      }
    case 'free':
      return { level: 'ok', text: `${at} is free` }
    case 'in-use':
      return {
        level: 'bad',
        text: `${at} is in use by another program or peer`,
        advice: 'Choose another with --port, or --port 0 for any free one.'
      }
    case 'forbidden':
      return { level: 'bad', text: `${at} may not be used by you`, advice: 'Choose a port above 1023 with --port.' }
    case 'no-address':
      return { level: 'bad', text: `${at} is no address of this computer`, advice: 'Choose another with --host.' }
  }
}

function multicastOf({ multicast }: Facts): Said[] {
  if (multicast === undefined) return []
  const advice = 'Members nearby are not found by themselves then: name one with --peer, or use a new invite.'
  if (multicast.length === 0) return [{ level: 'note', text: 'This computer is on no local network', advice }]
  return multicast.map(({ address, state, others }): Said => {
    if (state === 'failed') return { level: 'bad', text: `Multicast cannot be sent on ${address}`, advice }
    if (state === 'silent')
      return { level: 'bad', text: `Multicast on ${address} is not even heard here: something blocks it`, advice }
    if (others > 0) return { level: 'ok', text: `Multicast works on ${address}; other computers were heard: ${others}` }
    const text = `Multicast works on ${address} as far as this computer; no other one was heard`
    return { level: 'ok', text }
  })
}

function peersOf({ peers }: Facts): Finding[] {
  if (peers.length === 0) {
    const advice = 'Invite somebody with `p2p-rx invite`, or join with `p2p-rx join`.'
    return [{ check: 'peer', level: 'note', text: 'No other peer is known yet', advice }]
  }
  return peers.flatMap((peer) => {
    const { url, id, reason, clockAheadMs = 0 } = peer
    const who = { check: 'peer', url, ...(id === undefined ? {} : { id }) } as const
    if (peer.state === 'new') return [{ ...who, level: 'note', text: `${url} has not been reached yet` } as const]
    if (peer.state === 'failing') {
      const level = reason === 'unwanted' || reason === 'ourselves' ? 'note' : 'bad'
      const advice = reason === undefined ? undefined : ADVICE[reason]
      const told = { ...who, level, text: `${url} cannot be used: ${whyOf(reason)}` } as const
      return [{ ...told, ...(reason && { reason }), ...(advice === undefined ? {} : { advice }) }]
    }
    const well: Finding = { ...who, level: 'ok', text: `${url} answers` }
    if (Math.abs(clockAheadMs) <= MAX_CLOCK_MS) return [well]
    const by = formatTime(Math.abs(clockAheadMs) / 1_000)
    const text = `The clock of ${url} is ${by} ${clockAheadMs > 0 ? 'ahead of' : 'behind'} that of this computer`
    return [well, { ...who, level: 'note', text, advice: 'See which of the two is wrong, and set it.' }]
  })
}

const ADVICE: Partial<Record<FailureReason, string>> = {
  refused: 'Ask its owner to start it, or for a new invite if it has another port now.',
  'no-name': 'Check the spelling, or the name server of this computer.',
  'no-route': 'Check that both computers are on the same network, or on one VPN.',
  'timed-out': 'Ask its owner whether it is on, and whether a firewall lets its port through.',
  reset: 'Try again; if it stays so, ask its owner.',
  'not-a-peer': 'Check the port.',
  'no-tls': 'Ask its owner to start it without --open, or start yours with it.',
  'other-network':
    'Ask its owner for an invite, and take it with `p2p-rx join`, or `p2p-rx join --replace` after a change.',
  'other-id': 'Ask its owner whether another computer has this address now, or the peer was set up anew.'
}
