/** Hostile bytes on the port of a real peer: XML (T1, T2), framing (T4, T30), keys (T28), ranges (T29). */
import { once } from 'node:events'
import { readdir, readFile, utimes } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { encodeCall } from '../../src/transport/xmlrpc/codec.js'
import type { XmlRpcValue } from '../../src/transport/xmlrpc/values.js'
import { folder, start } from '../peer/network.js'
import { connectTo, pythonPost, raw } from '../transport/http/peers.js'

const ATTACKS = new URL('../corpora/xml_attacks/', import.meta.url)
const CANARY = 'CANARY-9d1f'

/** A peer that shares one file, and a file beside its share that nobody may have. */
async function sharing() {
  const outside = await folder({ 'canary.txt': CANARY })
  const dir = await folder({ 'small.txt': 'This is a test\n' })
  // A file that has just been written is not offered yet.
  await utimes(join(dir, 'small.txt'), 1e9, 1e9)
  return { ...(await start({}, { dir })), canaryPath: `${outside}/canary.txt` }
}

/** Where nobody should ever call. */
async function canaryServer() {
  let hits = 0
  const server = createServer((socket) => {
    hits++
    socket.destroy()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}/`, hits: () => hits }
}

const post = (url: string, body: string | Buffer, path = '/RPC2') => raw(url, pythonPost(url, path, body))
const answers = async (url: string) =>
  expect(await post(url, encodeCall('query', ['small.txt', []]))).toContain('This is a test')

/** The beginning of an answer, on a connection that would stay. */
async function first(url: string, request: string): Promise<string> {
  const socket = await connectTo(url)
  socket.write(request)
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  return chunk.toString('latin1')
}

const callWith = (value: string, before = '') =>
  `<?xml version="1.0"?>${before}<methodCall><methodName>query</methodName><params><param><value><string>${value}</string></value></param></params></methodCall>`

describe('XML', () => {
  test('with definitions of its own is refused, and leads nowhere', async () => {
    const { url, canaryPath } = await sharing()
    const canary = await canaryServer()
    const documents = await Promise.all(
      (await readdir(ATTACKS))
        .filter((name) => name.endsWith('.xml'))
        .map((name) => readFile(new URL(name, ATTACKS), 'utf8'))
    )
    const ours = [
      callWith('&e;', `<!DOCTYPE methodCall [<!ENTITY e SYSTEM "file://${canaryPath}">]>`),
      callWith('&e;', `<!DOCTYPE methodCall [<!ENTITY e SYSTEM "${canary.url}">]>`),
      callWith('x', `<!DOCTYPE methodCall SYSTEM "${canary.url}">`),
      callWith('x', `<!DOCTYPE methodCall [<!ENTITY % p SYSTEM "${canary.url}"> %p;]>`),
      callWith('x', `<?xml-stylesheet href="${canary.url}"?>`),
      callWith(`<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" parse="text" href="file://${canaryPath}"/>`)
    ]
    const moved = documents.map((text) =>
      text
        .replace('http://www.w3schools.com/xml/note.xml', canary.url)
        .replace('file:///PATH/TO/xmltestdata/simple.xml', `file://${canaryPath}`)
    )
    for (const body of [...moved, ...ours]) {
      const answer = await post(url, body)
      expect(answer).toMatch(/^HTTP\/1\.1 (400|200[^]*<fault>)/)
      expect(answer).not.toContain(CANARY)
    }
    expect(canary.hits()).toBe(0)
    await answers(url)
  })

  test.each([33, 1_000, 40_000])('nested %i deep is a fault', async (levels) => {
    const { url } = await sharing()
    const arrays = '<array><data><value>'.repeat(levels) + '</value></data></array>'.repeat(levels)
    const structs = '<struct><member><name>a</name><value>'.repeat(levels)
    for (const body of [
      callWith('').replace('<string></string>', arrays.slice(0, 900_000)),
      callWith(structs.slice(0, 900_000))
    ])
      expect(await post(url, body)).toMatch(/<fault>[^]*<int>1<\/int>/)
    await answers(url)
  })

  test('that is no UTF-8, has zeros or half a character is refused', async () => {
    const { url } = await sharing()
    for (const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0x00], [0xe2, 0x82]]) {
      const [before = '', after = ''] = callWith('HERE').split('HERE')
      const body = Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)])
      const head = pythonPost(url, '/RPC2', 'x'.repeat(body.length)).slice(0, -body.length)
      expect(await raw(url, head, body)).toMatch(/^HTTP\/1\.1 (400|200[^]*<fault>)/)
    }
    await answers(url)
  })
})

