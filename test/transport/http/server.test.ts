import { gzipSync } from 'node:zlib'
import { defer, NEVER } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { encodeCall } from '../../../src/transport/xmlrpc/codec.js'
import { bytesOf, sourceOf } from '../../compliance/inbound.js'
import { connectTo, freePort, gate, peer, pythonPost, raw, untilClosed } from './peers.js'

const HELLO = encodeCall('hello', ['http://127.0.0.1:9'])
const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1])
const post = (url: string, body: string | Buffer = HELLO, headers: readonly string[] = [], path = '/RPC2') =>
  raw(url, pythonPost(url, path, body, headers))

describe('routing', () => {
  test.each(['/', '/RPC2', '/simple'])('a Python client needs no more than its usual headers on %s', async (path) => {
    const introduced: string[] = []
    const { url } = await peer({ introduced: (other) => introduced.push(other) })
    const answer = await post(url, HELLO, [], path)
    expect(statusOf(answer)).toBe(200)
    expect(answer).toMatch(/content-type: text\/xml\r\n/i)
    expect(answer).toMatch(/content-length: \d+\r\n/i)
    expect(answer).toMatch(path === '/simple' ? /<int>1<\/int>/ : /<int>0<\/int>/)
    expect(introduced).toEqual(['http://127.0.0.1:9'])
  })

  test.each([
    ['POST', '/other', 404],
    ['POST', '/RPC2/', 404],
    ['POST', '/RPC2?x=1', 404],
    ['GET', '/nothing', 404],
    ['GET', '/RPC2', 405],
    ['PUT', '/', 405],
    ['OPTIONS', '/simple', 405],
    ['DELETE', '/files/a', 405]
  ])('%s %s is answered with %i', async (method, path, status) => {
    const { url } = await peer()
    const answer = await raw(url, `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`)
    expect(statusOf(answer)).toBe(status)
    if (status === 405) expect(answer).toMatch(path === '/files/a' ? /allow: GET, HEAD/i : /allow: POST/i)
  })
})

