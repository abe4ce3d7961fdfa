/**
 * Calls a server as often as it can for a while, over several connections, and prints calls per second.
 * Works on bare sockets, so that the server is what is measured.
 *
 *     node load.js PORT kept|fresh SECONDS BODY
 */
import { connect } from 'node:net'

const CONNECTIONS = 64
const [port, mode, seconds, body] = process.argv.slice(2)
const head = [
  'POST /RPC2 HTTP/1.1',
  `Host: 127.0.0.1:${port}`,
  'Content-Type: text/xml',
  `Content-Length: ${Buffer.byteLength(body)}`,
  ...(mode === 'fresh' ? ['Connection: close'] : [])
]
const request = `${head.join('\r\n')}\r\n\r\n${body}`

let calls = 0
let over = false

/** Whether a whole answer is here. */
function isWhole(text) {
  const headEnd = text.indexOf('\r\n\r\n')
  if (headEnd < 0) return false
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, headEnd + 2))
  return length === null ? text.endsWith('\r\n0\r\n\r\n') : text.length >= headEnd + 4 + Number(length[1])
}

function open() {
  if (over) return
  let text = ''
  const socket = connect(Number(port), '127.0.0.1').setNoDelay().setEncoding('latin1')
  socket.on('connect', () => socket.write(request))
  socket.on('data', (chunk) => {
    text += chunk
    if (mode === 'fresh' || !isWhole(text)) return
    count(text)
    text = ''
    if (over) socket.destroy()
    else socket.write(request)
  })
  socket.on('close', () => {
    if (mode === 'fresh' && isWhole(text)) count(text)
    open()
  })
  socket.on('error', () => undefined)
}

function count(text) {
  if (!text.includes('200 OK') || !text.includes('<methodResponse>')) throw new Error(text)
  calls++
}

// The caller never sleeps: on a virtual machine, waking it for each answer costs the server more than the answer.
const stayAwake = () => setImmediate(stayAwake)
stayAwake()

for (let connection = 0; connection < CONNECTIONS; connection++) open()
setTimeout(() => {
  console.log(calls / Number(seconds))
  process.exit()
}, Number(seconds) * 1_000)
