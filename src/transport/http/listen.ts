/** Serving: the server, the doors for each kind of neighbour, and the URL under which they reach us. */
import type { AddressInfo } from 'node:net'
import { Observable } from 'rxjs'
import { P2pError } from '../../errors.js'
import type { Inbound, PeerUrl } from '../../streams/ports.js'
import type { Member } from '../tls/member.js'
import { BOOK } from '../xmlrpc/book.js'
import { encodeFault, encodeResponse } from '../xmlrpc/codec.js'
import { foreignMethods, type Speaker, UNHANDLED } from '../xmlrpc/foreign.js'
import { p2prxMethods, type Self } from '../xmlrpc/p2prx.js'
import type { Door, Method } from '../xmlrpc/serve.js'
import { MISSED_PAIR, SIMPLE, SIMPLE_PATH, simpleSpelling } from '../xmlrpc/simple.js'
import { withSystem } from '../xmlrpc/system.js'
import { tinyMethods } from '../xmlrpc/tiny.js'
import { addressesAt, spellingsAt, urlAt } from './addresses.js'
import { createCallHandler } from './calls.js'
import { createDataHandler } from './files.js'
import { FIND_PATH } from './find/message.js'
import { createFindHandler } from './find/serve.js'
import type { HttpLimits } from './limits.js'
import { createPace } from './pace.js'
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
  /** Of a TinyP2P network; without it we are in none. */
  readonly tinyPassword: string | undefined
}

/** Where we can be reached. */
export interface Bound {
  readonly url: PeerUrl
  readonly port: number
}

/** Emits our URL once neighbours can reach it; unsubscribing closes the server and every connection to it. */
export function listen(
  { url, host, port, self, member, limits, slots, rates, tinyPassword: password }: ListenInit,
  inbound: Inbound
): Observable<Bound> {
  return new Observable((subscriber) => {
    let announced = url ?? ''
    let boundPort = port
    let announcedHost = url === undefined ? undefined : new URL(url).hostname
    const speaker: Speaker = {
      inbound,
      as: () => announced,
      addresses: () => addressesAt(announced, host, boundPort),
      deadlineMs: limits.foreignDeadlineMs
    }
    const spellings = () => spellingsAt(announced, host, boundPort)
    const tiny = password === undefined ? [] : tinyMethods({ inbound, password, spellings })
    const running = { count: 0 }
    const pace = createPace(limits.callsPerSecond)
    const main = createCallHandler(mainDoor(self, speaker, tiny), limits, running, pace)
    const simple = createCallHandler(simpleDoor(speaker), limits, running, pace)
    const { searched } = inbound
    const find = searched && createFindHandler({ searched, as: () => announced, limits, running, pace })
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
        [SIMPLE_PATH, simple],
        ...(find === undefined ? [] : [[FIND_PATH, find] as const])
      ])
    })
    server.once('error', (error: NodeJS.ErrnoException) => subscriber.error(listenError(error, host, port)))
    server.listen({ host, port }, () => {
      const address = server.address() as AddressInfo
      boundPort = address.port
      announced = url ?? urlAt(member === undefined ? 'http' : 'https', host, boundPort)
      announcedHost = new URL(announced).hostname
      subscriber.next({ url: announced, port: boundPort })
    })
    return () => {
      data.close()
      end()
    }
  })
}

function mainDoor(self: Self, speaker: Speaker, others: Iterable<[string, Method]>): Door {
  return {
    methods: withSystem(new Map([...p2prxMethods(self, speaker), ...foreignMethods(BOOK, speaker), ...others])),
    overloaded: encodeFault(UNHANDLED, 'Too many calls at once')
  }
}

function simpleDoor(speaker: Speaker): Door {
  const simple = { ...speaker, as: () => simpleSpelling(speaker.as()) }
  return { methods: withSystem(foreignMethods(SIMPLE, simple)), overloaded: encodeResponse(MISSED_PAIR) }
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): P2pError {
  if (error.code === 'EADDRINUSE') return new P2pError('PORT_IN_USE', `Port ${port} is in use.`, { cause: error })
  const advice = 'Choose another with --host or --port.'
  return new P2pError('NETWORK', `Cannot listen on ${host}:${port} (${error.code ?? error.message}).`, {
    advice,
    cause: error
  })
}
