import { describe, expect, test } from 'vitest'
import { capOf, formatRate, formatTime, parseAmount } from '../../src/cli/amounts.js'

describe('an amount', () => {
  test.each([
    ['2M', 2_097_152],
    ['500K', 512_000],
    ['500k', 512_000],
    ['1.5G', 1_610_612_736],
    ['1T', 1_099_511_627_776],
    ['20000000', 20_000_000],
    ['0', 0],
    ['0K', 0],
    ['none', 0],
    ['None', 0],
    ['', undefined],
    [' 1', undefined],
    ['-1', undefined],
    ['+1', undefined],
    ['1e6', undefined],
    ['0x10', undefined],
    ['2MB', undefined],
    ['M', undefined],
    ['1,5M', undefined],
    ['0.0001', undefined],
    ['fast', undefined],
    ['Infinity', undefined],
    ['99999999T', undefined]
  ])('%j is %j', (text, bytes) => {
    expect(parseAmount(text)).toBe(bytes)
  })
})

test('a cap of 0 is none', () => {
  expect([capOf(0), capOf(undefined), capOf(5)]).toEqual([undefined, undefined, 5])
  expect([formatRate(undefined), formatRate(2_097_152)]).toEqual(['none', '2.0 MiB/s'])
})

test.each([
  [0.2, '1 s'],
  [59, '59 s'],
  [60, '1 min 0 s'],
  [3_599, '59 min 59 s'],
  [7_300, '2 h 1 min'],
  [1e9, 'days']
])('%d seconds are %s', (seconds, text) => {
  expect(formatTime(seconds)).toBe(text)
})
