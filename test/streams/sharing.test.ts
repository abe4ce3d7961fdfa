import { describe, expect, test } from 'vitest'
import { PIECE_BYTES } from '../../src/streams/pieces.js'
import { advanced, type Lane, nextWork, requestEnd } from '../../src/streams/sharing.js'

const MB = PIECE_BYTES
const NOW = 10_000

/** A lane that is at the piece `next`, and has been asked for the two pieces it begins with. */
function lane(holder: string, next: number, end: number, given: Partial<Lane> = {}): Lane {
  const speed = { rate: given.rate, settled: given.rate !== undefined, bytes: 0, sinceMs: NOW }
  const requested = Math.min(end, next + 2)
  return {
    holder,
    first: next,
    next,
    end,
    requested,
    inPiece: 0,
    speed,
    rate: undefined,
    lastMs: NOW,
    fruitful: false,
    ...given
  }
}

const work = (lanes: readonly Lane[], rate?: number, nowMs = NOW) => nextWork({ gaps: [], lanes, rate, nowMs })

describe('who becomes free', () => {
  test('first gets all of it, and of several stretches the longest', () => {
    const free = (gaps: { start: number; end: number }[]) => nextWork({ gaps, lanes: [], rate: undefined, nowMs: NOW })
    expect(free([{ start: 0, end: 100 }])).toEqual({ start: 0, end: 100, race: false })
    expect(
      free([
        { start: 0, end: 3 },
        { start: 5, end: 9 }
      ])
    ).toEqual({ start: 5, end: 9, race: false })
    expect(free([])).toBeUndefined()
  })

  test.each([
    // own rate, rate of A: of 100 pieces A keeps the first ones
    ['takes half of one who is as fast', 10, 10, 50],
    ['takes a fifth of one four times as fast', 10, 40, 80],
    ['takes four fifths of one a quarter as fast', 40, 10, 20],
    ['leaves what has been asked for', 1_000, 1, 2]
  ])('%s', (_, own, rate, start) => {
    expect(work([lane('A', 0, 100, { rate: rate * MB })], own * MB)).toEqual({
      start,
      end: 100,
      from: 'A',
      race: false
    })
  })

  test('takes half when nothing is known of either', () => {
    expect(work([lane('A', 0, 100)])).toEqual({ start: 50, end: 100, from: 'A', race: false })
  })

  test('takes it off the one that would be busy the longest', () => {
    const lanes = [
      lane('A', 0, 40, { rate: 10 * MB }),
      lane('B', 40, 60, { rate: MB }),
      lane('C', 60, 100, { rate: 8 * MB })
    ]
    expect(work(lanes, MB)).toMatchObject({ from: 'B', start: 50, end: 60 })
  })

  test('takes the tail of one that says nothing any more', () => {
    const lanes = (lastMs: number) => [
      lane('A', 0, 100, { rate: 100 * MB, lastMs }),
      lane('B', 100, 200, { rate: 10 * MB })
    ]
    expect(work(lanes(NOW), 10 * MB)).toMatchObject({ from: 'B' })
    expect(work(lanes(NOW - 60_000), 10 * MB)).toEqual({ start: 2, end: 100, from: 'A', race: false })
  })
})

describe('at the end', () => {
  // Asked for already: what is taken off its share costs a connection.
  const busy = (left: number, rate: number, given: Partial<Lane> = {}) =>
    lane('A', 90, 90 + left, { requested: 90 + left, rate, ...given })

  test('a part of what has been asked for is taken only where that saves some time', () => {
    expect(work([busy(4, 10 * MB)], 10 * MB)).toEqual({ start: 92, end: 94, from: 'A', race: false })
    // All four take 40 ms: less than the 50 ms it has to save.
    expect(work([busy(4, 100 * MB)], 100 * MB)).toBeUndefined()
  })

  test('the last piece of a slow one is raced by a fast one, but not the other way round', () => {
    expect(work([busy(1, MB)], 10 * MB)).toEqual({ start: 90, end: 91, race: true })
    expect(work([busy(1, 10 * MB)], 10 * MB)).toBeUndefined()
    expect(work([busy(1, 10 * MB)], MB)).toBeUndefined()
  })

  test('one that is nearly done is left alone', () => {
    expect(work([busy(1, MB, { inPiece: 0.9 * MB })], 10 * MB)).toBeUndefined()
  })

  test('one that says nothing is raced, though it was fast', () => {
    expect(work([busy(1, 100 * MB, { lastMs: NOW - 5_000 })], MB)).toEqual({ start: 90, end: 91, race: true })
  })

  test('one that has never said anything is raced by one of which nothing is known either, after a while', () => {
    const silent = (forMs: number) => lane('A', 0, 1, { requested: 1, lastMs: NOW - forMs })
    expect(work([silent(1_000)])).toBeUndefined()
    expect(work([silent(1_600)])).toEqual({ start: 0, end: 1, race: true })
  })

  test('three at most are at one piece, and none that is being verified is raced', () => {
    const racer = (holder: string) => ({ ...busy(1, MB), holder })
    expect(work([racer('A'), racer('B')], 100 * MB)).toMatchObject({ race: true })
    expect(work([racer('A'), racer('B'), racer('C')], 100 * MB)).toBeUndefined()
    expect(nextWork({ gaps: [], lanes: [racer('A')], pending: [90], rate: 100 * MB, nowMs: NOW })).toBeUndefined()
  })
})

test('a fourth may race when one of the three has said nothing for a while', () => {
  const racers = (silentMs: number) =>
    ['A', 'B', 'C'].map((holder) =>
      lane(holder, 0, 1, { requested: 1, rate: MB, lastMs: NOW - (holder === 'B' ? silentMs : 100) })
    )
  expect(work(racers(1_999), 100 * MB)).toBeUndefined()
  expect(work(racers(2_000), 100 * MB)).toEqual({ start: 0, end: 1, race: true })
})

test.each([
  // rate in MB/s, pieces left, pieces asked for
  [undefined, 100, 2],
  [0.1, 100, 2],
  [10, 100, 5],
  [100, 100, 50],
  [1_000, 100, 64],
  [1_000, 3, 3],
  [undefined, 1, 1]
])('at %s MB/s and with %s pieces left it asks for %s at once', (rate, left, pieces) => {
  const asked = requestEnd({ next: 7, end: 7 + left, rate: rate === undefined ? undefined : rate * MB })
  expect(asked - 7).toBe(pieces)
})

test('a speed is measured over stretches of time, and a hiccup counts half', () => {
  const begun = lane('A', 0, 10, { position: 3 })
  const first = advanced(begun, MB, NOW + 100)
  expect(first).toMatchObject({ rate: 10 * MB, inPiece: MB, fruitful: true, lastMs: NOW + 100 })
  expect(first.position).toBeUndefined()
  const settled = advanced(first, MB, NOW + 200)
  expect(settled).toMatchObject({ rate: 10 * MB, speed: { settled: true, bytes: 0, sinceMs: NOW + 200 } })
  expect(advanced(settled, MB, NOW + 201).rate).toBe(10 * MB)
  expect(advanced(settled, MB, NOW + 1_200).rate).toBe((10 * MB + MB) / 2)
})
