/** The lines of a find, split anywhere, and saying anything. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isPlainName } from '../../src/streams/names.js'
import type { Hit } from '../../src/streams/ports.js'
import { peerKey } from '../../src/streams/urls.js'
import { createLineReader, encodeFound } from '../../src/transport/http/find/answer-lines.js'
import { createLines } from '../../src/transport/http/find/lines.js'
import { BadSearch, decodeSearch, encodeSearch } from '../../src/transport/http/find/message.js'
import { MAX_FIND_LINE_BYTES } from '../../src/transport/http/limits.js'
import { found, hitsOf, searchFor, taken } from '../transport/http/finding.js'
import { peer, serverWith, visitor } from '../transport/http/peers.js'

const RUNS = { seed: 20_260_901, numRuns: 300 }
const LINE_BYTES = 24

/** All lines of these pieces, or that one was too long. */
function linesOf(pieces: readonly Uint8Array[]): readonly string[] | 'too long' {
  const lines = createLines(LINE_BYTES)
  const taken: string[] = []
  try {
    for (const piece of pieces) {
      lines.push(Buffer.from(piece))
      for (let line = lines.take(); line !== undefined; line = lines.take()) taken.push(line)
    }
  } catch {
    return 'too long'
  }
  return taken
}

function cut(bytes: Buffer, places: readonly number[]): readonly Buffer[] {
  const sorted = [...new Set(places)].sort((one, other) => one - other)
  return [0, ...sorted].map((from, at) => bytes.subarray(from, sorted[at]))
}

describe('lines', () => {
  test('are the same wherever they are split, and none is longer than allowed', () => {
    const line = fc.string({ unit: fc.constantFrom('a', 'é', '😀', '"', '\r'), maxLength: 16 })
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), fc.array(fc.nat(300), { maxLength: 30 }), (said, places) => {
        const bytes = Buffer.from(said.map((each) => `${each}\n`).join(''))
        const first = said.findIndex((each) => Buffer.byteLength(each) >= LINE_BYTES)
        expect(linesOf(cut(bytes, places))).toEqual(first === -1 ? said : 'too long')
      }),
      RUNS
    )
  })

  test('come out whole when an answer is split at each byte', async () => {
    const hits = hitsOf(2, 1, { name: 'é😀/"x".txt', lines: [{ number: 1, text: 'ü\\' }] })
    const said = Buffer.from([...encodeFound(hits), '', '{"end":"all"}', ''].join('\n'))
    let at = 0
    const honest = await peer({ searched: () => found() })
    const { url } = await serverWith((incoming, response) => {
      if (incoming.url !== '/find') {
        void fetch(`${honest.url}/RPC2`, { method: 'POST', body: incoming, duplex: 'half' }).then(async (answer) =>
          response.writeHead(200, { 'Content-Type': 'text/xml' }).end(await answer.text())
        )
        return
      }
      response.writeHead(200, { 'Content-Type': 'application/x-ndjson' })
      response.write(said.subarray(0, at), () => setImmediate(() => response.end(said.subarray(at))))
    })
    const us = visitor()
    for (at = 1; at < said.length; at++) {
      const told = await taken(us.find?.(url, searchFor()) ?? found())
      expect(told).toMatchObject({ hits, last: { type: 'ended', how: 'all' } })
    }
  })
})

const url = fc.constantFrom('http://a:1', 'http://127.0.0.1:4242/', 'http://b:2/simple', 'http://[::1]:9')
const name = fc
  .array(fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('/'))
  .filter(isPlainName)
const hex = fc.constantFrom('0', '1', '9', 'a', 'b', 'f')
const hit: fc.Arbitrary<Hit> = fc.record(
  {
    name,
    size: fc.maxSafeNat(),
    root: fc.string({ unit: hex, minLength: 64, maxLength: 64 }),
    holders: fc.array(url, { minLength: 1, maxLength: 8 }),
    relays: fc.array(url, { minLength: 1, maxLength: 4 }),
    hops: fc.nat(6),
    lines: fc.array(fc.record({ number: fc.nat(), text: fc.string({ unit: 'binary', maxLength: 256 }) }), {
      minLength: 1,
      maxLength: 16
    })
  },
  { requiredKeys: ['name', 'size', 'holders', 'hops'] }
)

