/** `node index-delay.js FOLDER FILES`: starts a peer and tells how long its event loop was held up until all is hashed. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { filter, firstValueFrom } from 'rxjs'
import { createPeer } from '../dist/index.js'

const [dir, files] = process.argv.slice(2)
const delays = monitorEventLoopDelay({ resolution: 1 })
delays.enable()
const peer = createPeer({ dir, port: 0 })
await peer.ready()
await firstValueFrom(
  peer.shared$.pipe(
    filter((shared) => shared.length === Number(files) && shared.every(({ root }) => root !== undefined))
  )
)
delays.disable()
console.log(JSON.stringify({ p99Ms: delays.percentile(99) / 1e6, maxMs: delays.max / 1e6 }))
await peer.close()
