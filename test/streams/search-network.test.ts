import { firstValueFrom, type Observable, Subject, tap, toArray } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { fullMesh, hopsFrom, linkCount, randomRings, star } from '../../bench/graphs.js'
import type { FailureReason, Finding, Hit, Search } from '../../src/streams/ports.js'
import { createSearch } from '../../src/streams/search.js'
import { createVirtualClock } from '../../src/transport/memory/clock.js'
import { createMemoryNetwork, type MemoryNetworkOptions } from '../../src/transport/memory/network.js'
import { createRandom } from '../../src/transport/memory/random.js'
import { inboundWith } from '../compliance/inbound.js'
import { fileOf, matching } from './matching.js'

const LATENCY_MS = 20
const DEADLINE_MS = 15_000
/** As far as a find goes. */
const REACH_HOPS = 5

const urlOf = (at: number) => `http://p${at}:1`

type Graph = readonly (readonly number[])[]
const ring = (peers: number): Graph =>
  Array.from({ length: peers }, (_, at) => [(at + peers - 1) % peers, (at + 1) % peers])
const chain = (peers: number): Graph =>
  Array.from({ length: peers }, (_, at) => [at - 1, at + 1].filter((to) => to >= 0 && to < peers))

/** Peers that each share so many files, all of which fit `file`, and one whose content they all have. */
async function startPeers(graph: Graph, { files = 3, ...options }: MemoryNetworkOptions & { files?: number } = {}) {
  const clock = createVirtualClock()
  const network = createMemoryNetwork({ clock, latencyMs: LATENCY_MS, ...options })
  const stop$ = new Subject<void>()
  const reported: [at: number, url: string, reason: FailureReason][] = []
  let ids = 0
  const peers = graph.map((neighbours, at) => {
    const transport = network.join(urlOf(at))
    const share = matching([
      ...Array.from({ length: files }, (_, file) => fileOf(`file ${file} of p${at}.`)),
      fileOf(`common ${at}`, 'common')
    ])
    const search = createSearch({
      find: transport.find,
      match: share.match,
      neighbours: () => neighbours.map(urlOf),
      report: (url, reason) => reported.push([at, url, reason]),
      newId: () => `seed of ${at}`,
      scheduler: clock.scheduler,
      stop$
    })
    transport.listen(inboundWith({ searched: search.searched })).subscribe()
    const ask = (given: Partial<Search> = {}) => {
      const pattern = { kind: 'words', text: 'file' } as const
      const asked = {
        pattern,
        history: [],
        id: `${++ids}`,
        asking: [],
        limit: 1_000,
        deadlineMs: DEADLINE_MS,
        ...given
      }
      return search.ask({ search: asked, as: urlOf(at), own: true }) as Observable<Finding>
    }
    return { ask, share }
  })
  await clock.advance(0)

  /** All that one of them finds, with what it cost. */
  async function find(at: number, given: Partial<Search> = {}) {
    const startMs = clock.nowMs()
    const before = network.callsOf.find
    const hits: { hit: Hit; atMs: number }[] = []
    const finding$ = peers[at]?.ask(given) as Observable<Finding>
    const taken$ = finding$.pipe(
      tap((finding) => {
        if (finding.type !== 'found') return
        for (const hit of finding.hits) hits.push({ hit, atMs: clock.nowMs() - startMs })
        finding.next()
      })
    )
    const findings = await clock.runUntil(firstValueFrom(taken$.pipe(toArray())))
    const last = findings.at(-1)
    const traces = findings.flatMap((finding) => (finding.type === 'found' ? (finding.traces ?? []) : []))
    return {
      hits: hits.map(({ hit }) => hit),
      firstMs: Object.fromEntries(hits.toReversed().map(({ hit, atMs }) => [hit.holders[0] ?? '', atMs] as const)),
      traces,
      end: last?.type === 'ended' ? last.how : undefined,
      tookMs: clock.nowMs() - startMs,
      calls: network.callsOf.find - before
    }
  }
  return { clock, network, peers, find, reported, stop$ }
}

const namesOf = (hits: readonly Hit[]) => hits.map(({ name }) => name).sort()
const filesOf = (peers: readonly number[], files = 3) =>
  peers.flatMap((at) => Array.from({ length: files }, (_, file) => `file ${file} of p${at}.`)).sort()
const everybody = (graph: Graph) => graph.map((_, at) => at)
const alive = () => true

