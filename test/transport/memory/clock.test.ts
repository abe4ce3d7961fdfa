import fc from 'fast-check'
import pLimit from 'p-limit'
import { firstValueFrom, interval, map, NEVER, take, timeout, timer, toArray } from 'rxjs'
import { expect, test } from 'vitest'
import { createVirtualClock } from '../../../src/transport/memory/clock.js'

test('nothing happens until time passes', async () => {
  const clock = createVirtualClock()
  const happened: string[] = []
  clock.scheduler.schedule(() => happened.push(`at ${clock.nowMs()}`), 1_000)
  await clock.advance(999)
  expect(happened).toEqual([])
  await clock.advance(1)
  expect(happened).toEqual(['at 1000'])
  expect(clock.nowMs()).toBe(1_000)
})

test('what is scheduled meanwhile for the same time happens at the same time, last', () => {
  const clock = createVirtualClock()
  const happened: string[] = []
  const note = (what: string) => happened.push(`${what} at ${clock.nowMs()}`)
  clock.scheduler.schedule(() => {
    note('first')
    clock.scheduler.schedule(() => note('third'))
  }, 10)
  clock.scheduler.schedule(() => note('second'), 10)
  return clock.advance(10).then(() => {
    expect(happened).toEqual(['first at 10', 'second at 10', 'third at 10'])
  })
})

test('actions run in the order of their times, and for one time in the order in which they were scheduled', async () => {
  const delaysMs = fc.array(fc.record({ delayMs: fc.integer({ min: 0, max: 50 }), cancelled: fc.boolean() }))
  await fc.assert(
    fc.asyncProperty(delaysMs, async (plans) => {
      const clock = createVirtualClock()
      const happened: { at: number; atMs: number }[] = []
      const actions = plans.map(({ delayMs }, at) =>
        clock.scheduler.schedule(() => happened.push({ at, atMs: clock.nowMs() }), delayMs)
      )
      plans.forEach(({ cancelled }, at) => {
        if (cancelled) actions[at]?.unsubscribe()
      })
      await clock.advance(50)
      const expected = plans
        .map(({ delayMs, cancelled }, at) => ({ at, atMs: delayMs, cancelled }))
        .filter(({ cancelled }) => !cancelled)
        .sort((one, other) => one.atMs - other.atMs || one.at - other.at)
        .map(({ at, atMs }) => ({ at, atMs }))
      expect(happened).toEqual(expected)
    }),
    { numRuns: 50 }
  )
})

test('operators of RxJS repeat and cancel on it', async () => {
  const clock = createVirtualClock()
  const ticks = firstValueFrom(
    interval(100, clock.scheduler).pipe(
      map(() => clock.nowMs()),
      take(3),
      toArray()
    )
  )
  const late = firstValueFrom(
    NEVER.pipe(timeout({ first: 250, with: () => [clock.nowMs()], scheduler: clock.scheduler }))
  )
  expect(await clock.runUntil(ticks)).toEqual([100, 200, 300])
  expect(await late).toBe(250)
})

test('promises settle before time goes on', async () => {
  const clock = createVirtualClock()
  const limit = pLimit(1)
  const tookAtMs: number[] = []
  const work = () => firstValueFrom(timer(10, clock.scheduler)).then(() => tookAtMs.push(clock.nowMs()))
  const all = Promise.all([limit(work), limit(work), limit(work)])
  const meanwhile = timer(15, clock.scheduler).subscribe()
  await clock.runUntil(all)
  expect(tookAtMs).toEqual([10, 20, 30])
  expect(meanwhile.closed).toBe(true)
})

test('runs until a condition holds and no longer', async () => {
  const clock = createVirtualClock()
  let ticks = 0
  const ticking = interval(100, clock.scheduler).subscribe(() => {
    ticks += 1
  })
  await clock.runUntil(() => ticks === 7)
  expect(clock.nowMs()).toBe(700)
  ticking.unsubscribe()
})

test('waits for what takes real time when nothing else is left', async () => {
  const clock = createVirtualClock()
  const real = new Promise<string>((resolve) => setTimeout(resolve, 20, 'done'))
  expect(await clock.runUntil(real)).toBe('done')
})

test.each([
  { why: 'within 5000 virtual ms', repeat: true },
  { why: 'nothing is left to happen', repeat: false }
])('says that it did not happen: $why', async ({ why, repeat }) => {
  const clock = createVirtualClock()
  const ticking = repeat ? interval(100, clock.scheduler).subscribe() : undefined
  await expect(clock.runUntil(() => false, { maxMs: 5_000 })).rejects.toThrow(why)
  ticking?.unsubscribe()
})

test('a promise that fails fails the run', async () => {
  const clock = createVirtualClock()
  await expect(clock.runUntil(Promise.reject(new Error('no luck')))).rejects.toThrow('no luck')
})

test('refuses to be run twice at once', async () => {
  const clock = createVirtualClock()
  const first = clock.advance(10)
  await expect(clock.advance(10)).rejects.toThrow('runs already')
  await first
})

test('a hundred thousand time-outs that never come true cost little', async () => {
  const clock = createVirtualClock()
  let done = 0
  for (let at = 0; at < 100_000; at += 1) {
    const timeOut = clock.scheduler.schedule(() => expect.unreachable(), 5_000)
    clock.scheduler.schedule(() => {
      timeOut.unsubscribe()
      done += 1
    }, at % 1_000)
  }
  await clock.advance(10_000)
  expect(done).toBe(100_000)
}, 5_000)
