/**
 * WebTorrent as a process of its own, TCP on loopback and nothing else.
 *
 *     node webtorrent.js ENTRY seed|leech TORRENT FOLDER PORT
 */
import { register } from 'node:module'

// WebRTC is a native module that wants building; between two processes over TCP it has no part.
const NO_WEBRTC =
  'export const RTCPeerConnection = undefined, RTCSessionDescription = undefined, RTCIceCandidate = undefined'
const stub = `data:text/javascript,${encodeURIComponent(NO_WEBRTC)}`
const hooks = `export const resolve = (specifier, context, next) =>
  specifier === 'webrtc-polyfill' ? { url: ${JSON.stringify(stub)}, shortCircuit: true } : next(specifier, context)`
register(`data:text/javascript,${encodeURIComponent(hooks)}`)

const [entry, role, torrentPath, path, port] = process.argv.slice(2)
const { default: WebTorrent } = await import(entry)

const isSeeder = role === 'seed'
const client = new WebTorrent({
  dht: false,
  tracker: false,
  lsd: false,
  utp: false,
  natUpnp: false,
  natPmp: false,
  ...(isSeeder ? { torrentPort: Number(port) } : {})
})
client.on('error', (error) => {
  console.error(error)
  process.exit(1)
})
const torrent = client.add(torrentPath, { path })
torrent.on('done', () => {
  if (isSeeder) console.log('seeding')
  else process.exit(0)
})
torrent.on('ready', () => {
  if (!isSeeder) torrent.addPeer(`127.0.0.1:${port}`)
})