describe('web pages', () => {
  test.each(['http://evil.example', 'null', 'http://127.0.0.1'])('a call with Origin %s is refused', async (origin) => {
    const introduced: string[] = []
    const { url } = await peer({ introduced: (other) => introduced.push(other) })
    expect(statusOf(await post(url, HELLO, [`Origin: ${origin}`]))).toBe(403)
    expect(introduced).toEqual([])
  })

  test.each([
    ['evil.example', 403],
    ['evil.example:4242', 403],
    ['127.0.0.1.evil.example', 403],
    ['localhost.evil.example', 403],
    ['', 403],
    ['127.0.0.1:1', 405],
    ['[::1]:1', 405],
    ['LOCALHOST:1', 405],
    ['my-peer.example', 405]
  ])('bound to loopback, a request to the host %j is answered with %i', async (host, status) => {
    const port = await freePort()
    await peer({}, { url: `http://my-peer.example:${port}`, port })
    const answer = await raw(`http://127.0.0.1:${port}`, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    expect(statusOf(answer)).toBe(status)
  })
})

describe('calls that are none', () => {
  test.each([
    ['nothing', '', 400],
    ['a web form', 'a=1&b=2', 400],
    ['a web page', '<html><body>hello</body></html>', 400],
    ['an answer', '<methodResponse/>', 400],
    ['half a call', '<?xml version="1.0"?><methodCall><methodName>hello</methodName>', 200],
    ['a call with a DTD', '<?xml version="1.0"?><!DOCTYPE methodCall [<!ENTITY a "b">]><methodCall/>', 200],
    ['a call without a name', '<methodCall><params/></methodCall>', 200]
  ])('%s', async (_, body, status) => {
    const { url } = await peer()
    const answer = await post(url, body)
    expect(statusOf(answer)).toBe(status)
    if (status === 200) expect(answer).toMatch(/<fault>[^]*<int>1<\/int>/)
  })

  test.each([
    ['hello', []],
    ['hello', [1]],
    ['hello', ['http://127.0.0.1:9', 'x']],
    ['query', [1]],
    ['query', ['x', 'y']],
    ['query', ['x', [1]]],
    ['query', ['x', Array.from({ length: 65 }, () => 'h')]],
    ['query', ['x', ['h'.repeat(2_049)]]],
    ['query', ['x', [], 'z']],
    ['fetch', ['x']],
    ['p2prx.hello', [{ url: '', id: 'a', v: 1, more: 1 }]],
    ['p2prx.hello', [{ url: '', id: 'a', v: 2 }]],
    ['p2prx.query', [{ name: 'x', history: [], asking: [], deadlineMs: 1.5 }]],
    ['p2prx.query', [{ name: 'x', history: [], asking: [], deadlineMs: -1 }]],
    ['p2prx.list', ['']],
    ['_handle', ['x']],
    ['__proto__', []],
    ['constructor', []],
    ['toString', []],
    ['hello.__call__', []]
  ])('%s%j is fault 1', async (method, params) => {
    const { url } = await peer({ asked: () => NEVER, askedForContent: () => NEVER })
    const answer = await post(url, encodeCall(method, params))
    expect(statusOf(answer)).toBe(200)
    expect(answer).toMatch(/<fault>[^]*<int>1<\/int>/)
  })

  test('what breaks inside is told without its insides', async () => {
    const { url } = await peer({
      introduced: () => {
        throw new Error('/home/somebody/secret.txt')
      }
    })
    const answer = await post(url)
    expect(answer).toMatch(/<fault>[^]*<int>1<\/int>/)
    expect(answer).not.toContain('secret')
  })
})

describe('bodies', () => {
  test('may be gzipped', async () => {
    const { url } = await peer()
    const body = gzipSync(HELLO)
    const answer = await raw(url, `${head(url)}Content-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n`, body)
    expect(answer).toMatch(/<int>0<\/int>/)
  })

  test('that are no gzip though they say so are refused', async () => {
    const { url } = await peer()
    expect(statusOf(await post(url, HELLO, ['Content-Encoding: gzip']))).toBe(400)
  })

  test('in another encoding are refused', async () => {
    const { url } = await peer()
    expect(statusOf(await post(url, HELLO, ['Content-Encoding: br']))).toBe(415)
  })

  test('declared too long are refused before they come', async () => {
    const { url } = await peer()
    const answer = await raw(url, `${head(url)}Content-Length: 10737418240\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1.1 200 [^]*<fault>[^]*<int>1<\/int>/)
  })

  test.each(['-1', '18446744073709551616', '1, 1', 'x'])('with the length %s are no HTTP', async (length) => {
    const { url } = await peer()
    const answer = await raw(url, `${head(url)}Content-Length: ${length}\r\n\r\n`)
    expect([200, 400]).toContain(statusOf(answer))
    expect(answer).not.toContain('<params>')
  })

  test('that turn out too long get their fault too, although still more is coming', async () => {
    const { url } = await peer({}, { limits: { maxBodyBytes: 1_000 } })
    const chunk = `1000\r\n${'x'.repeat(4_096)}\r\n`
    const answer = await raw(url, `${head(url)}Transfer-Encoding: chunked\r\n\r\n`, chunk, chunk, chunk)
    expect(answer).toMatch(/^HTTP\/1.1 200 [^]*<fault>[^]*<int>1<\/int>/)
  })

  test('that grow too long when unpacked are refused', async () => {
    const { url } = await peer()
    const body = gzipSync(Buffer.alloc(100_000_000))
    const answer = await raw(url, `${head(url)}Content-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n`, body)
    expect(answer).toMatch(/^HTTP\/1.1 200 [^]*<fault>[^]*<int>1<\/int>/)
  })
})

describe('slow and greedy clients', () => {
  test('a head that does not end is cut off', async () => {
    const { url } = await peer({}, { limits: { headersTimeoutMs: 200 } })
    expect(statusOf(await raw(url, 'POST / HTTP/1.1\r\nHost: 127.0'))).toBe(408)
  })

  test('a body that does not end is cut off', async () => {
    const { url } = await peer({}, { limits: { headersTimeoutMs: 200, requestTimeoutMs: 300 } })
    expect(await raw(url, `${head(url)}Content-Length: 1000\r\n\r\n<?xml`)).not.toContain(' 200 ')
  })

  test('a connection that says nothing is cut off', async () => {
    const { url } = await peer({}, { limits: { headersTimeoutMs: 200 } })
    await untilClosed(await connectTo(url))
  })

  test('an idle connection is closed after its last answer', async () => {
    const { url } = await peer({}, { limits: { keepAliveTimeoutMs: 100 } })
    expect(statusOf(await raw(url, 'GET /files/x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'))).toBe(404)
  })

  test.each([
    ['a head of 20 KB', `X: ${'x'.repeat(20_000)}\r\n`],
    ['a hundred headers', 'X: y\r\n'.repeat(100)]
  ])('%s is refused', async (_, headers) => {
    const { url } = await peer()
    expect(statusOf(await raw(url, `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}\r\n`))).toBe(431)
  })

  test('what is no HTTP is answered as such', async () => {
    const { url } = await peer()
    expect(statusOf(await raw(url, 'SSH-2.0-OpenSSH_9.2\r\n'))).toBe(400)
  })

  test('a reader that takes nothing is let go, and the file is closed', async () => {
    const source = sourceOf(bytesOf(30_000_000), { pieceBytes: 1_000_000 })
    const { url } = await peer({ open: () => Promise.resolve(source) }, { limits: { slowReaderTimeoutMs: 200 } })
    const socket = await connectTo(url)
    socket.pause()
    socket.write('GET /files/x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
    await source.closed
    expect(source.piecesRead()).toBeLessThan(30)
  })

  test.each([
    ['/', /<fault>[^]*<int>100<\/int>/],
    ['/simple', /<array>[^]*<int>2<\/int>/]
  ])('too many calls at once are a miss on %s, and no HTTP error', async (path, miss) => {
    const begun = gate()
    const asked = () =>
      defer(() => {
        begun.open()
        return NEVER
      })
    const { url } = await peer({ asked, askedForContent: asked }, { limits: { maxRunningCalls: 1 } })
    const { ask: first } = await peer()
    const running = first(url, { name: 'x', history: [], asking: [], deadlineMs: 10_000 }).subscribe()
    await begun.opened
    const answer = await post(url, encodeCall('query', ['x', []]), [], path)
    expect(statusOf(answer)).toBe(200)
    expect(answer).toMatch(miss)
    running.unsubscribe()
  })
})

const head = (url: string) => `POST /RPC2 HTTP/1.1\r\nHost: ${new URL(url).host}\r\nConnection: close\r\n`
