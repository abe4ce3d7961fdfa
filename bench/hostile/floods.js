/** What hostile neighbours do to a peer, over bare sockets, and an honest one beside them. For the bench and for a test. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const PEER = new URL('peer.js', import.meta.url).pathname

/** Starts a peer over this folder. Linux only: it counts what it has open. */
export async function startVictim(dir, fetchSecret = '') {
  const child = fork(PEER, [dir, fetchSecret], { execArgv: ['--expose-gc'] })
  const [{ url }] = await once(child, 'message')
  return {
    url,
    port: Number(new URL(url).port),
    pid: child.pid,
    async measure() {
      child.send('measure')
      const [figures] = await once(child, 'message')
      return figures
    },
    /** Ends it the way a peer ends; resolves with its exit code. */
    async stop() {
      if (child.exitCode !== null) return child.exitCode
      child.disconnect()
      const [code] = await once(child, 'exit')
      return code
    },
    kill: () => child.kill('SIGKILL')
  }
}

/** Of many silent connections the peer ends some. */
function open(port, from) {
  const socket = connect({ host: '127.0.0.1', port, localAddress: from })
  socket.on('error', () => undefined)
  socket.resume()
  return socket
}

export const callOf = (method, ...params) => {
  const body = `<?xml version="1.0"?><methodCall><methodName>${method}</methodName><params>${params
    .map((param) => `<param><value><string>${param}</string></value></param>`)
    .join('')}</params></methodCall>`
  return `POST /RPC2 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

/** One call on a connection of its own; gives the whole answer, or what came of it. */
export async function call(port, request, from = '127.0.0.1') {
  const socket = connect({ host: '127.0.0.1', port, localAddress: from })
  let answer = ''
  socket.setEncoding('latin1').on('data', (text) => (answer += text))
  socket.on('error', () => undefined)
  socket.write(request.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'), 'latin1')
  await new Promise((resolve) => socket.once('close', resolve))
  return answer
}

/** Makes `count` calls as fast as they are answered, over kept connections. Gives how many answers came. */
export async function calls(port, count, nth, { from = '127.0.0.1', connections = 32 } = {}) {
  let sent = 0
  let answered = 0
  const one = () =>
    new Promise((resolve) => {
      const socket = open(port, from)
      const next = () => (sent < count ? socket.write(nth(sent++)) : socket.destroy())
      socket.on('connect', next)
      // Answers as short as these come in one piece.
      socket.on('data', () => {
        answered++
        next()
      })
      socket.on('close', resolve)
    })
  await Promise.all(Array.from({ length: connections }, one))
  return answered
}

/** Another URL each time, at which nobody listens. */
const randomUrl = (nth) =>
  `http://127.${1 + Math.floor(Math.random() * 250)}.${(nth >> 8) & 255}.${nth & 255}:9/${nth % 2 ? 'RPC2' : ''}`

export const hellos = (port, count, options) => calls(port, count, (nth) => callOf('hello', randomUrl(nth)), options)

/** Connections that say nothing. */
export async function silent(port, count, { from = '127.0.0.1' } = {}) {
  const sockets = Array.from({ length: count }, () => open(port, from))
  await Promise.all(sockets.map((socket) => Promise.race([once(socket, 'connect'), once(socket, 'close')])))
  return { end: () => sockets.forEach((socket) => socket.destroy()) }
}

/** Clients that send a byte of a head now and then, others a byte of a body, and others that do not read an answer. */
export function slow(port, count, { from = '127.0.0.1' } = {}) {
  const kinds = [
    ['POST /RPC2 HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ', 'x'],
    ['POST /RPC2 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n', ' '],
    ['GET /files/large.bin HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n', '']
  ]
  const sockets = Array.from({ length: count }, (_, nth) => {
    const [head, drop] = kinds[nth % kinds.length]
    const socket = connect({ host: '127.0.0.1', port, localAddress: from })
    socket.on('error', () => undefined)
    socket.pause()
    socket.write(head)
    const timer = setInterval(() => drop !== '' && socket.writable && socket.write(drop), 500)
    socket.on('close', () => clearInterval(timer))
    return socket
  })
  return { end: () => sockets.forEach((socket) => socket.destroy()) }
}

/** An honest neighbour asks for a file until told to stop. Gives how long each answer took, in ms, and how many failed. */
export function honest(port, { from = '127.0.0.2', pauseMs = 20 } = {}) {
  let over = false
  const times = []
  let failed = 0
  const done = (async () => {
    while (!over) {
      const startedMs = performance.now()
      const answer = await call(port, callOf('query', 'small.txt'), from)
      times.push(performance.now() - startedMs)
      if (!answer.includes('This is a test')) failed++
      await sleep(pauseMs)
    }
    return { times, failed }
  })()
  return {
    stop() {
      over = true
      return done
    }
  }
}

export function percentile(numbers, part) {
  const sorted = [...numbers].sort((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]
}
