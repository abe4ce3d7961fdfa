// A peer in a process of its own, so that its memory is its own too. Started with --expose-gc by fork(); its parent asks
// how it is. Prints nothing.
import { readdirSync } from 'node:fs'
import { firstValueFrom } from 'rxjs'
import { createPeer } from '../../dist/index.js'

let unhandled = 0
process.on('unhandledRejection', () => unhandled++)
process.on('uncaughtException', () => unhandled++)

const peer = createPeer({ dir: process.argv[2], port: 0, fetchSecret: process.argv[3] })
const url = await peer.ready()

async function measured() {
  // What a closed socket leaves to the loop is gone a turn later.
  await new Promise((resolve) => setImmediate(resolve))
  globalThis.gc()
  const { rss, heapUsed } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  return {
    rssMiB: rss / 2 ** 20,
    heapMiB: heapUsed / 2 ** 20,
    cpuSeconds: (user + system) / 1e6,
    descriptors: readdirSync('/proc/self/fd').length,
    known: (await firstValueFrom(peer.peers$)).length,
    unhandled
  }
}

process.on('message', async () => process.send(await measured()))
process.on('disconnect', () => void peer.destroy())
process.send({ url })
