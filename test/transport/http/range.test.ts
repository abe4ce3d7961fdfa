import { describe, expect, test } from 'vitest'
import { chooseRange, namesTag, readContentRange } from '../../../src/transport/http/range.js'

const WHOLE = { type: 'whole' }
const OUTSIDE = { type: 'unsatisfiable' }
const part = (start: number, end: number) => ({ type: 'part', start, end })

describe('which bytes a Range header asks for', () => {
  test.each([
    // The examples of RFC 9110, section 14.1.2, on its file of 10,000 bytes.
    ['bytes=0-499', 10_000, part(0, 500)],
    ['bytes=500-999', 10_000, part(500, 1_000)],
    ['bytes=-500', 10_000, part(9_500, 10_000)],
    ['bytes=9500-', 10_000, part(9_500, 10_000)],
    ['bytes=0-0,-1', 10_000, WHOLE],
    ['bytes= 0-999, 4500-5499, -1000', 10_000, WHOLE],
    ['bytes=500-600,601-999', 10_000, part(500, 1_000)],
    ['bytes=500-700,601-999', 10_000, part(500, 1_000)],
    // Its rules.
    [undefined, 10, WHOLE],
    ['bytes=0-', 10, part(0, 10)],
    ['BYTES=0-4', 10, part(0, 5)],
    ['bytes=5-100', 10, part(5, 10)],
    ['bytes=-100', 10, part(0, 10)],
    ['bytes=9-9', 10, part(9, 10)],
    ['bytes=10-', 10, OUTSIDE],
    ['bytes=10-20', 10, OUTSIDE],
    ['bytes=-0', 10, OUTSIDE],
    ['bytes=0-', 0, OUTSIDE],
    ['bytes=20-30,1-2', 10, part(1, 3)],
    ['bytes=5-9,0-4', 10, part(0, 10)],
    ['bytes=,1-2,', 10, part(1, 3)],
    // Numbers no double can hold.
    ['bytes=9007199254740993-', 10, OUTSIDE],
    ['bytes=99999999999999999999-', 10, OUTSIDE],
    ['bytes=0-99999999999999999999', 10, part(0, 10)],
    ['bytes=9007199254740994-9007199254740993', 10, WHOLE],
    [`bytes=${'9'.repeat(400)}-`, 10, OUTSIDE],
    [`bytes=-${'9'.repeat(400)}`, 10, part(0, 10)],
    // What is malformed is ignored.
    ['bytes=5-4', 10, WHOLE],
    ['bytes=', 10, WHOLE],
    ['bytes=-', 10, WHOLE],
    ['bytes=a-b', 10, WHOLE],
    ['bytes=1-2-3', 10, WHOLE],
    ['bytes=1-2,x', 10, WHOLE],
    ['bytes=+1-2', 10, WHOLE],
    ['bytes=--1', 10, WHOLE],
    ['bytes 0-4', 10, WHOLE],
    ['lines=0-4', 10, WHOLE],
    // Never more than the file, however often it is asked for.
    [`bytes=${Array.from({ length: 17 }, () => '0-').join()}`, 10, WHOLE],
    ['bytes=0-,0-,0-,0-', 10, part(0, 10)]
  ])('%j of %i bytes', (header, sizeBytes, choice) => {
    expect(chooseRange(header, sizeBytes)).toEqual(choice)
  })
})

test.each([
  ['"a"', false, true],
  ['*', false, true],
  ['"b", "a"', false, true],
  ['"b"', false, false],
  ['a', false, false],
  ['W/"a"', false, false],
  ['W/"a"', true, true]
])('the tags %j, weak ones allowed: %s, name "a": %s', (header, weak, named) => {
  expect(namesTag(header, 'a', { weak })).toBe(named)
})

test.each([
  ['bytes 0-9/100', { start: 0, end: 10, size: 100 }],
  ['bytes 5-4/100', undefined],
  ['bytes 0-100/100', undefined],
  ['bytes 0-9/*', undefined],
  ['bytes */100', undefined],
  ['bytes 0-99999999999999999999/99999999999999999999', undefined],
  [undefined, undefined]
])('an answer with Content-Range %j', (header, range) => {
  expect(readContentRange(header)).toEqual(range)
})
