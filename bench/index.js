/**
 * The first start of a peer over a large folder, until every file is hashed, beside `openssl dgst -sha256` over the same
 * files in one process; a restart with nothing changed; and how long the event loop is held up meanwhile.
 *
 *     npm run bench -- index [GIB [FILES [RUNS]]]
 */
import { randomFillSync } from 'node:crypto'
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, MAIN, median, run, scratch, serve } from './processes.js'
import { grouped, printTable } from './table.js'

const DELAY = new URL('index-delay.js', import.meta.url).pathname
const FILES_PER_FOLDER = 200
/** Between two questions whether all is hashed: the first page with a file that is not is asked for again. */
const POLL_MS = 20
/** More than the peer gathers hashes before it writes them down. */
const WRITTEN_MS = 1_000

const [gib = 4, files = 20_000, runs = 3] = process.argv.slice(2).map(Number)
const share = scratch()
const names = Array.from({ length: files }, (_, i) => `${Math.floor(i / FILES_PER_FOLDER)}/${i}`)
const content = randomFillSync(Buffer.allocUnsafe(Math.floor((gib * 1024 ** 3) / files)))
for (const [number, name] of names.entries()) {
  if (number % FILES_PER_FOLDER === 0) mkdirSync(join(share, String(number / FILES_PER_FOLDER)))
  content.writeUInt32LE(number)
  writeFileSync(join(share, name), content)
  // A file that has just been written is not offered yet.
  utimesSync(join(share, name), 1e9, 1e9)
}

async function listPage(url, after) {
  const value = `<value><struct><member><name>after</name><value><string>${after}</string></value></member></struct></value>`
  const body = `<?xml version="1.0"?><methodCall><methodName>p2prx.list</methodName><params><param>${value}</param></params></methodCall>`
  const answer = await fetch(url, { method: 'POST', headers: { 'Content-Type': 'text/xml' }, body })
  const text = await answer.text()
  const members = (name) =>
    [...text.matchAll(new RegExp(`<name>${name}</name>\\s*<value>(?:<string>)?([^<]*)`, 'g'))].map(([, found]) => found)
  return { names: members('name'), roots: members('root').length }
}

/** Seconds from the start of the program until it lists all files with their roots. */
async function startUntilHashed(stateHome) {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const startedMs = performance.now()
  const peer = await serve(
    ...['env', `XDG_STATE_HOME=${stateHome}`, 'node', MAIN],
    ...['start', '--dir', share, '--port', `${port}`, '--no-shell']
  )
  for (let after = '', known = 0; known < files; ) {
    const page = await listPage(url, after)
    if (page.names.length > 0 && page.roots === page.names.length) {
      after = page.names.at(-1)
      known += page.roots
    } else {
      // Names come in any order while the folder is read: at the end of a list that is too short, begin again.
      if (page.names.length === 0) [after, known] = ['', 0]
      await sleep(POLL_MS)
    }
  }
  const seconds = (performance.now() - startedMs) / 1_000
  const peakMiB = peer.peakMiB()
  await sleep(WRITTEN_MS)
  await peer.stop()
  return { seconds, peakMiB }
}

const openssl = () => run('env', '-C', share, 'openssl', 'dgst', '-sha256', ...names)
const delay = async (stateHome) => {
  const { output } = await run('env', `XDG_STATE_HOME=${stateHome}`, 'node', DELAY, share, `${files}`)
  return JSON.parse(output)
}

await openssl()
const [first, again, other, ratios, p99, longest, peaks] = [[], [], [], [], [], [], []]
for (let number = 0; number < runs; number++) {
  // In turn, so that both have the same share of a machine whose speed wanders.
  const stateHome = scratch()
  const [ours, theirs] = [await startUntilHashed(stateHome), await openssl()]
  first.push(ours.seconds)
  other.push(theirs.seconds)
  ratios.push(ours.seconds / theirs.seconds)
  peaks.push(ours.peakMiB)
  again.push((await startUntilHashed(stateHome)).seconds)
  const { p99Ms, maxMs } = await delay(scratch())
  p99.push(p99Ms)
  longest.push(maxMs)
}
const inSeconds = (times) => `${median(times).toFixed(2)} s`
printTable(`${gib} GiB in ${grouped(files)} files, in the page cache, median of ${runs}`, [
  ['what', 'p2p-rx', 'openssl', 'ratio'],
  ['first start until all is hashed', inSeconds(first), inSeconds(other), median(ratios).toFixed(2)],
  ['start with nothing changed', inSeconds(again), '', ''],
  ['event-loop delay meanwhile, p99', `${median(p99).toFixed(1)} ms`, '', ''],
  ['event-loop delay meanwhile, longest', `${median(longest).toFixed(1)} ms`, '', ''],
  ['peak memory', `${Math.max(...peaks).toFixed(0)} MiB`, '', '']
])
