// Starts and closes a peer many times, each with a neighbour, a fetch and an open query, and prints what is left.
// Run with --expose-gc by lifecycle.test.ts; ends by itself only when nothing holds the process.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lastValueFrom } from 'rxjs'
import { createPeer } from '../../dist/index.js'

const CYCLES = Number(process.argv[2])
const dir = mkdtempSync(join(tmpdir(), 'p2p-rx-cycles-'))

async function cycle(number) {
  const [one, other] = ['one', 'other'].map((name) => createPeer({ dir: join(dir, name), port: 0 }))
  const url = await one.ready()
  await other.ready()
  if (number === 0) writeFileSync(join(dir, 'one', 'file'), 'content')
  await lastValueFrom(other.hello(url))
  await lastValueFrom(other.fetch('file'))
  rmSync(join(dir, 'other', 'file'))
  // One that is still open when the peer goes.
  other.query('missing').subscribe({ error: () => undefined })
  await (number % 2 === 0 ? other.close() : other.destroy())
  await one.close()
}

const heapBytes = () => {
  globalThis.gc()
  return process.memoryUsage().heapUsed
}

let early = 0
for (let number = 0; number < CYCLES; number++) {
  await cycle(number)
  if (number === Math.floor(CYCLES / 4)) early = heapBytes()
}
const late = heapBytes()
rmSync(dir, { recursive: true })
// What a closed socket leaves to the loop is gone a turn later.
await new Promise((resolve) => setImmediate(resolve))
const left = process.getActiveResourcesInfo().filter((resource) => !/^(TTY|Pipe)Wrap$/.test(resource))
console.log(JSON.stringify({ left, grownBytes: late - early }))
