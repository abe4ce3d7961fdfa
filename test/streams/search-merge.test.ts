import { describe, expect, test } from 'vitest'
import type { Hit, Trace } from '../../src/streams/ports.js'
import { createMerge, type Item } from '../../src/streams/search-merge.js'

const hit = (name: string): Hit => ({ name, size: 1, holders: ['http://h:1'], hops: 0 })
const hits = (count: number, name = 'x') => Array.from({ length: count }, (_, at) => hit(`${name}${at}`))
const trace: Trace = { from: 'a', to: 'b', depth: 0, outcome: 'missed', hits: 0, tookMs: 1 }

/** A merge whose consumer asks when told to, with a log of what happens. */
function build({ limit = Infinity, fit = (item: Item): Item | undefined => item, eager = false } = {}) {
  const log: string[] = []
  let told = 0
  let next: () => void = () => undefined
  const merge = createMerge({
    fit(item) {
      const fitting = fit(item)
      if (fitting !== undefined) told++
      return fitting
    },
    isEnough: () => told >= limit,
    out(items, more) {
      log.push(items.map((item) => ('outcome' in item ? 'trace' : item.name)).join(' '))
      next = more
      if (eager) more()
    },
    settled: () => log.push('settled')
  })
  const put = (items: readonly Item[], source = '') => merge.put(items, () => log.push(`next ${source}`))
  return {
    merge,
    put,
    log,
    ask: () => next(),
    sizes: () => log.filter((line) => line.startsWith('x')).map((line) => line.split(' ').length)
  }
}

describe('a merge', () => {
  test('tells a first batch at once, and no more until more is asked for', () => {
    const { put, log, ask } = build()
    put([hit('a')], '1')
    put([hit('b')], '2')
    expect(log.filter((line) => line !== 'settled')).toEqual(['a'])
    ask()
    expect(log.filter((line) => line !== 'settled')).toEqual(['a', 'next 1', 'b'])
  })

  test('asks a source for more only when the consumer has taken what it said', () => {
    const { put, log, ask } = build()
    put([hit('a')], '1')
    put([hit('b')], '2')
    put([hit('c')], '3')
    expect(log).not.toContain('next 1')
    ask()
    // What has waited meanwhile goes together.
    expect(log.filter((line) => line !== 'settled')).toEqual(['a', 'next 1', 'b c'])
    ask()
    expect(log.filter((line) => line.startsWith('next'))).toEqual(['next 1', 'next 2', 'next 3'])
  })

  test('asked twice for one batch gives one more', () => {
    const { put, log, merge } = build()
    const asks: (() => void)[] = []
    const other = createMerge({
      fit: (item) => item,
      isEnough: () => false,
      out: (items, next) => {
        log.push(String(items.length))
        asks.push(next)
      },
      settled: () => undefined
    })
    for (const name of ['a', 'b', 'c']) other.put([hit(name)], () => undefined)
    asks[0]?.()
    asks[0]?.()
    expect(log).toEqual(['1', '2'])
    put([])
    expect(merge.isEmpty()).toBe(true)
  })

  test('makes no batch larger than 64 hits, or 64 KiB', () => {
    const small = build()
    small.put([hit('first')])
    small.put(hits(100))
    small.put(hits(100))
    for (let turn = 0; turn < 6; turn++) small.ask()
    expect(small.sizes()).toEqual([64, 64, 64, 8])
    const large = build()
    large.put([hit('first')])
    large.put(hits(64, 'x'.repeat(4_000)))
    for (let turn = 0; turn < 20; turn++) large.ask()
    expect(Math.max(...large.sizes())).toBe(5)
    expect(large.sizes().reduce((sum, size) => sum + size, 0)).toBe(64)
  })

  test('goes on at once where all that a source said was told before', () => {
    const { put, log } = build({ fit: () => undefined })
    put([hit('a'), hit('b')], '1')
    expect(log).toEqual(['next 1', 'settled'])
  })

  test('tells no more than is wanted', () => {
    const { put, log, ask } = build({ limit: 3 })
    put([hit('a')])
    put([hit('b'), hit('c'), hit('d')])
    ask()
    ask()
    expect(log.filter((line) => /^[a-d ]+$/.test(line))).toEqual(['a', 'b c'])
    expect(log.at(-1)).toBe('settled')
  })

  test('does not run deeper and deeper when sources and consumer answer at once', () => {
    let told = 0
    const merge = createMerge({
      fit: (item) => item,
      isEnough: () => false,
      out(_, next) {
        told++
        next()
      },
      settled: () => undefined
    })
    let left = 100_000
    const give = () => {
      if (left-- > 0) merge.put([hit('a')], give)
    }
    give()
    expect(told).toBe(100_000)
  })

  test('closed, drops what waits, and tells the last ones only to who asked for more', () => {
    const waiting = build()
    waiting.put([hit('a')])
    waiting.put([hit('b')])
    waiting.merge.close([trace])
    waiting.ask()
    waiting.put([hit('c')])
    expect(waiting.log.filter((line) => line !== 'settled' && line !== 'next ')).toEqual(['a'])
    const asking = build({ eager: true })
    asking.put([hit('a')])
    asking.merge.close([trace, trace])
    expect(asking.log.filter((line) => line !== 'settled' && line !== 'next ')).toEqual(['a', 'trace trace'])
  })
})
