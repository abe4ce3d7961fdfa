import { expect, test } from 'vitest'
import { createTold, hash53 } from '../../src/streams/told.js'

test('what was told is known, and nothing else', () => {
  const told = createTold(100_000)
  const texts = Array.from({ length: 20_000 }, (_, at) => `file ${at}`)
  expect(texts.filter((text) => !told.add(hash53(text, 7)))).toEqual([])
  expect(texts.filter((text) => told.add(hash53(text, 7)))).toEqual([])
})

test('when there is too much, what was told longest ago is forgotten, and what was told last is not', () => {
  const told = createTold(100)
  for (let at = 0; at < 1_000; at++) told.add(hash53(`file ${at}`, 7))
  for (let at = 960; at < 1_000; at++) expect(told.add(hash53(`file ${at}`, 7))).toBe(false)
  expect(told.add(hash53('file 0', 7))).toBe(true)
})

test('hashes are whole numbers of 53 bits, spread evenly, and others for another seed', () => {
  const hashes = Array.from({ length: 20_000 }, (_, at) => hash53(`http://127.0.0.1:${at}`, 1))
  expect(hashes.every((hash) => Number.isSafeInteger(hash) && hash > 0)).toBe(true)
  expect(new Set(hashes).size).toBe(hashes.length)
  for (const bit of [0, 7, 20, 31, 32, 40, 52]) {
    const ones = hashes.filter((hash) => Math.floor(hash / 2 ** bit) % 2 === 1).length
    expect(Math.abs(ones - hashes.length / 2)).toBeLessThan(hashes.length * 0.03)
  }
  expect(hash53('x', 1)).not.toBe(hash53('x', 2))
  expect(hash53('x', 2 ** 40)).not.toBe(hash53('x', 2 ** 41))
})
