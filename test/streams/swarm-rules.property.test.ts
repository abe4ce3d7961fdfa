import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { gapsBeside } from '../../src/streams/pieces.js'
import { isHonest, type SimulatedHolder, simulate } from './swarm-simulation.js'

const rare = fc.constantFrom(0, 0, 0, 0.02, 0.1, 0.5, 1)
const holder = (
  url: string,
  found: number,
  given: Partial<Record<keyof SimulatedHolder, fc.Arbitrary<unknown>>> = {}
) =>
  fc.record({
    url: fc.constant(url),
    type: fc.constantFrom('holder', 'holder', 'relay'),
    foundMs: fc.integer({ min: 0, max: found }),
    bytesPerMs: fc.constantFrom(300, 1_000, 10_000, 100_000, 1_000_000),
    latencyMs: fc.constantFrom(0, 1, 20, 300, 3_000),
    lies: rare,
    breaks: rare,
    silences: rare,
    hashless: rare,
    mood: fc.constantFrom('serves', 'serves', 'serves', 'queues', 'gone', 'changed', 'another size'),
    ...given
  }) as fc.Arbitrary<SimulatedHolder>

const none = fc.constant(0)
const honest = (url: string, found: number) =>
  holder(url, found, {
    lies: none,
    breaks: none,
    silences: none,
    hashless: none,
    mood: fc.constantFrom('serves', 'queues')
  })

const gaps = fc
  .tuple(fc.integer({ min: 1, max: 40 }), fc.array(fc.integer({ min: 0, max: 39 })))
  .map(([pieces, there]) =>
    gapsBeside(
      pieces,
      [...new Set(there)].filter((piece) => piece < pieces).sort((a, b) => a - b)
    )
  )
  .filter((all) => all.length > 0)

const ALL_FOUND_MS = 4_000
const others = fc
  .integer({ min: 0, max: 11 })
  .chain((count) => fc.tuple(...Array.from({ length: count }, (_, index) => holder(`other${index}`, 20_000))))
const runs = { numRuns: Number(process.env['RUNS'] ?? 200) }

describe('a download from whomever there is', () => {
  test('is complete whenever somebody honest is among them, and nothing is lost or counted twice on the way', () => {
    fc.assert(
      fc.property(
        fc.record({
          gaps,
          holders: fc.tuple(honest('honest', ALL_FOUND_MS), others).map(([one, more]) => [...more, one]),
          allFoundMs: fc.constant(ALL_FOUND_MS),
          seed: fc.integer()
        }),
        (simulation) => {
          expect(simulate(simulation).end).toEqual({ type: 'complete' })
        }
      ),
      runs
    )
  }, 120_000)

  test('ends in any case', () => {
    fc.assert(
      fc.property(
        fc.record({
          gaps,
          holders: others,
          allFoundMs: fc.integer({ min: 0, max: 10_000 }),
          seed: fc.integer(),
          diskFails: fc.constantFrom(0, 0, 0.02)
        }),
        (simulation) => {
          const { end } = simulate(simulation)
          expect(end).toBeDefined()
          if (!simulation.holders.some(isHonest) && simulation.holders.every(({ mood }) => mood === 'gone')) {
            expect(end).toMatchObject({ type: 'failed' })
          }
        }
      ),
      runs
    )
  }, 120_000)
})
