/**
 * Peers over HTTP in one process, each with a list of files in memory, for the bench of finds. Tells their URLs, and ends
 * with whoever started it.
 *
 *     fork('peers.js', [PEERS, FILES, 'open' | 'private'])
 */
import { Observable } from 'rxjs'
import { started } from './transport.js'

const BATCH = 64

const [peers, files, mode] = process.argv.slice(2)

/** The files of one peer: paths as people have them, each with a root of its own. */
function filesOf(peer) {
  return Array.from({ length: Number(files) }, (_, nth) => ({
    name: `music/artist ${nth % 97}/album ${nth % 11}/track ${peer}-${nth}${nth % 100 === 0 ? ' rare' : ''}.flac`,
    size: 1_000_000 + nth,
    root: `${peer}${nth}`.padStart(64, 'a')
  }))
}

/** What fits, in batches, each when it is asked for. */
function searching(list, as, { pattern }) {
  return new Observable((subscriber) => {
    let at = 0
    const next = () => {
      const hits = []
      for (; at < list.length && hits.length < BATCH; at++) {
        const { name, size, root } = list[at]
        if (name.includes(pattern.text)) hits.push({ name, size, root, holders: [as], hops: 0 })
      }
      if (hits.length > 0) subscriber.next({ type: 'found', hits, next })
      else {
        subscriber.next({ type: 'ended', how: 'all' })
        subscriber.complete()
      }
    }
    next()
  })
}

const urls = await Promise.all(
  Array.from({ length: Number(peers) }, async (_, peer) => {
    const list = filesOf(peer)
    const { url } = await started(mode, { searched: (search, as) => searching(list, as, search) })
    return url
  })
)
process.send(urls)
process.once('disconnect', () => process.exit())
