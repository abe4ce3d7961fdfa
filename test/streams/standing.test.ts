import { concat, map, NEVER, Observable, of, type SchedulerLike, Subject, throwError, timer } from 'rxjs'
import { describe, expect, test } from 'vitest'
import type { Hit } from '../../src/streams/ports.js'
import type { SearchNews } from '../../src/streams/searching.js'
import { RENEW_MS, standing } from '../../src/streams/standing.js'
import { createVirtualClock } from '../../src/transport/memory/clock.js'
import { rootOf } from './matching.js'

const hit = (name: string, holder = 'http://h:1'): Hit => ({
  name,
  size: 1,
  root: rootOf(name),
  holders: [holder],
  hops: 1
})
const found = (...hits: Hit[]): SearchNews => ({ type: 'found', hits, next: () => undefined })
const BROKE: SearchNews = { type: 'broke', url: 'http://h:1' }

/** A standing find, the answer to each of whose asks is given; with the times of asking. */
function build(answer: (round: number, scheduler: SchedulerLike) => Observable<SearchNews>) {
  const clock = createVirtualClock()
  const joined$ = new Subject<void>()
  const askedMs: number[] = []
  const names: string[] = []
  let open = 0
  const ask = () =>
    new Observable<SearchNews>((asker) => {
      open++
      askedMs.push(clock.nowMs())
      asker.add(() => open--)
      return answer(askedMs.length - 1, clock.scheduler).subscribe(asker)
    })
  const errors: unknown[] = []
  const finding = standing({ ask, joined$, seed: 1, scheduler: clock.scheduler }).subscribe({
    next: ({ name }) => names.push(name),
    error: (error: unknown) => errors.push(error)
  })
  return { clock, joined$, askedMs, names, errors, open: () => open, unsubscribe: () => finding.unsubscribe() }
}

describe('a standing find', () => {
  test('tells each content once, whoever has it and however often it is asked for', async () => {
    const { clock, names } = build((round) =>
      concat(of(found(hit('a'), hit('a', 'http://h:2'), hit(`${round}`))), NEVER)
    )
    await clock.advance(2 * RENEW_MS)
    expect(names).toEqual(['a', '0', '1', '2'])
  })

  test('asks for more when what was told has been taken', () => {
    let asked = 0
    const { names } = build(() => of<SearchNews>({ type: 'found', hits: [hit('a')], next: () => asked++ }))
    expect([names, asked]).toEqual([['a'], 1])
  })

  test('is asked anew every ten minutes, one at a time, also where all had ended', async () => {
    const { clock, askedMs, open, unsubscribe } = build(() => of<SearchNews>({ type: 'ended', how: 'all' }))
    await clock.advance(2.5 * RENEW_MS)
    expect(askedMs).toEqual([0, RENEW_MS, 2 * RENEW_MS])
    unsubscribe()
    await clock.advance(2 * RENEW_MS)
    expect(askedMs).toHaveLength(3)
    expect(open()).toBe(0)
  })

  test('is asked anew when neighbours have joined, once for several', async () => {
    const { clock, joined$, askedMs, open } = build(() => NEVER)
    await clock.advance(100_000)
    joined$.next()
    await clock.advance(500)
    joined$.next()
    await clock.advance(10_000)
    expect(askedMs).toEqual([0, 101_500])
    expect(open()).toBe(1)
  })

  test('is asked anew when a branch breaks, with pauses that grow, and are short again when all was well for a while', async () => {
    const { clock, askedMs } = build((round) => (round === 8 ? NEVER : concat(of(BROKE), NEVER)))
    await clock.advance(200_000)
    expect(askedMs.map((ms) => ms / 1_000)).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183])
    const later = build((round, scheduler) => timer(round === 3 ? 100_000 : 0, scheduler).pipe(map(() => BROKE)))
    await later.clock.advance(110_000)
    expect(later.askedMs.map((ms) => ms / 1_000)).toEqual([0, 1, 3, 7, 108, 110])
  })

  test('ends with what ends the asking for good', () => {
    const { errors } = build(() => throwError(() => new Error('too many')))
    expect(errors).toEqual([new Error('too many')])
  })
})
