import { map, NEVER, type Observable, Subject, toArray } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { createBudget } from '../../src/streams/budget.js'
import type { Found, Outcome, Question, SharedFile } from '../../src/streams/ports.js'
import { createQuery } from '../../src/streams/query.js'
import { type Asked } from '../../src/streams/query-rules.js'
import { createVirtualClock } from '../../src/transport/memory/clock.js'
import { createMemoryNetwork } from '../../src/transport/memory/network.js'
import { inboundWith } from '../compliance/inbound.js'
import { marbles } from './marbles.js'

const US = 'http://us:1'
const ROOT = 'ab'
const question = (given: Partial<Question> = {}): Question => {
  return { name: 'x', root: ROOT, history: [], asking: [], deadlineMs: 1_000, ...given }
}
const own = (given: Partial<Asked> = {}): Asked => ({ question: question(), as: US, own: true, ...given })
const offered = (holders: string[], given: object = {}): Outcome => {
  return { type: 'offered', offer: { name: 'theirs', size: 3, root: ROOT, holders, ...given } }
}
const outcomes: Record<string, Outcome> = {
  a: offered(['A']),
  b: offered(['B', 'A']),
  r: offered(['C'], { relays: ['R'] }),
  f: offered(['F'], { root: 'cd' }),
  n: offered(['N'], { root: undefined }),
  m: { type: 'missed' },
  x: { type: 'failed', reason: 'refused', detail: '' }
}

interface Given {
  readonly answers: Record<string, Observable<Outcome>>
  readonly file?: SharedFile
  readonly asked?: Question[]
}

const build = ({ answers, file, asked = [] }: Given, scheduler: Parameters<typeof createQuery>[0]['scheduler']) =>
  createQuery({
    ask: (peer, one) => {
      asked.push(one)
      return answers[peer] ?? NEVER
    },
    // A promise would leave virtual time.
    find: () => ({ then: (resolve: (file: SharedFile | undefined) => void) => resolve(file) }) as Promise<undefined>,
    neighbours: () => Object.keys(answers),
    report: () => undefined,
    newId: () => 'id',
    scheduler,
    stop$: NEVER
  })

const letter = map(({ type, url }: Found) => (type === 'relay' ? url.toLowerCase() : url))

describe('a query for a root', () => {
  test(
    'tells everybody who has it, each once and as soon as it answers, and ends when all have answered',
    marbles(({ cold, expectObservable, scheduler }) => {
      const answers = {
        one: cold('--(a|)', outcomes),
        two: cold('----(b|)', outcomes),
        three: cold('------(m|)', outcomes)
      }
      expectObservable(build({ answers }, scheduler).gather(own()).pipe(letter)).toBe('--A-B-|')
    })
  )

  test(
    'names those who pass it on, and nobody who has something else or does not say what',
    marbles(({ cold, expectObservable, scheduler }) => {
      const answers = {
        1: cold('-(r|)', outcomes),
        2: cold('--(f|)', outcomes),
        3: cold('---(n|)', outcomes),
        4: cold('-----(x|)', outcomes)
      }
      expectObservable(build({ answers }, scheduler).gather(own()).pipe(letter)).toBe('-(Cr)|')
    })
  )

  test(
    'ends when the time is over, with those who have answered by then',
    marbles(({ cold, expectObservable, scheduler }) => {
      const answers = { one: cold('--(a|)', outcomes), two: NEVER }
      expectObservable(build({ answers }, scheduler).gather(own()).pipe(letter)).toBe('--A 997ms |')
    })
  )

  test(
    'unsubscribing takes every open call back',
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const silent = cold<Outcome>('-')
      expectObservable(build({ answers: { silent } }, scheduler).gather(own()), '^--!').toBe('----')
      expectSubscriptions(silent.subscriptions).toBe('^--!')
    })
  )

  test(
    'a caller hears one answer, of all together and with us among those who pass it on',
    marbles(({ cold, expectObservable, scheduler }) => {
      const answers = {
        one: cold('--(a|)', outcomes),
        two: cold('----(r|)', outcomes),
        three: cold('---(f|)', outcomes)
      }
      const query = build({ answers }, scheduler)
      const asked = own({ own: false, question: question({ history: ['caller'] }) })
      const merged = offered(['A', 'C'], { relays: [US, 'R'] })
      expectObservable(query.ask(asked)).toBe('----(o|)', { o: merged })
    })
  )

  test(
    'what we have ourselves is part of it, and others are asked all the same',
    marbles(({ cold, expectObservable, scheduler }) => {
      const file: SharedFile = { name: 'ours', size: 3, modifiedMs: 0, root: ROOT }
      const asked: Question[] = []
      const query = build({ answers: { one: cold('--(a|)', outcomes) }, file, asked }, scheduler)
      const merged = { type: 'offered', offer: { name: 'ours', size: 3, root: ROOT, holders: [US, 'A'], relays: [US] } }
      expectObservable(query.ask(own({ own: false, question: question({ history: ['caller'] }) }))).toBe('--(o|)', {
        o: merged
      })
      scheduler.schedule(() => expect(asked).toMatchObject([{ name: 'x', root: ROOT, history: ['caller', US] }]), 1)
    })
  )

  test('at the end of a long way it is answered from what is here alone', () => {
    const asked: Question[] = []
    const long = own({ own: false, question: question({ history: ['1', '2', '3', '4', '5'] }) })
    const file: SharedFile = { name: 'ours', size: 3, modifiedMs: 0, root: ROOT }
    const told: unknown[] = []
    const clock = createVirtualClock()
    build({ answers: { one: NEVER }, file, asked }, clock.scheduler)
      .ask(long)
      .pipe(toArray())
      .subscribe((all) => told.push(...all))
    expect([told, asked]).toMatchObject([[{ type: 'offered', offer: { holders: [US] } }], []])
  })
})

