import { NEVER, of, Subject } from 'rxjs'
import { expect, test } from 'vitest'
import { createBudget } from '../../src/streams/budget.js'

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('no more work runs at once than the budget allows, and what ends makes room for what waited longest', async () => {
  const budget = createBudget(2)
  const running: string[] = []
  const work = ['a', 'b', 'c', 'd'].map((name) => ({ name, work$: new Subject<void>() }))
  for (const { name, work$ } of work) {
    budget(work$).subscribe({ complete: () => running.push(`${name} ended`) })
  }
  await turn()
  expect(work.map(({ work$ }) => work$.observed)).toEqual([true, true, false, false])
  work[1]?.work$.complete()
  await turn()
  expect(work.map(({ work$ }) => work$.observed)).toEqual([true, false, true, false])
  expect(running).toEqual(['b ended'])
})

test('who leaves while waiting is never run, and takes nobody’s place', async () => {
  const budget = createBudget(1)
  const first = budget(NEVER).subscribe()
  const left = new Subject<void>()
  budget(left).subscribe().unsubscribe()
  const last = new Subject<void>()
  budget(last).subscribe()
  first.unsubscribe()
  await turn()
  expect([left.observed, last.observed]).toEqual([false, true])
})

test('a hundred thousand who come and go while one place is taken leave nothing behind', async () => {
  const budget = createBudget(1)
  const first = budget(NEVER).subscribe()
  await turn()
  for (let number = 0; number < 100_000; number++) budget(of(number)).subscribe().unsubscribe()
  const before = performance.now()
  const done = new Promise((resolve) => budget(of('done')).subscribe(resolve))
  first.unsubscribe()
  expect(await done).toBe('done')
  expect(performance.now() - before).toBeLessThan(5_000)
})

test('an error of the work is the subscriber’s, and the place is free again', async () => {
  const budget = createBudget(1)
  const failing = new Subject<void>()
  let error: unknown
  budget(failing).subscribe({ error: (thrown: unknown) => (error = thrown) })
  await turn()
  failing.error(new Error('no'))
  const next = new Subject<void>()
  budget(next).subscribe()
  await turn()
  expect(error).toBeInstanceOf(Error)
  expect(next.observed).toBe(true)
})