describe('a find', () => {
  test.each([
    { what: 'a star', graph: star(20), from: 1 },
    { what: 'a ring', graph: ring(9), from: 0 },
    { what: 'a full mesh', graph: fullMesh(20), from: 3 },
    { what: 'a random network', graph: randomRings(60, 6, createRandom(1)), from: 7 }
  ])('in $what brings the matches of each peer once, for two calls a link at most', async ({ graph, from }) => {
    const { find, network, clock } = await startPeers(graph)
    const { hits, end, calls } = await find(from)
    expect(namesOf(hits)).toEqual(filesOf(everybody(graph)))
    expect(end).toBe('all')
    expect(calls).toBeLessThanOrEqual(2 * linkCount(graph, alive))
    const hops = hopsFrom(graph, from, alive)
    for (const { holders, hops: told } of hits) {
      const [holder = ''] = holders
      const far = hops[everybody(graph).findIndex((at) => urlOf(at) === holder)] ?? -1
      expect(told).toBe(far)
    }
    await clock.advance(1_000)
    expect(network.openCalls()).toBe(0)
  })

  test('brings a match on the shortest way, there and back', async () => {
    const graph = randomRings(60, 6, createRandom(1))
    const { find } = await startPeers(graph)
    const hops = hopsFrom(graph, 7, alive)
    for (const at of [0, 1, 2, 3, 4]) {
      const { firstMs } = await find(7, { pattern: { kind: 'words', text: `file p${at}.` }, limit: 100 })
      expect(firstMs[urlOf(at)]).toBe((hops[at] ?? 0) * 2 * LATENCY_MS)
    }
  })

  test('in a full mesh of N costs N - 1 calls', async () => {
    const { find } = await startPeers(fullMesh(30))
    expect((await find(0)).calls).toBe(29)
  })

  test('goes as far as a query, and says by whom bytes can be passed on', async () => {
    const { find } = await startPeers(chain(9))
    const { hits, calls, end } = await find(0)
    expect(namesOf(hits)).toEqual(filesOf([0, 1, 2, 3, 4, 5]))
    expect({ calls, end }).toEqual({ calls: REACH_HOPS, end: 'all' })
    const farthest = hits.find(({ holders }) => holders[0] === urlOf(5))
    expect(farthest).toMatchObject({ hops: 5, relays: [urlOf(4), urlOf(3), urlOf(2), urlOf(1)] })
  })

  test('brings a content that all have as one, with each holder once', async () => {
    const graph = randomRings(40, 4, createRandom(3))
    const { find } = await startPeers(graph)
    const { hits } = await find(0, { pattern: { kind: 'words', text: 'common' }, limit: 2 })
    expect(new Set(hits.map(({ root }) => root)).size).toBe(1)
    expect(hits.flatMap(({ holders }) => holders).sort()).toEqual(everybody(graph).map(urlOf).sort())
  })

  test('goes as far as it may though the first copy came on a long way', async () => {
    // Over 1 to 4 it comes to 5 sooner than directly, and from there only one further.
    const graph: Graph = [[1, 5], [0, 2], [1, 3], [2, 4], [3, 5], [0, 4, 6], [5, 7], [6, 8], [7]]
    const { find, network } = await startPeers(graph, { latencyMs: 100 })
    for (const at of [1, 2, 3, 4]) network.join(urlOf(at), { latencyMs: 1 })
    expect(namesOf((await find(0)).hits)).toEqual(filesOf(everybody(graph)))
  })

  test('is not held up by a silent neighbour, which is reported, and ends late', async () => {
    const graph = randomRings(30, 6, createRandom(5))
    const { find, network, reported } = await startPeers(graph)
    const silent = graph[0]?.[0] ?? 1
    network.silence(urlOf(silent))
    const { hits, firstMs, end, tookMs } = await find(0)
    expect(namesOf(hits)).toEqual(filesOf(everybody(graph).filter((at) => at !== silent)))
    expect(Math.max(...Object.values(firstMs))).toBeLessThan(400)
    expect({ end, tookMs }).toEqual({ end: 'late', tookMs: DEADLINE_MS })
    expect(reported.filter(([at]) => at === 0)).toEqual([[0, urlOf(silent), 'timed-out']])
    // Who waited for it behind others said so in time, and is not blamed.
    expect(new Set(reported.map(([, url]) => url))).toEqual(new Set([urlOf(silent)]))
  })

  test('goes around the dead', async () => {
    const graph = randomRings(30, 6, createRandom(5))
    const { find, network, reported } = await startPeers(graph)
    network.kill(urlOf(4))
    const { hits, end } = await find(0)
    expect(namesOf(hits)).toEqual(filesOf(everybody(graph).filter((at) => at !== 4)))
    expect(end).toBe('all')
    expect(new Set(reported.map(([, url, reason]) => `${url} ${reason}`))).toEqual(new Set([`${urlOf(4)} refused`]))
  })

  test('is survived by all when the asker dies in the middle', async () => {
    const graph = randomRings(30, 6, createRandom(5))
    const { peers, network, clock } = await startPeers(graph)
    peers[0]?.ask().subscribe((finding) => {
      if (finding.type === 'found') finding.next()
    })
    await clock.advance(3 * LATENCY_MS)
    expect(network.openCalls()).toBeGreaterThan(10)
    network.kill(urlOf(0))
    await clock.advance(2 * REACH_HOPS * LATENCY_MS)
    expect(network.openCalls()).toBe(0)
  })

  test('leaves no open call when it is taken back, however far it had come', async () => {
    const graph = randomRings(30, 6, createRandom(5))
    const { peers, network, clock } = await startPeers(graph)
    for (const ms of [0, 10, 20, 30, 50, 70, 100, 150]) {
      const finding = peers[0]?.ask().subscribe((one) => {
        if (one.type === 'found') one.next()
      })
      await clock.advance(ms)
      finding?.unsubscribe()
      await clock.advance(2 * REACH_HOPS * LATENCY_MS)
      expect(network.openCalls()).toBe(0)
    }
  })

  test('stops everywhere when there is enough, and nobody has told much more than was wanted', async () => {
    const { find, peers, network, clock } = await startPeers(fullMesh(10), { files: 1_000 })
    const { hits, end } = await find(0, { limit: 50 })
    expect(hits).toHaveLength(50)
    expect(end).toBe('all')
    await clock.advance(2 * LATENCY_MS)
    expect(network.openCalls()).toBe(0)
    // In batches of two: what was on its way when it was over.
    for (const { share } of peers.slice(1)) expect(share.told()).toBeLessThan(30)
  })

  test('flows at the pace of the asker: who takes nothing more is told nothing more, through all relays', async () => {
    const { peers, clock } = await startPeers(chain(4), { files: 1_000 })
    let batches = 0
    const finding = peers[0]?.ask().subscribe(({ type }) => {
      if (type === 'found') batches++
    })
    await clock.advance(10_000)
    expect(batches).toBe(1)
    // A relay holds one batch of its neighbour's, and that one has been asked for one more.
    for (const { share } of peers) expect(share.told()).toBeLessThanOrEqual(3)
    finding?.unsubscribe()
  })

  test('traces every call of every peer', async () => {
    const graph: Graph = [[1, 2, 3], [0, 4], [0, 4], [0], [1, 2]]
    const { find, network } = await startPeers(graph)
    network.kill(urlOf(3))
    const { traces, calls } = await find(0, { trace: true })
    expect(traces).toHaveLength(calls)
    const told = traces
      .map(({ from, to, depth, outcome, hits }) => `${depth} ${from} > ${to}: ${outcome} ${hits}`)
      .sort()
    expect(told).toEqual([
      '0 http://p0:1 > http://p1:1: answered 6',
      '0 http://p0:1 > http://p2:1: answered 3',
      '0 http://p0:1 > http://p3:1: failed 0',
      '1 http://p1:1 > http://p4:1: answered 3',
      '1 http://p2:1 > http://p4:1: seen 0',
      '2 http://p4:1 > http://p2:1: seen 0'
    ])
  })
})

describe('a standing find', () => {
  test('tells of what is added anywhere, one way after it was, and nobody asks meanwhile', async () => {
    const { peers, network, clock } = await startPeers(chain(4))
    const names: string[] = []
    const finding = peers[0]?.ask({ standing: true, deadlineMs: 600_000 }).subscribe((one) => {
      if (one.type !== 'found') return
      names.push(...one.hits.map(({ name }) => name))
      one.next()
    })
    await clock.advance(1_000)
    expect(names.sort()).toEqual(filesOf([0, 1, 2, 3]))
    const { find: calls } = network.callsOf
    for (const at of [3, 1, 0]) {
      names.length = 0
      peers[at]?.share.add(fileOf(`file ${at} is new`))
      await clock.advance(at * LATENCY_MS)
      expect(names).toEqual([`file ${at} is new`])
      await clock.advance(1_000)
    }
    await clock.advance(300_000)
    expect(network.callsOf.find).toBe(calls)
    finding?.unsubscribe()
    await clock.advance(1_000)
    expect(network.openCalls()).toBe(0)
  })
})
