/** Requests sent one behind the other on one connection, before their answers have come. */
import { once } from 'node:events'
import { NEVER, of, Subject } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { P2pError } from '../../../src/errors.js'
import type { Outcome, Source } from '../../../src/streams/ports.js'
import { encodeCall } from '../../../src/transport/xmlrpc/codec.js'
import { bytesOf, sourceOf } from '../../compliance/inbound.js'
import { connectTo, peer, raw, untilClosed } from './peers.js'

const LARGE = bytesOf(20_000_000)
const SMALL = bytesOf(1_000)

/** A holder whose files are as large as their names say, and how many of them are open. */
async function holder() {
  const open = { now: 0, most: 0, ever: 0 }
  const source = (content: Uint8Array): Source => ({
    ...sourceOf(content),
    readAt: async (memory, position) => {
      await new Promise<void>((resolve) => setImmediate(resolve))
      const part = content.subarray(position, position + memory.length)
      memory.set(part)
      return part.length
    },
    close: () => {
      open.now--
      return Promise.resolve()
    }
  })
  const them = await peer({
    open: (name) => {
      if (name === 'none') return Promise.reject(new P2pError('NOT_FOUND', 'no'))
      open.ever++
      open.now++
      open.most = Math.max(open.most, open.now)
      return Promise.resolve(source(name === 'large' ? LARGE : SMALL))
    }
  })
  return { ...them, open }
}

const get = (name: string, more = '') => `GET /files/${name} HTTP/1.1\r\nHost: 127.0.0.1\r\n${more}\r\n`
const LAST = 'Connection: close\r\n'

describe('reads', () => {
  test('are answered in their order, whatever they are', async () => {
    const { url, open } = await holder()
    const names = ['small', 'none', 'large', 'small', 'large', 'none', 'small']
    const answer = await raw(url, ...names.map((name, at) => get(name, at === names.length - 1 ? LAST : '')))
    expect([...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status).join(' ')).toBe(
      '200 404 200 200 200 404 200'
    )
    expect(answer.length).toBeGreaterThan(2 * LARGE.length)
    expect(open).toMatchObject({ now: 0, ever: 5 })
  })

  test('of large files from readers that do not read hold few files, and let go of them with the connection', async () => {
    const { url, open } = await holder()
    const sockets = await Promise.all(Array.from({ length: 20 }, () => connectTo(url)))
    for (const socket of sockets) {
      socket.pause()
      socket.write(get('large').repeat(60))
    }
    await expect.poll(() => open.most).toBeGreaterThanOrEqual(256)
    expect(open.most).toBeLessThanOrEqual(256 + sockets.length)
    for (const socket of sockets) socket.destroy()
    await expect.poll(() => open.now).toBe(0)
    // Nobody is in the way of those who come later.
    expect(await raw(url, get('large', LAST))).toMatch(/^HTTP\/1\.1 200/)
    await expect.poll(() => open.now).toBe(0)
  })
})

describe('calls', () => {
  const QUERY = encodeCall('query', ['x', []])
  const post = (body = QUERY) =>
    `POST /RPC2 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${body.length}\r\n\r\n${body.toString()}`

  test('are taken one after the other, each when the one before has been answered', async () => {
    const outcomes: Subject<Outcome>[] = []
    const askedForContent = () => {
      const outcome$ = new Subject<Outcome>()
      outcomes.push(outcome$)
      return outcome$
    }
    const { url } = await peer({ askedForContent })
    const socket = await connectTo(url)
    socket.write(post().repeat(3))
    await expect.poll(() => outcomes.length).toBe(1)
    for (const taken of [2, 3]) {
      outcomes.at(-1)?.next({ type: 'missed' })
      await once(socket, 'data')
      await expect.poll(() => outcomes.length).toBe(taken)
    }
  })

  test('that nobody will hear the answer of are not made', async () => {
    let asked = 0
    const askedForContent = () => {
      asked++
      return asked === 1 ? NEVER : of<Outcome>({ type: 'missed' })
    }
    const { url } = await peer({ askedForContent })
    const socket = await connectTo(url)
    socket.write(post().repeat(3))
    await expect.poll(() => asked).toBe(1)
    socket.destroy()
    // One that comes later is answered, and was the second.
    const later = await connectTo(url)
    later.write(post().replace('\r\n\r\n', `\r\n${LAST}\r\n`))
    expect(await untilClosed(later)).toMatch(/<int>100<\/int>/)
    expect(asked).toBe(2)
  })
})
