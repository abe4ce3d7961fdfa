/** Connections between members: nothing is sent before it is known who is at the other end, and that he was there before. */
import { setMaxListeners } from 'node:events'
import { Agent, type AgentOptions, type ClientRequestArgs } from 'node:http'
import type { OnReadOpts, Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect, type TLSSocket } from 'node:tls'
import type { PeerUrl, Pins } from '../../streams/ports.js'
import { type Address, addressOf, type Carrier } from '../http/carrier.js'
import { dial } from '../http/dial.js'
import { CallFailed } from '../http/failure.js'
import type { PeerId } from './identity.js'
import type { Member } from './member.js'

/** Somebody else answers at an address than the one who was met there first. */
export interface IdChange {
  readonly url: PeerUrl
  readonly pinnedId: PeerId
  readonly id: PeerId
}

export interface MemberCarrierInit {
  readonly member: Member
  readonly pins: Pins
  /** For a whole handshake, from the first packet on. */
  readonly connectTimeoutMs: number
  readonly onIdChange: (change: IdChange) => void
}

export function createMemberCarrier(init: MemberCarrierInit): Carrier {
  const { member, pins } = init

  function refusal(socket: TLSSocket, address: string): CallFailed | undefined {
    const id = member.admit(socket)
    if (id === undefined) return new CallFailed('other-network', 'we do not talk to this peer')
    const pinnedId = pins.get(address)
    if (pinnedId === undefined) pins.set(address, id)
    if (pinnedId === undefined || pinnedId === id) return undefined
    init.onIdChange({ url: address, pinnedId, id })
    return new CallFailed('other-id', `${address} was ${pinnedId} at first contact and now is ${id}`)
  }

  function open(address: Address, opened: () => void, onread?: OnReadOpts): Socket {
    const { hostname, port } = address
    const socket = connect({
      ...member.clientOptions,
      host: hostname,
      port,
      ...(onread === undefined ? {} : { onread })
    })
    socket.setNoDelay(true)
    return socket.once('secureConnect', () => {
      const failure = refusal(socket, keyOf(address))
      if (failure === undefined) opened()
      else socket.destroy(failure)
    })
  }

  return {
    scheme: 'https:',
    readsOn: true,
    open,
    agent: (options) => new MemberAgent(options, open, init.connectTimeoutMs),
    idOf: (peer) => pins.get(pinnedUnder(peer))
  }
}

function keyOf({ hostname, port }: Address): PeerUrl {
  return `https://${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`
}

/** Under which address whoever answers at a URL is remembered. Throws {@link CallFailed} for what is no URL of a member. */
export function pinnedUnder(peer: PeerUrl): PeerUrl {
  return keyOf(addressOf(peer, { scheme: 'https:' }))
}

/** Hands connections to their requests only when they may be used, so that no request is written too early. */
class MemberAgent extends Agent {
  readonly #open: Carrier['open']
  readonly #connectTimeoutMs: number
  /** Ends what is being opened. */
  readonly #destroyed = new AbortController()

  constructor(options: AgentOptions, open: Carrier['open'], connectTimeoutMs: number) {
    super(options)
    this.#open = open
    this.#connectTimeoutMs = connectTimeoutMs
    // One for each connection that is being opened.
    setMaxListeners(Infinity, this.#destroyed.signal)
  }

  override createConnection(
    { host, port }: ClientRequestArgs,
    done: (error: Error | null, socket: Duplex) => void = () => undefined
  ): undefined {
    const address = { hostname: host ?? '', port: Number(port) }
    const { signal } = this.#destroyed
    dial({ open: this.#open, address, connectTimeoutMs: this.#connectTimeoutMs, signal }).then(
      (socket) => done(null, socket),
      // With an error Node looks at nothing else.
      (error: Error) => done(error, NO_SOCKET)
    )
  }

  override destroy(): void {
    this.#destroyed.abort()
    super.destroy()
  }
}

const NO_SOCKET = new Duplex()
