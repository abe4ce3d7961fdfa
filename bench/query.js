/** What a query costs: the book's rule and ours on the very same network in memory, on virtual time. */
import { firstValueFrom } from 'rxjs'
import { createVirtualClock } from '../dist/transport/memory/clock.js'
import { createMemoryNetwork } from '../dist/transport/memory/network.js'
import { createRandom } from '../dist/transport/memory/random.js'
import { fullMesh, hopsFrom, linkCount, randomRings, shuffled, star } from './graphs.js'
import { median, RUNS } from './processes.js'
import { joinByBook } from './rules/book.js'
import { joinByOurs } from './rules/ours.js'
import { grouped, printTable } from './table.js'
import { measureTree } from './tree.js'

const LATENCY_MS = 20
/** Calls that the book's rule may make here before it is only counted on paper: some ten seconds. */
const MAX_CALLS_RUN = 2_000_000
/** Time for all greetings, those of dead peers included. */
const WARM_UP_MS = 2_000

const urlOf = (at) => `http://p${at}:1`

/** Builds a network over a graph; `filesOf` tells what a peer shares. */
async function startPeers(joinBy, graph, { filesOf = () => [], dead = [], silent = [], timeoutMs, ...options } = {}) {
  const clock = createVirtualClock()
  const network = createMemoryNetwork({ clock, latencyMs: LATENCY_MS, ...options })
  for (const at of dead) network.kill(urlOf(at))
  for (const at of silent) network.silence(urlOf(at))
  const peers = graph.map((neighbours, at) => {
    const known = neighbours.map(urlOf)
    return joinBy({ network, clock, url: urlOf(at), known, files: new Set(filesOf(at)), timeoutMs })
  })
  await clock.advance(WARM_UP_MS)

  /** One query of one peer: its outcome, its virtual time, and the calls made until nothing is open any more. */
  async function query(at, name) {
    const before = network.calls
    const startMs = clock.nowMs()
    const outcome = await clock.runUntil(firstValueFrom(peers[at].query(name)), { maxMs: 60_000 })
    const tookMs = clock.nowMs() - startMs
    return { found: outcome.type === 'offered', tookMs, calls: () => network.calls - before }
  }
  const leave = () => {
    for (const peer of peers) peer.leave()
  }
  return { clock, network, query, leave }
}

/** Who asks k peers passes on what k - 1 of them ask, down to five hops. */
function callsByBook(peers) {
  let level = 1
  let calls = 0
  for (let hop = 1; hop <= 5; hop += 1) {
    level *= Math.max(0, peers - hop)
    calls += level
  }
  return calls
}

async function missInMesh(joinBy, peers, options) {
  const startedMs = performance.now()
  const { query, leave } = await startPeers(joinBy, fullMesh(peers), options)
  const { calls } = await query(0, 'nowhere.txt')
  leave()
  return { calls: calls(), realMs: performance.now() - startedMs }
}

async function meshTable() {
  const rows = [['peers', 'book', 'p2p-rx', 'N-1']]
  let callsPerSecond = 0
  for (const peers of [8, 12, 20, 50]) {
    const ours = await missInMesh(joinByOurs, peers)
    const onPaper = callsByBook(peers)
    let book = `not run: ${grouped(onPaper)} calls by arithmetic`
    if (onPaper <= MAX_CALLS_RUN) {
      // The count does not depend on latency; without any, all of it is one moment of virtual time.
      const { calls, realMs } = await missInMesh(joinByBook, peers, { latencyMs: 0 })
      callsPerSecond = calls / (realMs / 1_000)
      book = grouped(calls)
    } else {
      book += `, ${grouped(Math.round(onPaper / callsPerSecond))} s at ${grouped(Math.round(callsPerSecond))}/s here`
    }
    rows.push([peers, book, grouped(ours.calls), peers - 1])
  }
  printTable('Calls for a miss in a full mesh', rows)
}

