import { randomUUID } from 'node:crypto'
import { firstValueFrom, identity, type Observable, ReplaySubject } from 'rxjs'
import type { Cache, Inbound, Transport } from '../../src/streams/ports.js'
import { createHttpTransport } from '../../src/transport/http/transport.js'
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

function transport(): Transport {
  return createHttpTransport({
    id: randomUUID(),
    software: { name: 'p2p-rx', version: 'test' },
    cache: noCache,
    budget: identity
  })
}

/** Listens until told to end. */
async function listening(of: Transport, inbound: Inbound) {
  const url$ = new ReplaySubject<string>(1)
  const subscription = (of.listen(inbound) satisfies Observable<string>).subscribe(url$)
  return { url: await firstValueFrom(url$), end: () => subscription.unsubscribe() }
}

const setup: TransportSetup = async (inboundB) => {
  const [transportA, transportB] = [transport(), transport()]
  const [a, b] = await Promise.all([listening(transportA, inboundWith()), listening(transportB, inboundB)])
  const stop = () => {
    b.end()
    a.end()
    return Promise.resolve()
  }
  return { transportA, transportB, urlA: a.url, urlB: b.url, stop }
}

transportCompliance('http', setup)
