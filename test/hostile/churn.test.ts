/** Fifty peers of which a third comes and goes every minute, for ten minutes of virtual time (T37). */
import { firstValueFrom, Subject } from 'rxjs'
import { expect, test } from 'vitest'
import { createBudget } from '../../src/streams/budget.js'
import { createDirectory } from '../../src/streams/directory.js'
import { askablePeers } from '../../src/streams/directory-table.js'
import { createQuery } from '../../src/streams/query.js'
import { createVirtualClock, type VirtualClock } from '../../src/transport/memory/clock.js'
import { createMemoryNetwork, type MemoryNetwork } from '../../src/transport/memory/network.js'
import { createRandom } from '../../src/transport/memory/random.js'
import { inboundWith } from '../compliance/inbound.js'

const PEERS = 50
const MINUTES = 10
/** Of the peers, each minute; as many come back. */
const CHURN = 0.3
const QUERIES_A_MINUTE = 60
/** Peers that a new one is told of: as many as a user would type. */
const TOLD = 3
const AWAY_MS = 45_000
const LATENCY_MS = 20

const urlOf = (at: number) => `http://p${at}:1`

/** The actors of one run of one peer, which has one file, named by its number. */
function join(network: MemoryNetwork, { scheduler }: VirtualClock, at: number, told: readonly number[]) {
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
    newId: () => `${url}#${scheduler.now()}#${++queries}`,
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
  for (const other of told) directory.send({ type: 'introduce', url: urlOf(other), told: true })
  return {
    query: (name: string) =>
      firstValueFrom(ask({ question: { name, history: [], asking: [], deadlineMs: 15_000 }, as: url, own: true })),
    known: () => directory.state().size,
    /** Ends, as a process does that is told to or that is killed. */
    leave: () => {
      stop$.next()
      listening.unsubscribe()
    },
    isObserved: () => stop$.observed || !listening.closed
  }
}

test('what a peer has is found while a third of all come and go every minute, and nothing is left in the end', {
  timeout: 60_000
}, async () => {
  const random = createRandom(7)
  const oneOf = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
  const clock = createVirtualClock()
  const network = createMemoryNetwork({ clock, latencyMs: LATENCY_MS, lossRate: 0.01, seed: 7 })
  const runs: ReturnType<typeof join>[] = []
  const here = new Map<number, ReturnType<typeof join>>()
  const sinceMs = new Map<number, number>()
  const back: { at: number; dueMs: number }[] = []

  const come = (at: number) => {
    const others = [...here.keys()].filter((other) => other !== at)
    const told = Array.from({ length: Math.min(TOLD, others.length) }, () => oneOf(others))
    network.revive(urlOf(at))
    const run = join(network, clock, at, told)
    runs.push(run)
    here.set(at, run)
    sinceMs.set(at, clock.nowMs())
  }
  const go = (at: number) => {
    const how = random()
    // One in five falls silent before it is gone: its cable was pulled.
    if (how < 0.2) network.silence(urlOf(at))
    else if (how < 0.6) network.kill(urlOf(at))
    here.get(at)?.leave()
    here.delete(at)
    back.push({ at, dueMs: clock.nowMs() + AWAY_MS * (0.5 + random()) })
  }

  for (let at = 0; at < PEERS; at++) come(at)
  await clock.advance(5_000)

  const stepMs = 60_000 / QUERIES_A_MINUTE
  const goings = (PEERS * CHURN) / QUERIES_A_MINUTE
  let [due, gone, asked, found] = [0, 0, 0, 0]
  const missed: string[] = []
  for (let step = 0; step < MINUTES * QUERIES_A_MINUTE; step++) {
    due += goings
    for (; due >= 1; due--) {
      go(oneOf([...here.keys()]))
      gone++
    }
    for (const one of back.splice(0)) {
      if (one.dueMs <= clock.nowMs()) come(one.at)
      else back.push(one)
    }
    await clock.advance(stepMs)
    // Who has just come has said hello to a few, but not yet to the one it asks for.
    const settled = [...here.keys()].filter((at) => clock.nowMs() - (sinceMs.get(at) ?? 0) > stepMs / 2)
    const [asker, holder] = [oneOf(settled), oneOf(settled)]
    const outcome = await clock.runUntil(here.get(asker)?.query(`${holder}.txt`) ?? Promise.reject(new Error()))
    asked++
    if (outcome.type === 'offered') found++
    else missed.push(`${asker} asked for ${holder} after ${Math.round(clock.nowMs() / 1_000)} s`)
  }

  expect(asked).toBe(600)
  expect(gone).toBe(PEERS * CHURN * MINUTES)
  expect(missed.slice(0, Math.max(0, missed.length - asked / 100))).toEqual([])
  expect(found / asked).toBeGreaterThanOrEqual(0.99)

  for (const run of here.values()) run.leave()
  expect(runs.length).toBeGreaterThan(PEERS + 100)
  expect(runs.filter((run) => run.isObserved())).toEqual([])
  // The clock says when there is nothing left on its timetable.
  await expect(clock.runUntil(() => false)).rejects.toThrow('nothing is left to happen')
  expect(network.openCalls()).toBe(0)
})