async function starTable() {
  const neighbours = 50
  const filesOf = (at) => (at === neighbours ? ['x.txt'] : [])
  const rows = [['rule', 'time to the file', 'calls']]
  for (const [rule, joinBy] of RULES) {
    const { query, leave } = await startPeers(joinBy, star(neighbours), { filesOf })
    const { tookMs, calls, found } = await query(0, 'x.txt')
    rows.push([rule, found ? `${grouped(tookMs)} ms` : 'not found', calls()])
    leave()
  }
  printTable(`Star of ${neighbours} neighbours, ${LATENCY_MS} ms one way, the holder known last`, rows)
}

async function silentTable() {
  const neighbours = 8
  const rows = [['rule', 'time to the file']]
  const setting = { filesOf: (at) => (at === neighbours ? ['x.txt'] : []), silent: [1, 2, 3, 4, 5, 6, 7] }
  for (const [rule, joinBy, timeoutMs] of [
    ['book', joinByBook],
    ['book, lent a time-out of 5 s', joinByBook, 5_000],
    ['p2p-rx', joinByOurs]
  ]) {
    const { query, leave } = await startPeers(joinBy, star(neighbours), { ...setting, timeoutMs })
    const answer = await query(0, 'x.txt').catch(() => undefined)
    rows.push([rule, answer === undefined ? 'never' : `${grouped(answer.tookMs)} ms`])
    leave()
  }
  printTable(`${neighbours} neighbours, ${LATENCY_MS} ms one way, 7 of them silent, the holder known last`, rows)
}

async function largeTable() {
  const peers = 1_000
  const hits = 60
  const misses = 3
  const startedMs = performance.now()
  const random = createRandom(1)
  const graph = randomRings(peers, 6, random)
  const order = shuffled(peers, random)
  const dead = new Set(order.slice(0, peers / 10))
  const alive = order.slice(peers / 10)
  const isAlive = (at) => !dead.has(at)
  const network = await startPeers(joinByOurs, graph, { filesOf: (at) => [`${at}.txt`], dead, lossRate: 0.01 })

  let [sought, found] = [0, 0]
  for (const asker of alive.slice(0, hits)) {
    const hops = hopsFrom(graph, asker, isAlive)
    // The farthest ones are the hard ones: first all that are five hops away, then the nearer ones.
    const holder = alive.filter((at) => hops[at] <= 5).reduce((far, at) => (hops[at] > hops[far] ? at : far))
    sought += 1
    if ((await network.query(asker, `${holder}.txt`)).found) found += 1
  }
  let mostCalls = 0
  for (const asker of alive.slice(0, misses)) {
    const { calls } = await network.query(asker, 'nowhere.txt')
    await network.clock.advance(WARM_UP_MS)
    mostCalls = Math.max(mostCalls, calls())
  }
  network.leave()
  const links = linkCount(graph, isAlive)
  printTable(`${grouped(peers)} peers, degree 6, 10 % dead, 1 % of calls lost, ${LATENCY_MS} ms one way`, [
    ['what', 'measured', 'wanted'],
    ['files 5 hops away or as far as it goes, found', `${found} of ${sought}`, 'all'],
    ['calls per miss, most', grouped(mostCalls), `<= ${grouped(2 * links - alive.length)} (2 x links - peers)`],
    ['real time', `${((performance.now() - startedMs) / 1_000).toFixed(1)} s`, '< 20 s']
  ])
}

const RULES = [
  ['book', joinByBook],
  ['p2p-rx', joinByOurs]
]

async function treeTable() {
  const times = []
  for (let number = 0; number < RUNS; number++) times.push(await measureTree())
  printTable('Tree of three hops over HTTP, three silent leaves and a holder', [
    ['what', `median of ${RUNS}`, 'most', 'wanted'],
    [
      'last call closed after the first success',
      `${median(times).toFixed(1)} ms`,
      `${Math.max(...times).toFixed(1)} ms`,
      '<= 50 ms'
    ]
  ])
}

await meshTable()
await starTable()
await silentTable()
await treeTable()
await largeTable()
