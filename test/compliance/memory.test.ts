import { firstValueFrom, type Observable, ReplaySubject } from 'rxjs'
import { createMemoryNetwork } from '../../src/transport/memory/network.js'
import { inboundWith } from './inbound.js'
import { type TransportSetup, transportCompliance } from './transport.js'

const urlA = 'http://127.0.0.1:4001'
const urlB = 'http://127.0.0.1:4002'

const setup =
  (latencyMs: number): TransportSetup =>
  async (inboundB) => {
    const network = createMemoryNetwork({ latencyMs })
    const transportA = network.join(urlA)
    const transportB = network.join(urlB)
    const listeners = [kept(transportA.listen(inboundWith())), kept(transportB.listen(inboundB))]
    await Promise.all(listeners.map(({ url }) => url))
    const stop = () => {
      for (const { end } of listeners) end()
      return Promise.resolve()
    }
    return { transportA, transportB, urlA, urlB, stop }
  }

/** Listens until told to end. */
function kept(url$: Observable<string>) {
  const replayed$ = new ReplaySubject<string>(1)
  const subscription = url$.subscribe(replayed$)
  return { url: firstValueFrom(replayed$), end: () => subscription.unsubscribe() }
}

transportCompliance('memory', setup(0))
transportCompliance('memory (5 ms)', setup(5))