describe('a request that two parsers could read in two ways', () => {
  const call = encodeCall('hello', ['http://127.0.0.1:9']).toString()
  const head = 'POST /RPC2 HTTP/1.1\r\nHost: 127.0.0.1\r\n'
  const chunked = `${head}Transfer-Encoding: chunked\r\n`
  const smuggled = 'GET /files/small.txt HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'

  test.each([
    ['a length and chunks', `${chunked}Content-Length: 5\r\n\r\n0\r\n\r\n${smuggled}`],
    ['chunks and a length', `${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`],
    ['two lengths', `${head}Content-Length: 0\r\nContent-Length: 5\r\n\r\n${smuggled}`],
    ['a list of lengths', `${head}Content-Length: 0, 0\r\n\r\n${smuggled}`],
    ['a length with a sign', `${head}Content-Length: +0\r\n\r\n${smuggled}`],
    ['a length below nothing', `${head}Content-Length: -1\r\n\r\n${smuggled}`],
    ['a length in hex', `${head}Content-Length: 0x0\r\n\r\n${smuggled}`],
    ['a length of 2^64', `${head}Content-Length: 18446744073709551616\r\n\r\n${smuggled}`],
    ['another coding', `${head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${smuggled}`],
    ['a coding behind chunks', `${head}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${smuggled}`],
    ['a coding behind a tab', `${head}Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n${smuggled}`],
    ['a folded header', `${head}X: a\r\n Content-Length: 3\r\nTransfer-Encoding\r\n : chunked\r\n\r\n${smuggled}`],
    ['a space before the colon', `${head}Content-Length : 0\r\n\r\n${smuggled}`],
    ['bare line feeds', `${head.replaceAll('\r\n', '\n')}Content-Length: 0\n\n${smuggled}`],
    ['a zero in a header', `${head}X: a\0b\r\n\r\n${smuggled}`],
    ['a chunk of 2^64', `${chunked}\r\n10000000000000000\r\n${smuggled}`],
    ['a chunk below nothing', `${chunked}\r\n-1\r\n${smuggled}`],
    ['a chunk in words', `${chunked}\r\nzz\r\n${smuggled}`],
    ['a chunk without its end', `${chunked}\r\n1\r\nab\r\n0\r\n\r\n${smuggled}`],
    ['a megabyte of chunk extension', `${chunked}\r\n1;${'x'.repeat(1_000_000)}\r\na\r\n0\r\n\r\n${smuggled}`],
    ['trailers without end', `${chunked}\r\n0\r\n${'X: y\r\n'.repeat(20_000)}\r\n${smuggled}`],
    ['another protocol', `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${smuggled}`],
    ['a version of its own', `GET /files/small.txt HTTP/9.9\r\nHost: x\r\n\r\n${smuggled}`]
  ])('is not answered as two: %s', async (_, bytes) => {
    const { url } = await sharing()
    const answer = await raw(url, bytes)
    // Refused, and with it the connection: what came behind is no request.
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d|^$/)
    expect(answer).not.toContain('This is a test')
    await answers(url)
  })

  test('but chunks, also with extensions and trailers, are read as what they are', async () => {
    const { url } = await sharing()
    const [one, two] = [call.slice(0, 50), call.slice(50)]
    const chunk = (text: string, more = '') => `${text.length.toString(16)}${more}\r\n${text}\r\n`
    const body = `${chunk(one, ';a=b')}${chunk(two)}0\r\nX-Trailer: x\r\n\r\n`
    expect(await raw(url, `${chunked}Connection: close\r\n\r\n${body}`)).toMatch(/<int>0<\/int>/)
  })

  test('what the peer is told to switch to or wait for changes nothing', async () => {
    const { url } = await sharing()
    const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
    expect(await first(url, `GET /files/small.txt HTTP/1.1\r\nHost: 127.0.0.1\r\n${upgrade}\r\n`)).toMatch(/ 200 /)
    expect(await raw(url, 'CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n')).toBe('')
    expect(await first(url, `${head}Expect: 200-maybe\r\nContent-Length: 1000000\r\n\r\n`)).toMatch(/^HTTP\/1\.1 417/)
    expect(
      await raw(url, 'GET http://evil.example/files/small.txt HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n')
    ).toMatch(/ 404 /)
    await answers(url)
  })
})

