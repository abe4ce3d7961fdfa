/** Connections between members: nothing is sent before it is known who is at the other end, and that he was there before. */
import { Agent, type AgentOptions, type ClientRequestArgs } from 'node:http'
import type { OnReadOpts, Socket } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import type { PeerUrl, Pins } from '../../streams/ports.js'
import { type Address, addressOf, type Carrier, openHeld } from '../http/carrier.js'
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
  readonly onIdChange: (change: IdChange) => void
}

export function createMemberCarrier(init: MemberCarrierInit): Carrier {
  const { member, pins } = init

  function refusal(socket: TLSSocket, address: string): CallFailed | undefined {
    const id = member.admit(socket)
    if (id === undefined) return new CallFailed('unwanted', 'we do not talk to this peer')
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
    openedEvent: 'secureConnect',
    readsOn: true,
    open,
    agent: (options) => new MemberAgent(options, open),
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

/** Node counts connections by what it is given at once, so it is given them at once, and what it writes is held back. */
class MemberAgent extends Agent {
  readonly #open: Carrier['open']

  constructor(options: AgentOptions, open: Carrier['open']) {
    super(options)
    this.#open = open
  }

  override createConnection({ host, port }: ClientRequestArgs): Socket {
    return openHeld({ open: this.#open }, { hostname: host ?? '', port: Number(port) })
  }
}