describe('hits', () => {
  test('go round as they are, on lines that are short enough', () => {
    fc.assert(
      fc.property(fc.array(hit, { maxLength: 200 }), (hits) => {
        const read = createLineReader('http:')
        const lines = encodeFound(hits)
        for (const line of lines) {
          expect(Buffer.byteLength(line)).toBeLessThan(MAX_FIND_LINE_BYTES)
          expect(line).not.toContain('\n')
        }
        const back = lines.map(read)
        expect(back.flatMap((line) => (line?.type === 'found' ? line.hits : []))).toEqual(hits)
      }),
      { ...RUNS, numRuns: 60 }
    )
  })

  test('of any shape are read or left out, and what is read can be relied on', () => {
    let good = 0
    const most = <T>(value: fc.Arbitrary<T>) =>
      fc.oneof({ weight: 30, arbitrary: value }, fc.jsonValue({ maxDepth: 1 }))
    const place = most(fc.nat(4))
    const row = fc.tuple(
      most(name),
      most(fc.nat()),
      most(fc.constant('')),
      most(fc.nat(7)),
      most(fc.array(place, { maxLength: 10 })),
      most(fc.array(place, { maxLength: 5 })),
      most(fc.array(most(fc.tuple(fc.nat(), fc.string())), { maxLength: 18 }))
    )
    const said = fc.record(
      {
        urls: most(fc.array(most(url), { minLength: 4, maxLength: 6 })),
        hits: most(fc.array(most(row), { maxLength: 66 })),
        traces: most(fc.array(fc.jsonValue(), { maxLength: 3 }))
      },
      { requiredKeys: [] }
    )
    fc.assert(
      fc.property(
        fc.oneof(
          said.map((value) => JSON.stringify(value)),
          fc.json(),
          fc.string()
        ),
        (line) => {
          const told = createLineReader('http:')(line)
          if (told?.type !== 'found') return
          good += told.hits.length
          for (const each of told.hits) {
            expect(isPlainName(each.name)).toBe(true)
            expect(Number.isSafeInteger(each.size) && each.size >= 0).toBe(true)
            expect(each.root).toBeUndefined()
            expect(each.hops).toBeLessThanOrEqual(6)
            expect(each.holders.length).toBeGreaterThan(0)
            expect(each.holders.length).toBeLessThanOrEqual(8)
            expect(each.relays?.length ?? 1).toBeGreaterThan(0)
            expect(each.relays?.length ?? 1).toBeLessThanOrEqual(4)
            for (const one of [...each.holders, ...(each.relays ?? [])]) expect(peerKey(one)).toBeDefined()
            for (const { number, text } of each.lines ?? []) {
              expect(Number.isSafeInteger(number)).toBe(true)
              expect(text.length).toBeLessThanOrEqual(256)
            }
          }
        }
      ),
      { ...RUNS, numRuns: 600 }
    )
    expect(good).toBeGreaterThan(50)
  })
})

describe('what is asked', () => {
  test('is read or refused in one line, whatever it is', () => {
    const honest = encodeSearch(searchFor()).toString()
    const anything = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.json(),
      fc
        .tuple(fc.nat(honest.length), fc.nat(8), fc.oneof(fc.string({ maxLength: 4 }), fc.json({ maxDepth: 2 })))
        .map(([at, gone, piece]) => honest.slice(0, at) + piece + honest.slice(at + gone)),
      fc
        .tuple(fc.constantFrom(...Object.keys(JSON.parse(honest) as object)), fc.jsonValue())
        .map(([key, value]) => JSON.stringify({ ...(JSON.parse(honest) as object), [key]: value }))
    )
    fc.assert(
      fc.property(anything, (body) => {
        try {
          const search = decodeSearch(Buffer.from(body))
          expect(search.id.length).toBeGreaterThan(0)
          expect(search.limit).toBeLessThanOrEqual(250_000)
          expect(Number.isSafeInteger(search.deadlineMs)).toBe(true)
        } catch (error) {
          expect(error).toBeInstanceOf(BadSearch)
          expect(error instanceof Error && error.message).toMatch(/^.{1,160}$/)
        }
      }),
      { ...RUNS, numRuns: 3_000 }
    )
  })
})