describe('keys and methods that every object has', () => {
  const NAMES = [
    ...['__proto__', 'constructor', 'prototype', 'toString', 'valueOf', 'hasOwnProperty', 'isPrototypeOf'],
    ...['__defineGetter__', '__defineSetter__', '__lookupGetter__', '__lookupSetter__', 'toLocaleString'],
    ...['propertyIsEnumerable', 'system.__proto__', 'system.constructor', '__proto__.polluted', 'then', 'catch'],
    ...['get', 'set', 'has', 'size', 'p2prx.__proto__', 'apply']
  ]
  const untouched = () => {
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
    expect(Object.keys(Object.prototype)).toEqual([])
  }

  test('are no methods', async () => {
    const { url } = await sharing()
    expect(NAMES).toHaveLength(24)
    for (const name of NAMES)
      expect(await post(url, encodeCall(name, ['polluted', 'x']))).toMatch(/<fault>[^]*<int>1<\/int>/)
    untouched()
    await answers(url)
  })

  test('change nothing as keys of what is sent', async () => {
    const { url } = await sharing()
    const polluting = (key: string) => JSON.parse(`{"${key}":{"polluted":"yes"}}`) as XmlRpcValue
    for (const key of NAMES) {
      const value = polluting(key)
      for (const body of [
        encodeCall('p2prx.query', [value]),
        encodeCall('p2prx.hello', [value]),
        encodeCall('system.multicall', [[{ methodName: key, params: [value] }, value]]),
        encodeCall('query', [value, value])
      ]) {
        const answer = await post(url, body)
        expect(answer).toMatch(/^HTTP\/1\.1 200/)
        expect(answer).toContain('faultCode')
      }
    }
    untouched()
    await answers(url)
  })
})

describe('ranges', () => {
  const SIZE = 100_000

  test('however many, are never answered with more than the file', async () => {
    const { url } = await start({ 'file.bin': new Uint8Array(SIZE) })
    const lists = [
      Array.from({ length: 1_000 }, () => '0-').join(),
      Array.from({ length: 1_300 }, (_, at) => `5-${at}`).join(),
      Array.from({ length: 16 }, () => '0-').join(),
      '-1,-2,-3,0-,1-',
      '0-0,99999-,9007199254740993-',
      `0-${'9'.repeat(8_000)}`,
      `${'9'.repeat(8_000)}-`
    ]
    for (const ranges of lists) {
      const answer = await raw(
        url,
        `GET /files/file.bin HTTP/1.1\r\nHost: 127.0.0.1\r\nRange: bytes=${ranges}\r\nConnection: close\r\n\r\n`
      )
      expect(answer).toMatch(/^HTTP\/1\.1 (200|206|416)/)
      expect(answer.length).toBeLessThan(SIZE + 2_000)
    }
  })
})
