/** A holder that the asker cannot reach, and the friend of both who passes its bytes on. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { firstValueFrom, lastValueFrom, of } from 'rxjs'
import { expect, onTestFinished, test } from 'vitest'
import { createMemoryNetwork, createPeer } from '../../src/index.js'
import type { Failed, Transport } from '../../src/streams/ports.js'
import { bytesOf } from '../store/disk.js'
import { folder } from './network.js'

const [ASKER, FRIEND, HOLDER] = ['http://asker:1', 'http://friend:1', 'http://holder:1']

test('a file is fetched through the neighbour that answered when its holder cannot be reached', async () => {
  const network = createMemoryNetwork()
  const content = bytesOf(3_500_000)
  const behind = (transport: Transport): Transport => {
    const refused = of<Failed>({ type: 'failed', reason: 'refused', detail: 'no way there' })
    return {
      ...transport,
      hello: (peer) => (peer === HOLDER ? refused : transport.hello(peer)),
      ask: (peer, question) => (peer === HOLDER ? refused : transport.ask(peer, question)),
      read: (holder, request) => (holder === HOLDER ? refused : transport.read(holder, request)),
      hashes: (holder, request) => (holder === HOLDER ? refused : transport.hashes(holder, request)),
      rootOf: (holder, name, waitMs) => (holder === HOLDER ? refused : transport.rootOf(holder, name, waitMs))
    }
  }
  const peerAt = async (url: string, transport: Transport, peers: string[], files: Record<string, Uint8Array> = {}) => {
    const dir = await folder(files)
    const peer = createPeer({ dir, url, transport, peers })
    onTestFinished(() => peer.destroy())
    await peer.ready()
    return { peer, dir }
  }
  const holder = await peerAt(HOLDER, network.join(HOLDER), [], { 'film.bin': content })
  await firstValueFrom(holder.peer.shared$)
  const friend = await peerAt(FRIEND, network.join(FRIEND), [HOLDER])
  const asker = await peerAt(ASKER, behind(network.join(ASKER)), [FRIEND])
  // Only what has a root can be proven by somebody else than its holder.
  let offer = await firstValueFrom(holder.peer.query('film.bin'))
  while (offer.root === undefined) offer = await firstValueFrom(holder.peer.query('film.bin'))

  const last = await lastValueFrom(asker.peer.fetch('film.bin'))
  expect(last.root).toBe(offer.root)
  expect((await readFile(join(asker.dir, 'film.bin'))).equals(content)).toBe(true)
  expect(await firstValueFrom(friend.peer.shared$)).toEqual([])
})
