/**
 * Large files over loopback, from disk to disk, whole processes: p2p-rx on its data plane, and to and from a Python
 * peer over XML-RPC, each beside curl from Python's http.server in the same run.
 *
 *     npm run bench -- transfer [RUNS]
 */
import { randomFillSync } from 'node:crypto'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, MAIN, median, RUNS, run, scratch, serve } from './processes.js'
import { printTable } from './table.js'

const MIB = 1024 * 1024
const PYTHON_NODE = new URL('python/node.py', import.meta.url).pathname
const runs = Number(process.argv[2] ?? RUNS)

const source = scratch()
const target = scratch()

function makeFile(name, mib) {
  const block = Buffer.allocUnsafe(MIB)
  const file = openSync(join(source, name), 'w')
  for (let number = 0; number < mib; number++) writeSync(file, randomFillSync(block))
  closeSync(file)
}

makeFile('1GiB', 1024)
makeFile('256MiB', 256)

const [ourPort, pythonPort, webPort] = [await freePort(), await freePort(), await freePort()]
const [ourUrl, pythonUrl, webUrl] = [ourPort, pythonPort, webPort].map((port) => `http://127.0.0.1:${port}`)
const holder = await serve('node', MAIN, 'start', '--dir', source, '--port', `${ourPort}`, '--no-shell')
const python = await serve('python3', PYTHON_NODE, 'serve', `${pythonPort}`, source)
const web = await serve(
  'python3',
  '-u',
  '-m',
  'http.server',
  `${webPort}`,
  '--bind',
  '127.0.0.1',
  '--directory',
  source
)

const get = (name, url) => run('node', MAIN, 'get', name, '--peer', url, '-o', target, '--json')
const curl = (name) => run('curl', '-sS', '-o', join(target, name), `${webUrl}/${name}`)
const fetchByPython = (name) => run('python3', PYTHON_NODE, 'fetch', ourUrl, name, join(target, name))

/** Ours and curl in turn. Peak memory of ours is the receiver's; the holder's is read at the end. */
async function pair(what, name, ours, oursIsPython = false) {
  const [times, curlTimes, ratios, peaks] = [[], [], [], []]
  for (let number = 0; number < runs; number++) {
    const one = await ours()
    rmSync(join(target, name))
    const other = await curl(name)
    rmSync(join(target, name))
    times.push(one.seconds)
    curlTimes.push(other.seconds)
    ratios.push(one.seconds / other.seconds)
    peaks.push(one.peakMiB)
  }
  return [
    what,
    `${median(times).toFixed(2)} s`,
    `${median(curlTimes).toFixed(2)} s`,
    median(ratios).toFixed(2),
    oursIsPython ? '(Python)' : `${Math.max(...peaks).toFixed(0)} MiB`,
    `${holder.peakMiB().toFixed(0)} MiB`
  ]
}

const rows = [['transfer', 'p2p-rx', 'curl', 'ratio', 'peak of the receiver', 'peak of the holder so far']]
rows.push(await pair('1 GiB, p2p-rx to p2p-rx, verified', '1GiB', () => get('1GiB', ourUrl)))
rows.push(await pair('256 MiB, p2p-rx to a Python peer', '256MiB', () => fetchByPython('256MiB'), true))
const fromPython = await pair('256 MiB, a Python peer to p2p-rx', '256MiB', () => get('256MiB', pythonUrl))
rows.push([...fromPython.slice(0, 5), '(Python)'])
printTable(`Transfers on loopback, disk to disk, median of ${runs}; peaks are the most of any run`, rows)
await Promise.all([holder, python, web].map((server) => server.stop()))
