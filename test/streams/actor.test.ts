import { EMPTY, map, NEVER, of, Subject, timer } from 'rxjs'
import { expect, test } from 'vitest'
import { createActor } from '../../src/streams/actor.js'
import { marbles } from './marbles.js'

const counting = (state: number, command: number) => ({ state: state + command, events: [command] })

test('every listener sees the events in the order of the commands, even when one sends during delivery', () => {
  const actor = createActor({ initial: 0, step: counting, run: () => EMPTY, stop$: NEVER })
  const seen: string[] = []
  actor.event$.subscribe((event) => {
    if (event === 1) actor.send(2)
    seen.push(`first ${event}`)
  })
  actor.event$.subscribe((event) => seen.push(`second ${event}`))
  actor.send(1)
  expect(seen).toEqual(['first 1', 'second 1', 'first 2', 'second 2'])
  expect(actor.state()).toBe(3)
})

test('the state is new before the event is told', () => {
  const actor = createActor({ initial: 0, step: counting, run: () => EMPTY, stop$: NEVER })
  const seen: number[] = []
  actor.event$.subscribe(() => seen.push(actor.state()))
  actor.send(5)
  expect(seen).toEqual([5])
})

test('five thousand jobs that end at once do not overflow the stack and none is lost', () => {
  let done = 0
  const actor = createActor<'start' | 'done', number, never, number>({
    initial: 0,
    step: (state, command) =>
      command === 'start' ? { state, jobs: Array.from({ length: 5_000 }, (_, index) => index) } : { state: state + 1 },
    run: () => of('done' as const),
    stop$: NEVER
  })
  actor.state$.subscribe((state) => (done = state))
  actor.send('start')
  expect(done).toBe(5_000)
})

test(
  'stopping unsubscribes the jobs that run and completes every stream',
  marbles(({ hot, cold, expectObservable, expectSubscriptions }) => {
    const command = hot('  a------')
    const job = cold('     ------b')
    const stop = hot('     ----s--')
    const jobSubs = '      ^---!'
    const expected = '     a---|'
    const actor = createActor<string, string, string, string>({
      initial: '',
      step: (state, sent) => ({ state, events: [sent], jobs: [sent] }),
      run: () => job,
      stop$: stop
    })
    command.subscribe((sent) => actor.send(sent))
    expectObservable(actor.event$).toBe(expected)
    expectSubscriptions(job.subscriptions).toBe(jobSubs)
  })
)

test(
  'what comes of a job comes back as a command',
  marbles(({ hot, expectObservable }) => {
    const command = hot(' a-------')
    const expected = '    a--b----'
    const actor = createActor<string, string, string, string>({
      initial: '',
      step: (state, sent) => ({ state, events: [sent], jobs: sent === 'a' ? ['job'] : [] }),
      run: () => timer(3).pipe(map(() => 'b')),
      stop$: new Subject()
    })
    command.subscribe((sent) => actor.send(sent))
    expectObservable(actor.event$).toBe(expected)
  })
)
