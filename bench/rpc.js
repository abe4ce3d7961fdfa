/** Small queries per second over loopback: p2p-rx beside Python 3's own XML-RPC server, the same caller for both. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, MAIN, median, RUNS, run, scratch, serve } from './processes.js'
import { grouped, printTable } from './table.js'

const SECONDS = '2'
const LOAD = new URL('load.js', import.meta.url).pathname
const PYTHON_NODE = new URL('python/node.py', import.meta.url).pathname

const call = (name) =>
  `<?xml version='1.0'?>\n<methodCall>\n<methodName>query</methodName>\n<params>\n<param>\n<value><string>${name}</string></value>\n</param>\n<param>\n<value><array><data>\n<value><string>http://127.0.0.1:1</string></value>\n</data></array></value>\n</param>\n</params>\n</methodCall>\n`

const dir = scratch()
writeFileSync(join(dir, 'small.txt'), 'This is a test\n')
const [ourPort, pythonPort] = [await freePort(), await freePort()]
const servers = [
  await serve('node', MAIN, 'start', '--dir', dir, '--port', `${ourPort}`, '--no-shell'),
  await serve('python3', PYTHON_NODE, 'serve', `${pythonPort}`, dir)
]

const rows = [['query for', 'connections', 'p2p-rx', 'Python 3', 'ratio']]
for (const [what, name] of [
  ['a file of 15 bytes', 'small.txt'],
  ['a file that is not there', 'missing.txt']
]) {
  for (const mode of ['kept', 'fresh']) {
    const rates = { ours: [], python: [] }
    // Both have run for a while before they are measured: a peer is a service.
    for (const port of [ourPort, pythonPort]) await run('node', LOAD, `${port}`, mode, SECONDS, call(name))
    // In turn, so that both have the same share of a machine whose speed wanders.
    for (let number = 0; number < RUNS; number++) {
      rates.ours.push(Number((await run('node', LOAD, `${ourPort}`, mode, SECONDS, call(name))).output))
      rates.python.push(Number((await run('node', LOAD, `${pythonPort}`, mode, SECONDS, call(name))).output))
    }
    const [ours, python] = [median(rates.ours), median(rates.python)]
    const ratio = median(rates.ours.map((rate, index) => rate / rates.python[index]))
    rows.push([what, mode, `${grouped(Math.round(ours))}/s`, `${grouped(Math.round(python))}/s`, ratio.toFixed(1)])
  }
}
printTable(`Queries per second on loopback, median of ${RUNS}`, rows)
await Promise.all(servers.map((server) => server.stop()))
