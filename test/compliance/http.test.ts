import { randomUUID } from 'node:crypto'
import { firstValueFrom, identity, type Observable, ReplaySubject } from 'rxjs'
import type { Cache, Inbound, Transport } from '../../src/streams/ports.js'
import { createHttpTransport, type PrivateNetwork } from '../../src/transport/http/transport.js'
import { newPeerKey } from '../../src/transport/tls/identity.js'
import { createMember } from '../../src/transport/tls/member.js'
import { inboundWith } from './inbound.js'
import { type TransportSetup, transportCompliance } from './transport.js'

const noCache: Cache = {
  keep: () => Promise.reject(new Error('nothing foreign is asked here')),
  find: () => undefined,
  open: () => Promise.reject(new Error('nothing foreign is asked here')),
  findRoot: () => undefined,
  openRoot: () => Promise.reject(new Error('nothing foreign is asked here')),
  hashes: () => Promise.reject(new Error('nothing foreign is asked here'))
}

function transport(network?: PrivateNetwork): Transport {
  return createHttpTransport({
    id: randomUUID(),
    software: { name: 'p2p-rx', version: 'test' },
    cache: noCache,
    budget: identity,
    ...(network === undefined ? {} : { network })
  })
}

/** Listens until told to end. */
async function listening(of: Transport, inbound: Inbound) {
  const url$ = new ReplaySubject<string>(1)
  const subscription = (of.listen(inbound) satisfies Observable<string>).subscribe(url$)
  return { url: await firstValueFrom(url$), end: () => subscription.unsubscribe() }
}

function membership(): PrivateNetwork {
  const pins = new Map<string, string>()
  return {
    member: createMember({ secret: Buffer.alloc(32, 1), key: newPeerKey() }),
    pins: {
      get: (address) => pins.get(address),
      set: (address, id) => void pins.set(address, id),
      forget: (address) => void pins.delete(address)
    },
    onIdChange: () => undefined
  }
}

const between =
  (make: () => Transport): TransportSetup =>
  async (inboundB) => {
    const [transportA, transportB] = [make(), make()]
    const [a, b] = await Promise.all([listening(transportA, inboundWith()), listening(transportB, inboundB)])
    const stop = () => {
      b.end()
      a.end()
      return Promise.resolve()
    }
    return { transportA, transportB, urlA: a.url, urlB: b.url, stop }
  }

transportCompliance(
  'http',
  between(() => transport())
)
transportCompliance(
  'https between members',
  between(() => transport(membership()))
)
