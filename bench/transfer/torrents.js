/** BitTorrent on loopback: a torrent, a tracker that knows one seeder, and the two clients. */
import { createHash } from 'node:crypto'
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { freePort, run, scratch, serve, serveOn } from '../processes.js'

const PIECE_BYTES = 1024 * 1024
const CLIENT = new URL('webtorrent.js', import.meta.url).pathname

function bencode(value) {
  if (typeof value === 'number') return Buffer.from(`i${value}e`)
  if (typeof value === 'string') return bencode(Buffer.from(value))
  if (Buffer.isBuffer(value)) return Buffer.concat([Buffer.from(`${value.length}:`), value])
  const parts = Object.keys(value)
    .sort()
    .flatMap((key) => [bencode(key), bencode(value[key])])
  return Buffer.concat([Buffer.from('d'), ...parts, Buffer.from('e')])
}

/** A torrent of one file; gives its path. */
function makeTorrent(path, announce) {
  const { size } = statSync(path)
  const block = Buffer.allocUnsafe(PIECE_BYTES)
  const file = openSync(path, 'r')
  const pieces = []
  for (let length = readSync(file, block); length > 0; length = readSync(file, block))
    pieces.push(createHash('sha1').update(block.subarray(0, length)).digest())
  closeSync(file)
  const info = { length: size, name: basename(path), 'piece length': PIECE_BYTES, pieces: Buffer.concat(pieces) }
  const torrent = join(scratch(), `${basename(path)}.torrent`)
  writeFileSync(torrent, bencode({ announce, info }))
  return torrent
}

/** Tells everybody but the seeder of the seeder. */
async function startTracker(seederPort) {
  const peers = Buffer.from([127, 0, 0, 1, seederPort >> 8, seederPort & 255])
  const server = createServer((request, response) => {
    const isSeeder = request.url.includes(`port=${seederPort}&`)
    response.end(bencode({ interval: 1_800, peers: isSeeder ? Buffer.alloc(0) : peers }))
  })
  const port = await freePort()
  await new Promise((listening) => server.listen(port, '127.0.0.1', listening))
  return { url: `http://127.0.0.1:${port}/announce`, stop: () => server.close().closeAllConnections() }
}

const LOCAL = ['--enable-dht=false', '--enable-dht6=false', '--bt-enable-lpd=false', '--enable-peer-exchange=false']

/** A seeder of aria2's; `fetch` runs a leecher into a folder. */
export async function seedByAria2(path) {
  const port = await freePort()
  const tracker = await startTracker(port)
  const torrent = makeTorrent(path, tracker.url)
  const seed = ['--check-integrity=true', '--seed-ratio=0', `--listen-port=${port}`, '-d', join(path, '..')]
  const server = await serveOn(port, 'aria2c', '-q', ...LOCAL, ...seed, torrent)
  return {
    async fetch(dir) {
      return run('aria2c', '-q', ...LOCAL, '--seed-time=0', `--listen-port=${await freePort()}`, '-d', dir, torrent)
    },
    async stop() {
      tracker.stop()
      await server.stop()
    }
  }
}

/** Where WebTorrent's entry is and its version: in this package's modules, or in those that $WEBTORRENT names. */
export function findWebTorrent() {
  for (const modules of [new URL('../../node_modules', import.meta.url).pathname, process.env.WEBTORRENT ?? '']) {
    const folder = join(modules, 'webtorrent')
    if (modules === '' || !existsSync(join(folder, 'package.json'))) continue
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    return { entry: pathToFileURL(join(folder, 'index.js')).href, version }
  }
  return undefined
}

export async function seedByWebTorrent(path, entry) {
  const port = await freePort()
  const torrent = makeTorrent(path, 'http://127.0.0.1:9/announce')
  const server = await serve('node', CLIENT, entry, 'seed', torrent, join(path, '..'), `${port}`)
  return { fetch: (dir) => run('node', CLIENT, entry, 'leech', torrent, dir, `${port}`), stop: server.stop }
}
