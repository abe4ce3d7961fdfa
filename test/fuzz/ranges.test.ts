/** Headers about parts of a file, against what they mean written down byte by byte. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { chooseRange, namesTag, readContentRange, readWait } from '../../src/transport/http/range.js'

const RUNS = { seed: 20_260_803, numRuns: 5_000 }

const number = fc.oneof(
  { arbitrary: fc.nat(12).map(String), weight: 8 },
  fc.constantFrom('', '00', '007', '9007199254740993', '9'.repeat(400), '-1', '+1', ' 1', '1.5', '1e1', 'x')
)
const spec = fc
  .tuple(number, fc.constantFrom(...Array.from({ length: 12 }, () => '-'), '--', '', ' - '), number)
  .map((parts) => parts.join(''))
const header = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('bytes=', 'bytes=', 'bytes=', 'Bytes=', 'bytes= ', 'bytes', 'lines='),
      fc.array(spec, { maxLength: 3 })
    )
    .map(([unit, specs]) => unit + specs.join(',')),
  fc.string({ unit: 'binary', maxLength: 30 })
)

/** The bytes a header asks for, one by one; nothing when it is malformed. */
function bytesAsked(text: string, size: number): Set<number> | undefined {
  if (!/^bytes=/i.test(text)) return undefined
  const specs = text
    .slice(6)
    .split(',')
    .map((one) => one.trim())
  const asked = new Set<number>()
  for (const one of specs.filter((text) => text !== '')) {
    const [, first = '', last = ''] = /^(\d*)-(\d*)$/.exec(one) ?? []
    if (first === '' && last === '') return undefined
    if (first !== '' && last !== '' && BigInt(first) > BigInt(last)) return undefined
    for (let at = 0; at < size; at++) {
      const isIn =
        first === ''
          ? BigInt(size - at) <= BigInt(last)
          : BigInt(at) >= BigInt(first) && (last === '' || BigInt(at) <= BigInt(last))
      if (isIn) asked.add(at)
    }
  }
  return specs.every((one) => one === '') ? undefined : asked
}

test('a range is what was asked for, or the whole file, and never more than that', () => {
  let parts = 0
  fc.assert(
    fc.property(header, fc.nat(12), (text, size) => {
      const choice = chooseRange(text, size)
      const asked = bytesAsked(text, size)
      if (asked === undefined) expect(choice).toEqual({ type: 'whole' })
      else if (asked.size === 0) expect(choice).toEqual({ type: 'unsatisfiable' })
      else if (choice.type === 'part') {
        parts++
        const { start, end } = choice
        expect([...asked].sort((one, other) => one - other)).toEqual(
          Array.from({ length: end - start }, (_, at) => start + at)
        )
      } else {
        // Only what has a gap is answered with all.
        expect(choice.type).toBe('whole')
        expect(Math.max(...asked) - Math.min(...asked) + 1).toBeGreaterThan(asked.size)
      }
    }),
    RUNS
  )
  expect(parts).toBeGreaterThan(100)
})

test('a range of a file of any size lies in it', () => {
  const bigNumber = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 70n }).map(String), fc.constant(''))
  fc.assert(
    fc.property(
      fc.array(fc.tuple(bigNumber, bigNumber), { minLength: 1, maxLength: 18 }),
      fc.maxSafeInteger(),
      (all, some) => {
        const size = Math.abs(some)
        const choice = chooseRange(`bytes=${all.map((two) => two.join('-')).join()}`, size)
        if (choice.type !== 'part') return
        expect(choice.start).toBeGreaterThanOrEqual(0)
        expect(choice.start).toBeLessThan(choice.end)
        expect(choice.end).toBeLessThanOrEqual(size)
      }
    ),
    RUNS
  )
})

test('the range of an answer is read as it was written, or not at all', () => {
  const digits = fc.oneof(
    fc.nat(1_000).map(String),
    fc.bigInt({ min: 0n, max: 2n ** 70n }).map(String),
    fc.constantFrom('', '*', '-1')
  )
  fc.assert(
    fc.property(
      fc.constantFrom('bytes ', 'bytes=', 'BYTES ', ''),
      digits,
      digits,
      digits,
      (unit, first, last, size) => {
        const range = readContentRange(`${unit}${first}-${last}/${size}`)
        if (range === undefined) return
        expect(range).toEqual({ start: Number(first), end: Number(last) + 1, size: Number(size) })
        expect(range.start < range.end && range.end <= range.size && Number.isSafeInteger(range.size)).toBe(true)
      }
    ),
    RUNS
  )
})

test('tags and waits of any kind are read or ignored', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), fc.array(fc.string({ maxLength: 5 })), (text, tags) => {
      expect(typeof namesTag(text, 'e', { weak: true })).toBe('boolean')
      const list = [...tags.map((tag) => JSON.stringify(tag).replaceAll(',', '')), '"e"'].join(', ')
      expect(namesTag(list, 'e', { weak: false })).toBe(true)
      const wait = readWait(text)
      expect(Number.isInteger(wait) && wait >= 0 && wait < 1_000_000).toBe(true)
    }),
    RUNS
  )
})
