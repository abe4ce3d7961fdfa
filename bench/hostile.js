/**
 * What an honest neighbour feels while others flood the peer, and what the floods leave behind. Linux only.
 *
 *     npm run bench -- hostile
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { callOf, calls, hellos, honest, percentile, silent, slow, startVictim } from './hostile/floods.js'
import { scratch } from './processes.js'
import { grouped, printTable } from './table.js'

/** Longer than any connection without a request is kept. */
const FORGOTTEN_MS = 20_000

const dir = scratch()
writeFileSync(join(dir, 'small.txt'), 'This is a test\n')
writeFileSync(join(dir, 'large.bin'), Buffer.alloc(50_000_000))
const victim = await startVictim(dir, 'right')
process.on('exit', () => victim.kill())
const { port } = victim

/** Some of everything first, so that what is measured is the flood and not the start of the program. */
await hellos(port, 20_000)
const first = await silent(port, 500)
first.end()
await sleep(1_000)

/** A thousand calls a second, in parts of a tenth. */
async function secrets(count) {
  for (let sent = 0; sent < count; sent += 100) {
    const pause = sleep(100)
    await calls(port, 100, (nth) => callOf('fetch', 'small.txt', `wrong ${sent + nth}`))
    await pause
  }
}

const floods = [
  ['nobody', () => sleep(3_000)],
  ['100,000 hellos of random URLs', () => hellos(port, 100_000)],
  [
    '2,000 silent connections',
    async () => {
      const flood = await silent(port, 2_000)
      await sleep(3_000)
      flood.end()
    }
  ],
  [
    '500 slow clients',
    async () => {
      const flood = slow(port, 500)
      await sleep(5_000)
      flood.end()
    }
  ],
  ['a thousand wrong secrets a second', () => secrets(5_000)]
]

const base = await victim.measure()
const rows = [['flood', 'from', 'seconds', 'honest calls', 'failed', 'p50', 'p95', 'peers known', 'RSS grown']]
for (const [what, flood] of floods) {
  for (const from of ['127.0.0.2', '127.0.0.1']) {
    const startedMs = performance.now()
    const neighbour = honest(port, { from })
    await flood()
    const { times, failed } = await neighbour.stop()
    const seconds = (performance.now() - startedMs) / 1_000
    const { rssMiB, known } = await victim.measure()
    rows.push([
      what,
      from === '127.0.0.1' ? 'the same address' : 'another address',
      seconds.toFixed(1),
      grouped(times.length),
      failed,
      `${percentile(times, 0.5).toFixed(1)} ms`,
      `${percentile(times, 0.95).toFixed(1)} ms`,
      known,
      `${(rssMiB - base.rssMiB).toFixed(1)} MiB`
    ])
  }
}
printTable('An honest neighbour beside a flood', rows)

await sleep(FORGOTTEN_MS)
const end = await victim.measure()
printTable('What is left', [
  ['', 'before', 'after'],
  ['descriptors', base.descriptors, end.descriptors],
  ['RSS', `${base.rssMiB.toFixed(1)} MiB`, `${end.rssMiB.toFixed(1)} MiB`],
  ['heap', `${base.heapMiB.toFixed(1)} MiB`, `${end.heapMiB.toFixed(1)} MiB`],
  ['rejections nobody handled', base.unhandled, end.unhandled]
])
await victim.stop()
