/** How connections are made: in the clear, or between members of a private network. One peer does the one or the other. */
import { Agent, type AgentOptions } from 'node:http'
import { connect, type OnReadOpts, type Socket } from 'node:net'
import type { PeerUrl } from '../../streams/ports.js'
import { CallFailed } from './failure.js'

export interface Address {
  readonly hostname: string
  readonly port: number
}

export interface Carrier {
  /** Of the URLs of peers that are reached this way, and of our own. */
  readonly scheme: 'http:' | 'https:'
  /**
   * Opens a connection. Nothing may be sent on it before `opened` is called: then it is clear who is at the other end.
   * That it is the wrong one is an `error` of the socket.
   */
  readonly open: (address: Address, opened: () => void, onread?: OnReadOpts) => Socket
  /** What a socket emits when it may be used, or is about to be destroyed. */
  readonly openedEvent: 'connect' | 'secureConnect'
  /** Bytes may still come when reading has been stopped: those that are deciphered already. At most 80 KiB. */
  readonly readsOn: boolean
  /** Keeps connections for later calls. */
  readonly agent: (options: AgentOptions) => Agent
  /** Who a peer turned out to be; nothing in the clear, where nobody can tell. */
  readonly idOf: (peer: PeerUrl) => string | undefined
}

export const IN_THE_CLEAR: Carrier = {
  scheme: 'http:',
  openedEvent: 'connect',
  readsOn: false,
  open({ hostname, port }, opened, onread) {
    const socket = connect({ host: hostname, port, noDelay: true, ...(onread === undefined ? {} : { onread }) })
    return socket.once('connect', opened)
  },
  agent: (options) => new Agent(options),
  idOf: () => undefined
}

/** A connection for those who write at once: what they write is held back until it may be sent. */
export function openHeld({ open }: Pick<Carrier, 'open'>, address: Address): Socket {
  const socket = open(address, () => socket.uncork())
  socket.cork()
  return socket
}

const DEFAULT_PORTS = { 'http:': 80, 'https:': 443 }

/** Where a peer listens; any URL of another scheme is no peer of ours. */
export function addressOf(peer: PeerUrl, { scheme }: Pick<Carrier, 'scheme'>): Address {
  const url = URL.canParse(peer) ? new URL(peer) : undefined
  if (url?.protocol !== scheme) {
    const which = scheme === 'http:' ? 'an http URL' : 'an https URL, and this network is private'
    throw new CallFailed('not-a-peer', `${peer} is not ${which}`)
  }
  const port = url.port === '' ? DEFAULT_PORTS[scheme] : Number(url.port)
  return { hostname: url.hostname.replace(/^\[|\]$/g, ''), port }
}
