/** Serving: the server, the doors for each kind of neighbour, and the URL under which they reach us. */
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { Observable } from 'rxjs'
import { P2pError } from '../../errors.js'
import type { Inbound, PeerUrl } from '../../streams/ports.js'
import type { Member } from '../tls/member.js'
import { BOOK } from '../xmlrpc/book.js'
import { encodeFault, encodeResponse } from '../xmlrpc/codec.js'
import { foreignMethods, UNHANDLED } from '../xmlrpc/foreign.js'
import { p2prxMethods, type Self } from '../xmlrpc/p2prx.js'
import type { Door } from '../xmlrpc/serve.js'
import { MISSED_PAIR, SIMPLE, SIMPLE_PATH, simpleSpelling } from '../xmlrpc/simple.js'
import { withSystem } from '../xmlrpc/system.js'
import { createCallHandler } from './calls.js'
import { createDataHandler } from './files.js'
import type { HttpLimits } from './limits.js'
import type { RateLimits } from './rates.js'
import { createPeerServer } from './server.js'
import type { SlotLimits } from './slots.js'

export interface ListenInit {
  /** The spelling under which we announce ourselves; made of host and port when absent. */
  readonly url: PeerUrl | undefined
  readonly host: string
  /** 0 for any free one. */
  readonly port: number
  readonly self: Self
  readonly member: Member | undefined
  readonly limits: HttpLimits
  readonly slots: SlotLimits
  readonly rates: RateLimits
}

/** Emits our URL once neighbours can reach it; unsubscribing closes the server and every connection to it. */
export function listen(
  { url, host, port, self, member, limits, slots, rates }: ListenInit,
  inbound: Inbound
): Observable<PeerUrl> {
  return new Observable((subscriber) => {
    let announced = url ?? ''
    let announcedHost = url === undefined ? undefined : new URL(url).hostname
    const as = () => announced
    const running = { count: 0 }
    const main = createCallHandler(mainDoor(self, inbound, as, limits), limits, running)
    const simple = createCallHandler(simpleDoor(inbound, as, limits), limits, running)
    const data = createDataHandler({ holdings: inbound, limits, slots, rates })
    const { server, end } = createPeerServer({
      host,
      limits,
      announcedHost: () => announcedHost,
      data,
      member,
      calls: new Map([
        ['/', main],
        ['/RPC2', main],
        [SIMPLE_PATH, simple]
      ])
    })
    server.once('error', (error: NodeJS.ErrnoException) => subscriber.error(listenError(error, host, port)))
    server.listen({ host, port }, () => {
      const address = server.address() as AddressInfo
      announced = url ?? `${member === undefined ? 'http' : 'https'}://${reachable(host)}:${address.port}`
      announcedHost = new URL(announced).hostname
      subscriber.next(announced)
    })
    return () => {
      data.close()
      end()
    }
  })
}

function mainDoor(self: Self, inbound: Inbound, as: () => PeerUrl, { foreignDeadlineMs }: HttpLimits): Door {
  const speaker = { inbound, as, deadlineMs: foreignDeadlineMs }
  return {
    methods: withSystem(new Map([...p2prxMethods(self, speaker), ...foreignMethods(BOOK, speaker)])),
    overloaded: encodeFault(UNHANDLED, 'Too many calls at once')
  }
}

function simpleDoor(inbound: Inbound, as: () => PeerUrl, { foreignDeadlineMs }: HttpLimits): Door {
  const speaker = { inbound, as: () => simpleSpelling(as()), deadlineMs: foreignDeadlineMs }
  return { methods: withSystem(foreignMethods(SIMPLE, speaker)), overloaded: encodeResponse(MISSED_PAIR) }
}

/** Bound to every address we are reached under none of that name: others are told one of this machine's own. */
function reachable(host: string): string {
  if (host !== '0.0.0.0' && host !== '::') return host.includes(':') ? `[${host}]` : host
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1'
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): P2pError {
  if (error.code === 'EADDRINUSE') return new P2pError('PORT_IN_USE', `Port ${port} is in use.`, { cause: error })
  const advice = 'Choose another with --host or --port.'
  return new P2pError('NETWORK', `Cannot listen on ${host}:${port} (${error.code ?? error.message}).`, {
    advice,
    cause: error
  })
}
