import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { defer, NEVER } from 'rxjs'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { HttpLimits } from '../../../src/transport/http/limits.js'
import { encodeCall } from '../../../src/transport/xmlrpc/codec.js'
import { connectTo, peer, raw, untilClosed } from './peers.js'

const GET = 'GET /files/x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'
const LAST_GET = GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')
const QUERY = encodeCall('query', ['x', []])
const ASK = `POST /RPC2 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${QUERY.length}\r\n\r\n${QUERY.toString()}`

/** A peer that never answers a query, and tells how many are open. */
async function patient(limits: Partial<HttpLimits>) {
  let asked = 0
  const askedForContent = () =>
    defer(() => {
      asked++
      return NEVER
    })
  const { url } = await peer({ askedForContent }, { limits })
  return { url, asked: () => asked }
}

async function answered(socket: Socket): Promise<void> {
  socket.write(GET)
  await once(socket, 'data')
}

/** From another address of this machine. */
async function from(localAddress: string, url: string): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port), localAddress })
  socket.on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** Resolves when the peer has ended it. */
async function ended(socket: Socket): Promise<boolean> {
  socket.resume()
  if (!socket.closed) await once(socket, 'close')
  return true
}

const isOpen = (socket: Socket) => answered(socket).then(() => true)

describe('when one address has all its connections', () => {
  test('the one that said nothing for longest gives way, before those that asked something once', async () => {
    const { url } = await patient({ maxConnectionsPerAddress: 3 })
    const asked = await connectTo(url)
    await answered(asked)
    const [silent, later] = [await connectTo(url), await connectTo(url)]
    expect(await raw(url, LAST_GET)).toMatch(/^HTTP\/1.1 404/)
    expect(await ended(silent)).toBe(true)
    expect(await Promise.all([isOpen(asked), isOpen(later)])).toEqual([true, true])
  })

  test('one whose request does not end gives way', async () => {
    const { url, asked } = await patient({ maxConnectionsPerAddress: 2 })
    const slow = await connectTo(url)
    slow.write(ASK.slice(0, -1))
    const waiting = await connectTo(url)
    waiting.write(ASK)
    await expect.poll(asked).toBe(1)
    expect(await raw(url, LAST_GET)).toMatch(/^HTTP\/1.1 404/)
    expect(await ended(slow)).toBe(true)
  })

  test('those that are being answered stay, and the next one has to wait', async () => {
    const { url, asked } = await patient({ maxConnectionsPerAddress: 3 })
    const open = await Promise.all([connectTo(url), connectTo(url), connectTo(url)])
    for (const socket of open) socket.write(ASK)
    await expect.poll(asked).toBe(3)
    expect(await raw(url, LAST_GET)).toBe('')
    open[0].destroy()
    await expect.poll(() => raw(url, LAST_GET)).toMatch(/^HTTP\/1.1 404/)
  })
})

// Only Linux has all of 127/8 for addresses of its own.
test.runIf(process.platform === 'linux')(
  'when all connections are taken, the address that has most gives way',
  async () => {
    const { url } = await patient({ maxConnections: 4, maxConnectionsPerAddress: 3 })
    const few = await from('127.0.0.2', url)
    await answered(few)
    const first = await connectTo(url)
    const many = [first, await connectTo(url), await connectTo(url)]
    for (const socket of many) await answered(socket)
    const newcomer = await from('127.0.0.3', url)
    expect(await isOpen(newcomer)).toBe(true)
    expect(await isOpen(few)).toBe(true)
    expect(await ended(first)).toBe(true)
  }
)

test('a connection on which too much is asked at once is ended', async () => {
  const { url, asked } = await patient({})
  const greedy = await connectTo(url)
  greedy.write(ASK.repeat(200))
  expect(await untilClosed(greedy)).toBe('')
  expect(asked()).toBeLessThanOrEqual(64)
})
