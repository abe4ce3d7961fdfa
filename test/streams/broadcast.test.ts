import { map, NEVER, type Observable, type SchedulerLike } from 'rxjs'
import { expect, test } from 'vitest'
import { broadcast, type Heard } from '../../src/streams/broadcast.js'
import type { Outcome } from '../../src/streams/ports.js'
import { marbles } from './marbles.js'

const outcomes: Record<string, Outcome> = {
  o: { type: 'offered', offer: { name: 'x', size: 1, holders: ['http://h:1'] } },
  m: { type: 'missed' },
  r: { type: 'failed', reason: 'reset', detail: '' },
  t: { type: 'failed', reason: 'timed-out', detail: 'no answer in time' },
  b: { type: 'answering' }
}

interface Setting {
  readonly scheduler: SchedulerLike
  readonly concurrency?: number
  readonly expiresAtMs?: number
}

/** Peers are capital letters. What is heard is one letter too: the peer's for a call sent, else the outcome's. */
function ask(asked: Record<string, Observable<Outcome>>, { scheduler, concurrency = 8, expiresAtMs = 5_000 }: Setting) {
  const letter = (heard: Heard) =>
    heard.type === 'sent' ? heard.peer : Object.keys(outcomes).find((key) => same(outcomes[key], heard.outcome))
  return broadcast({
    peers: Object.keys(asked),
    ask: (peer) => asked[peer] ?? NEVER,
    concurrency,
    expiresAtMs,
    scheduler
  }).pipe(map(letter))
}

const same = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other)

test(
  'the first success wins and every other call is taken back in the same frame',
  marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
    const slow = cold('   ---------o', outcomes)
    const quick = cold('  -----o|   ', outcomes)
    const silent = cold<Outcome>(' ----------')
    const taken = '       ^----!'
    const expected = '    (ABC)(o|)'
    expectObservable(ask({ A: slow, B: quick, C: silent }, { scheduler })).toBe(expected)
    expectSubscriptions(slow.subscriptions).toBe(taken)
    expectSubscriptions(silent.subscriptions).toBe(taken)
  })
)

test(
  'misses and failures end nothing, and when all have been heard it completes without a success',
  marbles(({ cold, expectObservable, scheduler }) => {
    const one = cold('   -----(m|)', outcomes)
    const other = cold(' -------(t|)', outcomes)
    const expected = '   (AB)-m-(t|)'
    expectObservable(ask({ A: one, B: other }, { scheduler })).toBe(expected)
  })
)

test(
  'no more neighbours than allowed are asked at once, and the next one takes the place that becomes free',
  marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
    const first = cold('  -----(m|)', outcomes)
    const second = cold(' ----------(m|)', outcomes)
    const third = cold('       ---------o', outcomes)
    const thirdSubs = '   -----^--------!'
    const expected = '    (AB)-(mC)-m---(o|)'
    expectObservable(ask({ A: first, B: second, C: third }, { scheduler, concurrency: 2 })).toBe(expected)
    expectSubscriptions(third.subscriptions).toBe(thirdSubs)
  })
)

test(
  'a silent neighbour gives its place up after 250 ms but may still answer',
  marbles(({ cold, expectObservable, scheduler }) => {
    const slow = cold('  400ms o', outcomes)
    const next = cold('  -----(m|)', outcomes)
    const expected = '   A 249ms B---- m 144ms (o|)'
    expectObservable(ask({ A: slow, B: next }, { scheduler, concurrency: 1 })).toBe(expected)
  })
)

test(
  'at the deadline the calls that are open are given up',
  marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
    const silent = cold<Outcome>(' ------')
    const subs = '        ^ 99ms !'
    const expected = '    A 99ms (t|)'
    expectObservable(ask({ A: silent }, { scheduler, expiresAtMs: 100 })).toBe(expected)
    expectSubscriptions(silent.subscriptions).toBe(subs)
  })
)

test(
  'a neighbour whose answer has begun to arrive is not cut off at the deadline',
  marbles(({ cold, expectObservable, scheduler }) => {
    const long = cold(' 50ms b 500ms o', outcomes)
    const expected = '  A 49ms b 500ms (o|)'
    expectObservable(ask({ A: long }, { scheduler, expiresAtMs: 100 })).toBe(expected)
  })
)

test(
  'a connection that broke before an answer is tried once more, and once only',
  marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
    const broken = cold(' ---(r|)', outcomes)
    const subs = ['       ^--!', '---^--!']
    const expected = '    A--A--(r|)'
    expectObservable(ask({ A: broken }, { scheduler })).toBe(expected)
    expectSubscriptions(broken.subscriptions).toBe(subs)
  })
)

test(
  'unsubscribing takes every open call back',
  marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
    const silent = cold<Outcome>(' ------')
    const unsub = '       ---!'
    const subs = '        ^--!'
    expectObservable(ask({ A: silent, B: silent }, { scheduler }), unsub).toBe('(AB)')
    expectSubscriptions(silent.subscriptions).toBe([subs, subs])
  })
)

test(
  'with nobody to ask it completes at once',
  marbles(({ expectObservable, scheduler }) => expectObservable(ask({}, { scheduler })).toBe('|'))
)

test(
  '256 neighbours that fail at once are all heard',
  marbles(({ cold, scheduler }) => {
    const peers = Object.fromEntries(Array.from({ length: 256 }, (_, index) => [`p${index}`, cold('(m|)', outcomes)]))
    let missed = 0
    ask(peers, { scheduler }).subscribe((letter) => (missed += letter === 'm' ? 1 : 0))
    scheduler.flush()
    expect(missed).toBe(256)
  })
)