describe('in a full mesh', () => {
  const PEERS = 12
  const urls = Array.from({ length: PEERS }, (_, index) => `http://p${index}:1`)

  /** Everybody knows everybody; those at `having` have the content, each under a name of its own. */
  function mesh(having: readonly number[]) {
    const clock = createVirtualClock()
    const network = createMemoryNetwork({ clock, latencyMs: 20 })
    const stop$ = new Subject<void>()
    const queries = urls.map((url, at) => {
      const transport = network.join(url)
      const budget = createBudget()
      let count = 0
      const query = createQuery({
        ask: (other, one) => budget(transport.ask(other, one)),
        find: ({ root }) =>
          Promise.resolve(
            root === ROOT && having.includes(at) ? { name: `${at}`, size: 1, modifiedMs: 0, root: ROOT } : undefined
          ),
        neighbours: () => urls.filter((other) => other !== url),
        report: () => undefined,
        newId: () => `${url}#${++count}`,
        scheduler: clock.scheduler,
        stop$
      })
      const inbound = inboundWith({ asked: (one, as) => query.ask({ question: one, as, own: false }) })
      transport.listen(inbound).subscribe()
      return query
    })
    const found: Found[] = []
    const gathering = new Promise<void>((complete) => {
      queries[0]?.gather({ question: question({ deadlineMs: 15_000 }), as: urls[0] ?? '', own: true }).subscribe({
        next: (one) => found.push(one),
        complete
      })
    })
    return { clock, network, found, gathering }
  }

  test('a miss costs one call for each of the others', async () => {
    const { clock, network, found, gathering } = mesh([])
    await clock.runUntil(gathering)
    expect([found, network.calls]).toEqual([[], PEERS - 1])
  })

  test('everybody who has it is found, and it costs no more', async () => {
    const { clock, network, found, gathering } = mesh([3, 7, 11])
    await clock.runUntil(gathering)
    expect(found.filter(({ type }) => type === 'holder').map(({ url }) => url)).toEqual(
      [3, 7, 11].map((at) => urls[at])
    )
    expect(network.calls).toBe(PEERS - 1)
  })
})

test('a query that is no longer wanted gathers nothing', () => {
  const answer$ = new Subject<Outcome>()
  const found: Found[] = []
  const subscription = build({ answers: { one: answer$ } }, createVirtualClock().scheduler)
    .gather(own())
    .subscribe((one) => found.push(one))
  subscription.unsubscribe()
  answer$.next(outcomes['a'] ?? { type: 'missed' })
  expect([found, answer$.observed]).toEqual([[], false])
})
