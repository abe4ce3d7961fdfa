/**
 * The first start of a peer over a large folder, until every file is hashed, beside `openssl dgst -sha256` over the same
 * files in one process; a restart with nothing changed; and how long the event loop is held up meanwhile.
 *
 *     npm run bench -- index [GIB [FILES [RUNS]]]
 */
import { randomFillSync } from 'node:crypto'
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { MAIN, median, run, scratch, serve } from './processes.js'
import { grouped, printTable } from './table.js'

const DELAY = new URL('index-delay.js', import.meta.url).pathname
const FILES_PER_FOLDER = 200
/** Between two questions whether all is hashed. */
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

/** How many files the peer lists with their roots, asked where `p2p-rx status` asks. */
function countHashed(socketPath) {
  return new Promise((resolve) => {
    get({ socketPath, path: '/v1/status' }, async (response) => resolve(JSON.parse(await text(response)).hashed ?? 0))
      // Not yet up.
      .on('error', () => resolve(0))
  })
}

/** Seconds from the start of the program until it lists all files with their roots. */
async function startUntilHashed(stateDir) {
  const startedMs = performance.now()
  const peer = await serve('node', MAIN, 'start', '--dir', share, '--state-dir', stateDir, '--port', '0', '--no-shell')
  while ((await countHashed(join(stateDir, 'control.sock'))) < files) await sleep(POLL_MS)
  const seconds = (performance.now() - startedMs) / 1_000
  const peakMiB = peer.peakMiB()
  await sleep(WRITTEN_MS)
  await peer.stop()
  return { seconds, peakMiB }
}

const openssl = () => run('env', '-C', share, 'openssl', 'dgst', '-sha256', ...names)
const delay = async (stateDir) => {
  const { output } = await run('env', `XDG_STATE_HOME=${stateDir}`, 'node', DELAY, share, `${files}`)
  return JSON.parse(output)
}

await openssl()
const [first, again, other, ratios, p99, longest, peaks] = [[], [], [], [], [], [], []]
for (let number = 0; number < runs; number++) {
  // In turn, so that both have the same share of a machine whose speed wanders.
  const stateDir = scratch()
  const [ours, theirs] = [await startUntilHashed(stateDir), await openssl()]
  first.push(ours.seconds)
  other.push(theirs.seconds)
  ratios.push(ours.seconds / theirs.seconds)
  peaks.push(ours.peakMiB)
  again.push((await startUntilHashed(stateDir)).seconds)
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
