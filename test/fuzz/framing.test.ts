/** HTTP in pieces that are split anywhere, and heads of which anything may be wrong. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BadHead, parseHead } from '../../src/transport/http/data/head.js'
import { encodeCall } from '../../src/transport/xmlrpc/codec.js'
import { bytesOf, sourceOf } from '../compliance/inbound.js'
import { connectTo, peer, untilClosed } from '../transport/http/peers.js'

const RUNS = { seed: 20_260_801, numRuns: 60 }

const HELLO = encodeCall('hello', ['http://127.0.0.1:9']).toString()
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`
const CHUNKED = `POST /RPC2 HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n${chunk(HELLO.slice(0, 40))}${chunk(HELLO.slice(40))}0\r\n\r\n`
const PLAIN = `POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${HELLO.length}\r\n\r\n${HELLO}`
const READ = 'GET /files/x HTTP/1.1\r\nHost: 127.0.0.1\r\nRange: bytes=10-19\r\n\r\n'
const HEAD = 'HEAD /files/x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'
const LAST = 'GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n'
const REQUESTS = PLAIN + READ + CHUNKED + HEAD + READ + LAST

async function listening() {
  const introduced: string[] = []
  const { url } = await peer({
    introduced: (other) => introduced.push(other),
    open: () => Promise.resolve(sourceOf(bytesOf(1_000)))
  })
  return { url, introduced }
}

/** Writes each piece as a packet of its own. */
async function inPieces(url: string, pieces: readonly string[]): Promise<string> {
  const socket = await connectTo(url)
  socket.setNoDelay(true)
  const answer = untilClosed(socket)
  for (const piece of pieces) {
    await new Promise<void>((resolve) => socket.write(piece, 'latin1', () => resolve()))
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
  return (await answer).replace(/Date: [^\r]*/g, '')
}

function splitAt(text: string, places: readonly number[]): readonly string[] {
  const sorted = [...new Set(places)].sort((one, other) => one - other)
  return [0, ...sorted].map((from, at) => text.slice(from, sorted[at])).filter((piece) => piece !== '')
}

describe('requests', () => {
  test('split at each byte are answered the same', async () => {
    const { url } = await listening()
    const whole = await inPieces(url, [REQUESTS])
    expect([...whole.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status).join(' ')).toBe(
      '200 206 200 200 206 404'
    )
    for (let at = 1; at < REQUESTS.length; at += 8) {
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, more) => inPieces(url, splitAt(REQUESTS, [at + more])))
      )
      for (const answer of answers) expect(answer).toBe(whole)
    }
  })

  test('split at many places are answered the same', async () => {
    const { url } = await listening()
    const whole = await inPieces(url, [REQUESTS])
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(REQUESTS.length), { maxLength: 40 }), async (places) => {
        expect(await inPieces(url, splitAt(REQUESTS, places))).toBe(whole)
      }),
      RUNS
    )
  })

  test('of any bytes are answered as HTTP or not at all, and the next one is answered', async () => {
    const { url, introduced } = await listening()
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
      fc
        .record({
          at: fc.nat(REQUESTS.length),
          cut: fc.nat(20),
          piece: fc.oneof(
            fc.string({ maxLength: 5 }),
            fc.constantFrom('\r\n', '\r\n\r\n', '\n', '\0', ' ', ':', '0\r\n')
          )
        })
        .map(({ at, cut, piece }) => REQUESTS.slice(0, at) + piece + REQUESTS.slice(at + cut))
    )
    await fc.assert(
      fc.asyncProperty(anything, async (bytes) => {
        const socket = await connectTo(url)
        const answer = untilClosed(socket)
        socket.end(Buffer.from(bytes, 'latin1'))
        expect(await answer).toMatch(/^(HTTP\/1\.1 \d{3} |$)/)
      }),
      { ...RUNS, numRuns: 300 }
    )
    expect(introduced.every((other) => other.length < 300)).toBe(true)
    expect(await inPieces(url, [PLAIN.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')])).toMatch(/<int>0<\/int>/)
  })
})

describe('the head of an answer', () => {
  const line = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.constantFrom(
      ...[
        'HTTP/1.1 200 OK',
        'HTTP/1.0 206 x',
        'Content-Length: 5',
        'content-length: 05',
        'Content-Length: 1e9',
        'ETag: "a"'
      ],
      ...['Connection: close', 'Connection: keep-alive', 'Transfer-Encoding: chunked', 'a:b', ' a: b', ': b', 'a', '']
    ),
    fc.tuple(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 })).map(([name, value]) => `${name}: ${value}`)
  )

  test('of any lines is read or refused, and what is read is unambiguous', () => {
    let read = 0
    fc.assert(
      fc.property(fc.boolean(), fc.array(line, { maxLength: 8 }), (good, lines) => {
        const text = [...(good ? ['HTTP/1.1 200 OK'] : []), ...lines].join('\r\n')
        try {
          const head = parseHead(text, 5)
          read++
          expect(head.status).toBeGreaterThanOrEqual(100)
          expect(head.status).toBeLessThan(600)
          expect(head.headers.size).toBeLessThanOrEqual(5)
          for (const [name, value] of head.headers) expect(`${name}${value}`).not.toMatch(/[\0\r\n]/)
          if (head.contentLength !== undefined) {
            expect(Number.isSafeInteger(head.contentLength)).toBe(true)
            expect(head.headers.has('transfer-encoding')).toBe(false)
          }
        } catch (error) {
          expect(error).toBeInstanceOf(BadHead)
        }
      }),
      { ...RUNS, numRuns: 3_000 }
    )
    expect(read).toBeGreaterThan(200)
  })
})
