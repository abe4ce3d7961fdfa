/**
 * Search by name in a share of a million files, while files come and go: how long an answer takes, what the index costs,
 * and how long the event loop is held up.
 *
 *     npm run bench -- names [NAMES [QUERIES]]
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createCatalog } from '../dist/store/catalog.js'
import { createNameIndex } from '../dist/store/name-index.js'
import { compilePattern } from '../dist/store/patterns.js'
import { createSearch } from '../dist/store/search.js'
import { grouped, printTable } from './table.js'

/** Hits that a user gets who does not say how many. */
const LIMIT = 1_000
/** Every so often some are added, and as many removed: 1,000 a second. */
const [CHANGE_EVERY_MS, CHANGED] = [10, 10]

const [count = 1_000_000, queries = 500] = process.argv.slice(2).map(Number)

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc')

let state = 1
function random(below) {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
  return Math.floor((state / 2 ** 32) * below)
}
const oneOf = (list) => list[random(list.length)]
const year = () => 1990 + random(36)

const WORDS =
  'annual budget report invoice holiday summer winter beach family photo concert live album track music project draft final backup archive contract letter meeting notes recipe travel berlin paris london garden kitchen school lecture exercise thesis chapter figure data sample raw edited copy old new version plan schedule video clip trailer episode season screen shot scan receipt tax insurance bank statement medical health sport running bike mountain lake river forest birthday wedding party christmas easter übung straße café größe'.split(
    ' '
  )
const ENDINGS = ['jpg', 'JPG', 'png', 'pdf', 'docx', 'mp3', 'flac', 'mkv', 'mp4', 'txt', 'md', 'xlsx', 'zip']
const capital = (word) => word[0].toUpperCase() + word.slice(1)
const folderPart = () => (random(2) ? oneOf(WORDS) : `${capital(oneOf(WORDS))} ${year()}`)
const FOLDERS = Array.from({ length: 5_000 }, () => Array.from({ length: 1 + random(3) }, folderPart).join('/'))
const nameOf = (number) =>
  `${oneOf(FOLDERS)}/${oneOf(WORDS)} ${oneOf(WORDS)}${random(3) ? '' : ` ${year()}`} ${number}.${oneOf(ENDINGS)}`

/** What people type. */
const KINDS = {
  words: [
    () => oneOf(WORDS),
    () => `${oneOf(WORDS)} ${oneOf(WORDS)}`,
    () => `${capital(oneOf(WORDS))} ${year()}`,
    () => `${oneOf(WORDS)} ${oneOf(WORDS)} ${year()} ${oneOf(ENDINGS)}`,
    () => String(random(count)),
    () => `${oneOf(WORDS)} ${String(random(1_000))}`,
    () => oneOf(WORDS).slice(0, 3),
    () => `un${oneOf(WORDS)}able`
  ],
  glob: [
    () => `*.${oneOf(ENDINGS)}`,
    () => `${oneOf(WORDS)}*`,
    () => `*${oneOf(WORDS)}*${year()}*.${oneOf(ENDINGS)}`,
    () => `**/${capital(oneOf(WORDS))} ${year()}/**`,
    () => `*${oneOf(WORDS)}*.{${oneOf(ENDINGS)},${oneOf(ENDINGS)}}`,
    () => `* ${random(100_000)}[0-9].*`
  ],
  regex: [
    () => `${oneOf(WORDS)}.*${year()}`,
    () => `(?i)${oneOf(WORDS)} ${oneOf(WORDS)}`,
    () => `${random(100_000)}[0-9]?\\.${oneOf(ENDINGS)}$`,
    () => `^${capital(oneOf(WORDS))} [0-9]{4}/.*\\.md$`
  ],
  'nothing to go by': [() => `^(${oneOf(WORDS)}|${oneOf(WORDS)})x?/[a-z]+y$`]
}

const entry = (name) => ({ name, size: 1, modifiedMs: 0, identity: name })
const memory = () => {
  collectGarbage()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return { heapUsed, arrayBuffers }
}
const perName = (bytes) => `${(bytes / count).toFixed(0)} bytes a name`

