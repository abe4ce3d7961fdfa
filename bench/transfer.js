/**
 * Transfers on loopback, disk to disk, whole processes, start-up included: p2p-rx beside other programs, in turn.
 *
 *     npm run bench -- transfer [RUNS] [ROW,ROW...]
 *
 * What a row compares with has to be installed; without it the row says how. WebTorrent is looked for in node_modules
 * and in the folder that $WEBTORRENT names.
 */
import { execFileSync } from 'node:child_process'
import { linkSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { RUNS, scratch } from './processes.js'
import { grouped, printTable } from './table.js'
import { compareFiles, compareSmallFiles, makeFile, makeSmallFiles } from './transfer/files.js'
import { get, startHolder } from './transfer/holders.js'
import { aria2, curlAll, rsyncAll, startRsync, startWeb } from './transfer/others.js'
import { compared, inTurn, medianSeconds, peakMB } from './transfer/pairs.js'
import { machine, need } from './transfer/tools.js'
import { findWebTorrent, seedByAria2, seedByWebTorrent } from './transfer/torrents.js'

const GIB = 1024 ** 3
const CAP = 20_000_000
/** Rows whose every run takes ten seconds and more. */
const FEW_RUNS = 2
const SMALL = { count: 10_000, bytes: 4_096 }
/** Room for the largest file twice, and for what is there beside it. */
const LARGE_ROOM = 12 * GIB
const MAX_PEAK_MB = 150

const [runsGiven = `${RUNS}`, rowsGiven = ''] = process.argv.slice(2)
const runs = Number(runsGiven)
const few = Math.min(runs, FEW_RUNS)
const wanted = rowsGiven.split(',').filter((row) => row !== '')
const webTorrent = findWebTorrent()
const table = [['row', 'what', 'ours', 'other', 'ratio', 'asked', 'verdict']]

let oneGiB
/** The file most rows send. Made when the first row wants it. */
function source() {
  if (oneGiB === undefined) {
    oneGiB = join(scratch(), '1GiB')
    makeFile(oneGiB, 1024)
    // Nobody is to be measured while the disk is busy with this.
    execFileSync('sync')
  }
  return oneGiB
}

/** Holders of the file, each with a folder and a cap of its own. */
async function holders(...ups) {
  const file = source()
  return Promise.all(
    ups.map((up) => {
      const dir = scratch()
      linkSync(file, join(dir, '1GiB'))
      return startHolder(dir, ['1GiB'], { up })
    })
  )
}

const UNCAPPED = undefined
const checkOne = (dir) => compareFiles(source(), join(dir, '1GiB'))
const stopAll = (servers) => Promise.all(servers.map((server) => server.stop()))

function tell(row, what, { ours, other = '', ratio, asked, isMet, verdict = isMet ? 'met' : 'missed' }) {
  table.push([row, what, ours, other, ratio?.toFixed(2) ?? '', asked, verdict])
}

async function besideAria2(row, count, aim = '') {
  need('aria2c', 'nginx')
  const ours = await holders(...Array.from({ length: count }, () => UNCAPPED))
  const web = await startWeb(join(source(), '..'), count)
  const results = await inTurn(
    runs,
    { ours: (dir) => get('1GiB', ours, dir), aria2: (dir) => aria2('1GiB', web.urls, dir) },
    checkOne
  ).finally(() => stopAll([...ours, web]))
  const pair = compared(results.ours, results.aria2)
  const from = count === 1 ? 'one holder' : `${count} holders`
  const what = `1 GiB from ${from}, verified; aria2c from ${count} nginx, unverified`
  tell(row, what, { ...pair, asked: `<= 1.00${aim}`, isMet: pair.ratio <= 1 })
}

async function capped(row) {
  const ours = await holders(CAP, CAP, CAP, CAP)
  const results = await inTurn(few, { ours: (dir) => get('1GiB', ours, dir) }, checkOne).finally(() => stopAll(ours))
  const rate = GIB / medianSeconds(results.ours)
  const ratio = rate / (4 * CAP)
  tell(row, `1 GiB from 4 holders at 20 MB/s each, of their sum; ${few} runs`, {
    ours: `${(rate / 1e6).toFixed(1)} MB/s`,
    other: `${(4 * CAP) / 1e6} MB/s`,
    ratio,
    asked: '>= 0.95',
    isMet: ratio >= 0.95
  })
}

async function besideASlowOne(row) {
  const [slow, fast] = await holders(1_000_000, UNCAPPED)
  const results = await inTurn(
    runs,
    { both: (dir) => get('1GiB', [slow, fast], dir), alone: (dir) => get('1GiB', [fast], dir) },
    checkOne
  ).finally(() => stopAll([slow, fast]))
  const pair = compared(results.both, results.alone)
  const what = '1 GiB from a holder at 1 MB/s and an uncapped one; p2p-rx from the uncapped one alone'
  tell(row, what, { ...pair, asked: '<= 1.05', isMet: pair.ratio <= 1.05 })
}

async function besideTorrent(row, name, seed) {
  const ours = await holders(UNCAPPED)
  const seeder = await seed(source())
  const results = await inTurn(
    runs,
    { ours: (dir) => get('1GiB', ours, dir), torrent: (dir) => seeder.fetch(dir) },
    checkOne
  ).finally(() => stopAll([...ours, seeder]))
  const pair = compared(results.ours, results.torrent)
  const what = `1 GiB, both verified; ${name}, one seeder`
  tell(row, what, { ...pair, asked: '<= 0.25', isMet: pair.ratio <= 0.25 })
}

async function besideWebTorrent(row) {
  if (webTorrent === undefined)
    throw new Error('not installed: npm install webtorrent somewhere else, and name its node_modules in $WEBTORRENT')
  await besideTorrent(row, 'WebTorrent', (path) => seedByWebTorrent(path, webTorrent.entry))
}

async function besideAria2Torrent(row) {
  need('aria2c')
  await besideTorrent(row, "aria2's BitTorrent", seedByAria2)
}

async function smallFiles(row) {
  const dir = scratch()
  const names = makeSmallFiles(dir, 'small', SMALL)
  const ours = await startHolder(dir, names)
  const servers = [ours]
  const contenders = { ours: (to) => get('small/**', [ours], to) }
  const missing = {}
  try {
    for (const [who, start] of [
      ['rsync', startRsyncRun],
      ['curl', startCurlRun]
    ]) {
      try {
        const { server, fetch } = await start(dir, names)
        servers.push(server)
        contenders[who] = fetch
      } catch (error) {
        missing[who] = error.message
      }
    }
    const results = await inTurn(runs, contenders, (to) => compareSmallFiles(names, dir, to, 'small'), { keep: true })
    const rate = names.length / medianSeconds(results.ours)
    const what = `${grouped(SMALL.count)} files of 4 KiB, files/s`
    tell(row, what, { ours: `${grouped(Math.round(rate))}/s`, asked: '>= 1,000/s', isMet: rate >= 1_000 })
    for (const [who, title] of [
      ['rsync', 'rsync -a from its daemon'],
      ['curl', 'curl --parallel from nginx']
    ]) {
      const beside = `the same; ${title}`
      if (missing[who] === undefined)
        tell(row, beside, { ...compared(results.ours, results[who]), asked: '', verdict: '' })
      else tell(row, beside, { ours: '-', asked: '', verdict: missing[who] })
    }
  } finally {
    await stopAll(servers)
  }
}

async function startRsyncRun(dir) {
  need('rsync')
  const server = await startRsync(dir)
  return { server, fetch: (to) => rsyncAll('small', server.url, to) }
}

async function startCurlRun(dir, names) {
  need('curl', 'nginx')
  const server = await startWeb(dir, 1)
  return { server, fetch: (to) => curlAll(names, server.urls[0], to) }
}

async function peaks(row) {
  const dir = scratch()
  const { bavail, bsize } = statfsSync(dir)
  if (bavail * bsize < LARGE_ROOM) throw new Error('not measured: there are less than 12 GiB of room on the disk')
  makeFile(join(dir, '4GiB'), 4_096)
  execFileSync('sync')
  const holder = await startHolder(dir, ['4GiB'])
  try {
    const check = (to) => compareFiles(join(dir, '4GiB'), join(to, '4GiB'))
    const results = await inTurn(1, { ours: (to) => get('4GiB', [holder], to) }, check)
    const ends = [
      ['the receiver', peakMB(results.ours)],
      ['the holder, hashing included', holder.peakMiB() * 1.048576]
    ]
    for (const [end, peak] of ends) {
      const isMet = peak < MAX_PEAK_MB
      tell(row, `most memory (MB of 10^6 bytes) for 4 GiB: ${end}; one run`, {
        ours: `${peak.toFixed(0)} MB`,
        asked: `< ${MAX_PEAK_MB} MB`,
        isMet
      })
    }
  } finally {
    await holder.stop()
    rmSync(dir, { recursive: true })
  }
}

const ROWS = [
  ['1', '1 GiB from one holder', (row) => besideAria2(row, 1, ', aim 0.70')],
  ['2', '1 GiB from 2 holders', (row) => besideAria2(row, 2)],
  ['2', '1 GiB from 4 holders', (row) => besideAria2(row, 4)],
  ['3', '1 GiB from 4 holders at 20 MB/s each', capped],
  ['4', '1 GiB from a holder at 1 MB/s and an uncapped one', besideASlowOne],
  ['5', '1 GiB; WebTorrent', besideWebTorrent],
  ['5', "1 GiB; aria2's BitTorrent", besideAria2Torrent],
  ['6', `${grouped(SMALL.count)} files of 4 KiB`, smallFiles],
  ['7', 'most memory for 4 GiB', peaks]
]

/** The line of a failure that tells most. */
function sentence({ message }) {
  const lines = message.replace(/^.* ended with \d+: /, '').split('\n')
  return lines.find((line) => /^\w*Error: /.test(line)) ?? lines[0]
}

for (const [row, title, measure] of ROWS) {
  if (wanted.length > 0 && !wanted.includes(row)) continue
  try {
    await measure(row)
  } catch (error) {
    // One program that fails or is not here is no reason to lose the other rows.
    tell(row, title, { ours: '-', asked: '', verdict: sentence(error) })
  }
  if (process.stderr.isTTY) console.error(`row ${row} is done`)
}

console.log(machine(webTorrent))
printTable(
  `Transfers on loopback, disk to disk, start-up included; median of ${runs} where nothing else is said`,
  table
)
// Whatever a program that failed has left open.
process.exit()
