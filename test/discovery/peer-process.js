// A peer in a process of its own: options as JSON in the first argument, a name to fetch once somebody is met in the second.
// Writes its events as lines of JSON, and ends at SIGTERM.
import { filter, switchMap, take } from 'rxjs'
import { createPeer } from '../../dist/index.js'

const [options = '{}', wanted] = process.argv.slice(2)
const peer = createPeer(JSON.parse(options))
const write = (row) => process.stdout.write(`${JSON.stringify(row)}\n`)
peer.event$.subscribe(write)
if (wanted !== undefined) {
  peer.event$
    .pipe(
      filter(({ type }) => type === 'peer-joined'),
      take(1),
      switchMap(() => peer.fetch(wanted))
    )
    .subscribe({ error: ({ code }) => write({ type: 'fetch-failed', code }) })
}
process.once('SIGTERM', () => void peer.close())
