import { describe, expect, test } from 'vitest'
import { findRow, matchedLines, windowOf } from '../../src/cli/find-rows.js'
import type { FoundFile } from '../../src/index.js'

const FILE: FoundFile = {
  key: 'r',
  name: 'notes/to do.txt',
  size: 2_048,
  root: 'r',
  holders: ['http://192.168.1.10:4242'],
  hops: 2
}

describe('the row of a found file', () => {
  test.each([
    [{}, '   2.0 KiB       1     2  192.168.1.10:4242           notes/to do.txt'],
    [
      { holders: ['https://192.168.1.10:4242/', 'http://b:1', 'http://c:1'] },
      '   2.0 KiB       3     2  192.168.1.10:4242 +2        notes/to do.txt'
    ],
    [
      { hops: 0, holders: ['http://me:1', 'http://b:1'] },
      '   2.0 KiB       2     0  you +1                      notes/to do.txt'
    ],
    [
      { holders: ['http://a-very-long-name-of-a-computer.example.org:4242', 'http://b:1'] },
      '   2.0 KiB       2     2  a-very-long…le.org:4242 +1  notes/to do.txt'
    ]
  ])('with %j', (more, row) => {
    expect(findRow({ ...FILE, ...more })).toBe(row)
  })

  test('has the lines below it', () => {
    const lines = [
      { number: 3, text: 'buy milk' },
      { number: 70, text: 'milk again' }
    ]
    expect(matchedLines({ ...FILE, lines })).toEqual(['notes/to do.txt:3: buy milk', 'notes/to do.txt:70: milk again'])
    expect(matchedLines(FILE)).toEqual([])
  })
})

describe('the table that grows', () => {
  const files = Array.from({ length: 100 }, (_, index) => ({ ...FILE, name: `${index}.txt` }))

  test('has no more lines than the window, and says how many more there are', () => {
    const lines = windowOf(files, 80, 24)
    expect(lines.length).toBe(22)
    expect(lines[0]).toMatch(/^ +SIZE {2}COPIES {2}HOPS {2}WHO +NAME$/)
    expect(lines[1]).toMatch(/ 0\.txt$/)
    expect(lines.at(-1)).toBe('and 80 more')
    expect(windowOf(files.slice(0, 21), 80, 24)).toHaveLength(22)
    expect(windowOf(files, 80, 1).length).toBeLessThanOrEqual(2)
  })

  test('has no line that is wider', () => {
    const wide = [
      { ...FILE, name: 'x'.repeat(200) },
      { ...FILE, name: '𝄞'.repeat(100) }
    ]
    for (const line of windowOf(wide, 60, 24)) expect(Array.from(line).length).toBeLessThanOrEqual(60)
  })

  test('does not let a name act on the terminal', () => {
    expect(windowOf([{ ...FILE, name: 'a\x1b[2J\nb\u202e' }], 120, 24)[1]).toMatch(/a\\x1b\[2J\\x0ab\\u\{202e\}$/)
  })
})
