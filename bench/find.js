/**
 * A find that asks 20 peers over HTTP, in one other process, with 10,000 files each: until the first hit is here, and until
 * all are. In the clear and between members; the first time, when nothing is known of the neighbours, and again.
 *
 *     npm run bench -- find [PEERS [FILES [RUNS]]]
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { lastValueFrom } from 'rxjs'
import { started } from './find/transport.js'
import { median, RUNS } from './processes.js'
import { grouped, printTable } from './table.js'

const PEERS = new URL('find/peers.js', import.meta.url).pathname
const DEADLINE_MS = 30_000

const [peers = 20, files = 10_000, runs = RUNS] = process.argv.slice(2).map(Number)

/** One find of all of them, its hits taken as they come. */
function find(transport, urls, text) {
  return new Promise((resolve) => {
    const startedMs = performance.now()
    let hits = 0
    let firstMs
    let open = urls.length
    const search = {
      pattern: { kind: 'words', text },
      history: [],
      asking: urls,
      limit: 250_000,
      deadlineMs: DEADLINE_MS
    }
    for (const url of urls)
      transport.find(url, { ...search, id: `${Math.random()}` }).subscribe({
        next(finding) {
          if (finding.type === 'failed' || finding.how === 'declined') throw new Error(JSON.stringify(finding))
          if (finding.type !== 'found') return
          firstMs ??= performance.now() - startedMs
          hits += finding.hits.length
          finding.next()
        },
        complete: () => (--open === 0 ? resolve({ hits, firstMs, allMs: performance.now() - startedMs }) : undefined)
      })
  })
}

async function measure(mode) {
  const child = fork(PEERS, [`${peers}`, `${files}`, mode])
  const [urls] = await once(child, 'message')
  const { transport } = await started(mode)
  const results = { first: [], all: [], rare: [], rareFirst: [] }
  let hits
  for (let run = 0; run < runs; run++) {
    const all = await find(transport, urls, 'music')
    const rare = await find(transport, urls, 'rare')
    hits = [all.hits, rare.hits]
    results.first.push(all.firstMs)
    results.all.push(all.allMs)
    results.rareFirst.push(rare.firstMs)
    results.rare.push(rare.allMs)
  }
  // Nothing is known of the neighbours, and no connection kept.
  const cold = []
  for (let run = 0; run < runs; run++) {
    const { transport: fresh } = await started(mode)
    await Promise.all(urls.map((url) => lastValueFrom(fresh.hello(url))))
    cold.push((await find(fresh, urls, 'rare')).firstMs)
    fresh.close()
  }
  child.disconnect()
  return { results, hits, cold }
}

const rows = [['what', 'in the clear', 'private', 'asked']]
const [open, closed] = [await measure('open'), await measure('private')]
const row = (what, of, asked) =>
  rows.push([what, ...[open, closed].map((each) => `${median(of(each)).toFixed(0)} ms`), asked])
row('first hit, no connection yet', ({ cold }) => cold, '< 100 ms')
row('first hit', ({ results }) => results.first, '< 100 ms')
row(`all ${grouped(open.hits[0])} hits`, ({ results }) => results.all, '< 1,000 ms')
row('first hit, 1 in 100 fits', ({ results }) => results.rareFirst, '< 100 ms')
row(`all ${grouped(open.hits[1])} hits, 1 in 100 fits`, ({ results }) => results.rare, '')
printTable(`${peers} peers with ${grouped(files)} files each, median of ${runs}`, rows)
process.exit()