const names = Array.from({ length: count }, (_, number) => nameOf(number))
/** The index alone, which is gone afterwards. */
function measureIndex() {
  const empty = memory()
  const startMs = performance.now()
  const index = createNameIndex()
  for (const name of names) index.add({ name })
  const ms = performance.now() - startMs
  const bitsBytes = memory().arrayBuffers - empty.arrayBuffers
  // It has to live until here to be weighed.
  index.candidates([]).next()
  return { ms, bitsBytes }
}

const { ms: indexMs, bitsBytes } = measureIndex()
const before = memory()
const catalog = createCatalog()
const putStartMs = performance.now()
for (const name of names) catalog.put(entry(name))
const putMs = performance.now() - putStartMs
const after = memory()

const { search, close } = createSearch({ catalog, root: () => '', searchContent: false })

/** How long until the first batch, and until the last that is wanted. */
function ask(pattern) {
  return new Promise((resolve, reject) => {
    const startMs = performance.now()
    let hits = 0
    let firstMs
    const end = () =>
      resolve({ firstMs: firstMs ?? performance.now() - startMs, ms: performance.now() - startMs, hits })
    const asking = search(pattern).subscribe({
      next({ files, next }) {
        firstMs ??= performance.now() - startMs
        hits += files.length
        if (hits < LIMIT) return next()
        asking.unsubscribe()
        end()
      },
      error: reject,
      complete: end
    })
  })
}

const percentile = (values, part) =>
  values.sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))]
const inMs = (ms) => `${ms.toFixed(1)} ms`

await ask({ kind: 'words', text: 'warm' })
let added = 0
let removed = 0
const changing = setInterval(() => {
  for (let i = 0; i < CHANGED; i++) {
    const name = nameOf(count + added++)
    names.push(name)
    catalog.put(entry(name))
    catalog.remove(names[removed++])
  }
}, CHANGE_EVERY_MS)

const rows = [
  ['pattern', 'queries', 'first hits p95', 'p50', 'p95', 'longest', 'hits, median', 'event-loop delay, longest']
]
for (const [what, makers] of Object.entries(KINDS)) {
  const kind = what in { words: 1, glob: 1 } ? what : 'regex'
  const asked = what === 'nothing to go by' ? Math.ceil(queries / 20) : queries
  const [firsts, times, hits] = [[], [], []]
  const delays = monitorEventLoopDelay({ resolution: 1 })
  delays.enable()
  for (let number = 0; number < asked; number++) {
    const answered = await ask({ kind, text: makers[number % makers.length]() })
    firsts.push(answered.firstMs)
    times.push(answered.ms)
    hits.push(answered.hits)
  }
  delays.disable()
  const figures = [percentile(firsts, 0.95), percentile(times, 0.5), percentile(times, 0.95), Math.max(...times)]
  rows.push([what, asked, ...figures.map(inMs), grouped(percentile(hits, 0.5)), inMs(delays.max / 1e6)])
}
clearInterval(changing)
await close()

const scanStartMs = performance.now()
const { fits } = compilePattern({ kind: 'words', text: 'budget invoice' })
const scanned = names.slice(0, count).filter((name) => fits(name)).length
const scanMs = performance.now() - scanStartMs

printTable(
  `${grouped(count)} names, ${grouped(added)} added and removed meanwhile, up to ${grouped(LIMIT)} hits each`,
  rows
)
printTable('What it costs', [
  ['what', 'figure'],
  ['put into the index', `${grouped(Math.round((count / indexMs) * 1_000))} names/s`],
  ['put into the catalog with its index', `${grouped(Math.round((count / putMs) * 1_000))} names/s`],
  ['memory of the bits', perName(bitsBytes)],
  ['memory of the catalog, without the names', perName(after.heapUsed - before.heapUsed)],
  ['for comparison: two words, each name looked at', `${inMs(scanMs)}, ${grouped(scanned)} hits`]
])
