/** How long after the first success calls stay open in a tree of three hops, over real sockets. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { firstValueFrom } from 'rxjs'
import { createPeer } from '../dist/index.js'
import { encodeResponse } from '../dist/transport/xmlrpc/codec.js'
import { scratch } from './processes.js'

const NAME = 'wanted.txt'

/** A neighbour that greets like a p2p-rx peer, and answers a query when it is told to, or never. */
async function createLeaf() {
  const open = new Map()
  let closedAtMs = 0
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk) => (body += chunk))
    request.on('end', () => {
      response.setHeader('Content-Type', 'text/xml')
      if (body.includes('p2prx.hello')) {
        response.end(encodeResponse({ url, id: url, v: 1, name: 'leaf', version: '0' }))
        return
      }
      open.set(request.socket, response)
      request.socket.once('close', () => {
        open.delete(request.socket)
        closedAtMs = performance.now()
      })
      server.emit('asked')
    })
  }).listen(0, '127.0.0.1')
  const asked = once(server, 'asked')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${server.address().port}`
  return {
    url,
    asked,
    isOpen: () => open.size > 0,
    closedAtMs: () => closedAtMs,
    offer() {
      for (const response of open.values()) {
        response.end(encodeResponse({ name: NAME, size: 4, root: '', holders: [url] }))
      }
    },
    stop() {
      server.close()
      server.closeAllConnections()
    }
  }
}

/** Milliseconds from the first success at the root to the end of the last call at a leaf. */
export async function measureTree() {
  const silent = await Promise.all([createLeaf(), createLeaf(), createLeaf()])
  const holder = await createLeaf()
  const peers = []
  const start = async (...neighbours) => {
    const peer = createPeer({ dir: scratch(), port: 0, peers: neighbours.map(({ url }) => url) })
    peers.push(peer)
    return { peer, url: await peer.ready() }
  }
  const branches = [await start(silent[0], silent[1]), await start(silent[2], holder)]
  const { peer: root } = await start(...branches)

  const answer = firstValueFrom(root.query(NAME))
  await Promise.all([...silent, holder].map(({ asked }) => asked))
  holder.offer()
  await answer
  const successAtMs = performance.now()
  while (silent.some((leaf) => leaf.isOpen())) await new Promise((resolve) => setTimeout(resolve, 1))
  const tookMs = Math.max(...silent.map((leaf) => leaf.closedAtMs())) - successAtMs

  await Promise.all(peers.map((peer) => peer.destroy()))
  for (const leaf of [...silent, holder]) leaf.stop()
  return tookMs
}
