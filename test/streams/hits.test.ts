import { describe, expect, test } from 'vitest'
import {
  believedHits,
  believedTraces,
  bytesOf,
  farther,
  keyOf,
  MAX_BATCH_BYTES,
  MAX_BATCH_HITS,
  ownHits
} from '../../src/streams/hits.js'
import type { Hit, Trace } from '../../src/streams/ports.js'
import { rootOf } from './matching.js'

const HOLDER = 'http://127.0.0.1:4001'
const urls = (count: number) => Array.from({ length: count }, (_, at) => `http://127.0.0.1:${at + 1}`)
const hit = (given: Partial<Hit> = {}): Hit => ({
  name: 'a.txt',
  size: 3,
  root: rootOf(1),
  holders: [HOLDER],
  hops: 0,
  ...given
})
const one = (given: Partial<Hit>) => believedHits([hit(given)])[0]

describe('what a neighbour says it has found', () => {
  test.each([
    { name: '../a.txt' },
    { name: '/etc/passwd' },
    { name: '' },
    { name: 'a\0' },
    { name: '.p2p-rx/x' },
    { size: -1 },
    { size: 1.5 },
    { size: Number.NaN },
    { size: Number.MAX_SAFE_INTEGER + 1 },
    { root: 'ab' },
    { root: rootOf(1).toUpperCase().replace('0', 'A') },
    { holders: [] },
    { holders: ['file:///etc/passwd', 'http://user:secret@h:1', 'http://h:1/other', 'h'] }
  ])('is dropped when it is %j', (given) => {
    expect(one(given)).toBeUndefined()
  })

  test('is cut to what one hit may hold', () => {
    const lines = Array.from({ length: 50 }, (_, at) => ({ number: at + 1, text: 'x'.repeat(1_000) }))
    const cut = one({ holders: urls(50), relays: urls(50), lines })
    expect(cut?.holders).toEqual(urls(8))
    expect(cut?.relays).toEqual(urls(4))
    expect(cut?.lines).toHaveLength(16)
    expect(cut?.lines?.[0]?.text).toBe('x'.repeat(256))
    expect(believedHits(Array.from({ length: 1_000 }, () => hit()))).toHaveLength(MAX_BATCH_HITS)
  })

  test('is of one holder when it has no root, and nobody passes it on, since nothing proves the bytes', () => {
    const { root: _, ...unhashed } = hit({ holders: urls(3), relays: urls(2) })
    const [believed = hit()] = believedHits([unhashed])
    expect(farther(believed, 'http://us:1')).toEqual({ name: 'a.txt', size: 3, holders: urls(1), hops: 1 })
  })

  test('names each holder once, and only URLs of peers', () => {
    expect(one({ holders: [HOLDER, `${HOLDER}/`, 'nonsense', `${HOLDER}/simple`] })?.holders).toEqual([HOLDER])
  })

  test.each([
    { hops: -1, believed: 6 },
    { hops: 1.5, believed: 6 },
    { hops: Number.NaN, believed: 6 },
    { hops: 1e9, believed: 6 },
    { hops: 3, believed: 3 }
  ])('is $believed calls away when it says $hops', ({ hops, believed }) => {
    expect(one({ hops })?.hops).toBe(believed)
  })

  test('has lines without what a terminal obeys', () => {
    const text = 'a\x1b[2Jb\tc\r\ud800\u009b'
    expect(one({ lines: [{ number: 1, text }] })?.lines).toEqual([
      { number: 1, text: 'a\ufffd[2Jb c\ufffd\ufffd\ufffd' }
    ])
    expect(one({ lines: [{ number: -1, text }] })?.lines).toEqual([])
  })
})

test('the calls that others tell of are cut, or dropped where they make no sense', () => {
  const trace: Trace = { from: HOLDER, to: HOLDER, depth: 1, outcome: 'failed', hits: 0, tookMs: 3, detail: 'x\x1b' }
  expect(believedTraces([trace])).toEqual([{ ...trace, detail: 'x\ufffd' }])
  const outcome = 'won' as Trace['outcome']
  const nonsense: Partial<Trace>[] = [
    { depth: 99 },
    { hits: -1 },
    { tookMs: Number.NaN },
    { outcome },
    { to: 'x'.repeat(300) }
  ]
  expect(believedTraces(nonsense.map((given) => ({ ...trace, ...given })))).toEqual([])
  expect(believedTraces(Array.from({ length: 1_000 }, () => trace))).toHaveLength(MAX_BATCH_HITS)
})

test('hits of one content are one, whatever its name, and files without a root are each their own', () => {
  expect(keyOf(hit({ name: 'x', holders: urls(1) }))).toBe(keyOf(hit({ name: 'y', holders: urls(2) })))
  const unhashed = (given: Partial<Hit>) => keyOf({ name: 'x', size: 1, holders: [HOLDER], ...given })
  expect(
    new Set([unhashed({}), unhashed({ name: 'y' }), unhashed({ size: 2 }), unhashed({ holders: urls(1) })]).size
  ).toBe(4)
})

test('our own are here, and those of others one call further away, through us', () => {
  const lines = [{ number: 1, text: 'x'.repeat(300) }]
  expect(ownHits([{ name: 'a', size: 1, modifiedMs: 9, lines }], HOLDER)).toEqual([
    { name: 'a', size: 1, holders: [HOLDER], hops: 0, lines: [{ number: 1, text: 'x'.repeat(256) }] }
  ])
  expect(farther(hit({ hops: 2 }), 'http://us:1')).toEqual(hit({ hops: 3, relays: ['http://us:1'] }))
  expect(farther(hit({ relays: urls(4) }), 'http://us:1').relays).toEqual(urls(4))
  expect(farther(hit({ relays: ['http://us:1'] }), 'http://us:1').relays).toEqual(['http://us:1'])
  for (const nobody of [undefined, '']) expect(farther(hit(), nobody)).toEqual(hit({ hops: 1 }))
  const { root: _, ...unhashed } = hit()
  expect(farther(unhashed, 'http://us:1')).toEqual({ ...unhashed, hops: 1 })
})

test('no hit or trace is larger on the wire than it is taken for, and the largest ones fit into a batch', () => {
  const wide = '\u{4e00}'
  const url = (at: number) => `http://${'h'.repeat(230)}${at}:1/simple`
  const largest = farther(
    {
      ...hit({ name: Array.from({ length: 16 }, () => wide.repeat(84)).join('/'), size: Number.MAX_SAFE_INTEGER }),
      holders: Array.from({ length: 8 }, (_, at) => url(at)),
      relays: Array.from({ length: 3 }, (_, at) => url(at)),
      lines:
        believedHits([
          hit({ lines: Array.from({ length: 16 }, (_, at) => ({ number: 1e15 + at, text: '\x01'.repeat(256) })) })
        ])[0]?.lines ?? []
    },
    url(9)
  )
  const trace: Trace = {
    from: url(1),
    to: url(2),
    depth: 6,
    outcome: 'taken-back',
    hits: Number.MAX_SAFE_INTEGER,
    tookMs: 1.7976931348623157e308,
    detail: '"\\'.repeat(128)
  }
  for (const item of [hit(), largest, trace]) {
    expect(Buffer.byteLength(JSON.stringify(item))).toBeLessThanOrEqual(bytesOf(item))
    expect(bytesOf(item)).toBeLessThan(MAX_BATCH_BYTES)
  }
})
