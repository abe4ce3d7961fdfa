import { firstValueFrom, Subject } from 'rxjs'
import { expect, test } from 'vitest'
import { hopsFrom, linkCount, randomRings, shuffled } from '../../bench/graphs.js'
import { createBudget } from '../../src/streams/budget.js'
import { createDirectory } from '../../src/streams/directory.js'
import { askablePeers } from '../../src/streams/directory-table.js'
import type { Clock } from '../../src/streams/ports.js'
import { createQuery } from '../../src/streams/query.js'
import { createVirtualClock } from '../../src/transport/memory/clock.js'
import { createMemoryNetwork, type MemoryNetwork } from '../../src/transport/memory/network.js'
import { createRandom } from '../../src/transport/memory/random.js'
import { inboundWith } from '../compliance/inbound.js'

const PEERS = 1_000
const DEGREE = 6
const LATENCY_MS = 20
/** As far as a query goes: the sixth peer in the history ends it. */
const REACH_HOPS = 5
const HITS = 15
const MISSES = 2
/** Of the processor, because other test files run beside this one. */
const MAX_CPU_MS = 20_000

const urlOf = (at: number) => `http://p${at}:1`

/** The actors of one peer, which has one file, named by its number. */
function join(network: MemoryNetwork, { scheduler }: Clock, at: number, neighbours: readonly number[]) {
  const url = urlOf(at)
  const transport = network.join(url)
  const stop$ = new Subject<void>()
  const budget = createBudget()
  const directory = createDirectory({ hello: (other) => budget(transport.hello(other)), scheduler, stop$ })
  let queries = 0
  const { ask } = createQuery({
    ask: (other, question) => budget(transport.ask(other, question)),
    find: ({ name }) => Promise.resolve(name === `${at}.txt` ? { name, size: 1, modifiedMs: 0 } : undefined),
    neighbours: () => askablePeers(directory.state()),
    report: (other, reason) => directory.send({ type: 'fail', url: other, reason }),
    newId: () => `${url}#${++queries}`,
    scheduler,
    stop$
  })
  const listening = transport
    .listen(
      inboundWith({
        introduced: (other) => directory.send({ type: 'introduce', url: other, told: false }),
        asked: (question, as) => ask({ question, as, own: false })
      })
    )
    .subscribe()
  for (const other of neighbours) directory.send({ type: 'introduce', url: urlOf(other), told: true })
  return {
    query: (name: string) =>
      firstValueFrom(ask({ question: { name, history: [], asking: [], deadlineMs: 15_000 }, as: url, own: true })),
    leave: () => {
      stop$.next()
      listening.unsubscribe()
    }
  }
}

test('among a thousand peers, a tenth of them dead, all within reach is found and a miss stays cheap', async () => {
  const cpuBefore = process.cpuUsage()
  const random = createRandom(42)
  const graph = randomRings(PEERS, DEGREE, random)
  const order = shuffled(PEERS, random)
  const dead = new Set(order.slice(0, PEERS / 10))
  const isAlive = (at: number) => !dead.has(at)
  const alive = order.filter(isAlive)

  const clock = createVirtualClock()
  const network = createMemoryNetwork({ clock, latencyMs: LATENCY_MS, lossRate: 0.01, seed: 42 })
  for (const at of dead) network.kill(urlOf(at))
  const peers = graph.map((neighbours, at) => join(network, clock, at, neighbours))
  const query = (asker: number, name: string) =>
    clock.runUntil(peers[asker]?.query(name) ?? Promise.reject(new Error()))
  // All greet each other first, as peers do that have been up for a while.
  await clock.advance(2_000)

  for (const asker of alive.slice(0, HITS)) {
    const hops = hopsFrom(graph, asker, isAlive)
    const within = alive.filter((at) => (hops[at] ?? Infinity) <= REACH_HOPS)
    // The farthest ones are the hard ones to find.
    const holder = within.reduce((far, at) => ((hops[at] ?? 0) > (hops[far] ?? 0) ? at : far), asker)
    const outcome = await query(asker, `${holder}.txt`)
    expect(outcome, `${hops[holder]} hops`).toMatchObject({ type: 'offered', offer: { holders: [urlOf(holder)] } })
    // Whatever else was under way is taken back, hop by hop.
    await clock.runUntil(() => network.openCalls() === 0, { maxMs: 2 * REACH_HOPS * LATENCY_MS })
  }

  const links = linkCount(graph, isAlive)
  for (const asker of alive.slice(0, MISSES)) {
    const before = network.calls
    expect(await query(asker, 'nowhere.txt')).toEqual({ type: 'missed' })
    await clock.runUntil(() => network.openCalls() === 0, { maxMs: 1_000 })
    expect(network.calls - before).toBeLessThanOrEqual(2 * links - alive.length)
    expect(network.calls - before).toBeGreaterThan(alive.length / 2)
  }
  for (const peer of peers) peer.leave()
  expect(process.cpuUsage(cpuBefore).user / 1_000).toBeLessThan(MAX_CPU_MS)
}, 60_000)
