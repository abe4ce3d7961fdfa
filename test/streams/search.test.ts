import { EMPTY, NEVER, Observable, of, Subject, throwError } from 'rxjs'
import type { TestScheduler } from 'rxjs/testing'
import { describe, expect, test } from 'vitest'
import type { FailureReason, Finding, Hit, Library, Search } from '../../src/streams/ports.js'
import { createSearch } from '../../src/streams/search.js'
import type { SearchNews } from '../../src/streams/searching.js'
import { createVirtualClock } from '../../src/transport/memory/clock.js'
import { marbles } from './marbles.js'
import { fileOf, matching, searchOf as search } from './matching.js'

const US = 'http://127.0.0.1:4242'
const peers = (count: number) => Array.from({ length: count }, (_, at) => `http://127.0.0.1:${at + 1}`)
const [ONE = '', TWO = ''] = peers(2)

const hitOf = (name: string, holder: string, given: Partial<Hit> = {}): Hit => {
  const { modifiedMs: _, ...file } = fileOf(name)
  return { ...file, holders: [holder], hops: 0, ...given }
}
const found = (...hits: Hit[]): Finding => ({ type: 'found', hits, next: () => undefined })
const ALL: Finding = { type: 'ended', how: 'all' }

interface Given {
  readonly find: (peer: string, search: Search) => Observable<Finding>
  readonly match?: Library['search']
  readonly neighbours?: readonly string[]
  readonly scheduler: TestScheduler | ReturnType<typeof createVirtualClock>['scheduler']
  readonly stop$?: Observable<unknown>
}

function build({ find, match, neighbours = [ONE, TWO], scheduler, stop$ = NEVER }: Given) {
  const reported: [string, FailureReason][] = []
  const searches = createSearch({
    find,
    ...(match === undefined ? {} : { match }),
    neighbours: () => neighbours,
    report: (url, reason) => reported.push([url, reason]),
    newId: () => 'seed',
    scheduler,
    stop$
  })
  return { ...searches, reported }
}

/** All that is said, by an asker who always wants more. */
function heard(news$: Observable<SearchNews>) {
  const news: SearchNews[] = []
  const subscription = news$.subscribe((one) => {
    news.push(one)
    if (one.type === 'found') one.next()
  })
  const hits = () => news.flatMap((one) => (one.type === 'found' ? one.hits : []))
  const traces = () => news.flatMap((one) => (one.type === 'found' ? (one.traces ?? []) : []))
  const end = () => news.map((one) => (one.type === 'ended' ? one.how : undefined)).at(-1)
  return { news, hits, traces, end, unsubscribe: () => subscription.unsubscribe() }
}

const own = (given: Partial<Search> = {}) => ({ search: search(given), as: US, own: true })

describe('a find on its way', () => {
  test('each neighbour learns what is wanted, who else is asked, and a deadline shorter than ours', () => {
    const { scheduler } = createVirtualClock()
    const asked: Search[] = []
    const { ask } = build({ scheduler, find: (_, one) => (asked.push(one), NEVER) })
    heard(ask(own({ trace: true, standing: true })))
    expect(asked).toEqual([
      search({ history: [US], asking: [TWO], deadlineMs: 4_500, trace: true, standing: true }),
      search({ history: [US], asking: [ONE], deadlineMs: 4_500, trace: true, standing: true })
    ])
  })

  test('who is in the history, or asked by others, is not asked again', () => {
    const { scheduler } = createVirtualClock()
    const asked: string[] = []
    const find = (peer: string) => (asked.push(peer), EMPTY)
    const { searched } = build({ scheduler, find, neighbours: peers(4) })
    searched(search({ history: [`${ONE}/`], asking: [`${TWO}/RPC2`] }), US).subscribe()
    expect(asked).toEqual(peers(4).slice(2))
  })

  test(
    'our own matches come at once, those of others as they come, and the end when all have ended',
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const quick = cold<Finding>(' --a---e|', { a: found(hitOf('a x', ONE)), e: ALL })
      const slow = cold<Finding>('  ----b--e|', { b: found(hitOf('b x', TWO)), e: ALL })
      const find = (peer: string) => (peer === ONE ? quick : slow)
      const { ask } = build({ scheduler, find, match: matching([fileOf('own x')]).match })
      const expected = '            o-a-b--(e|)'
      expectObservable(summed(ask(own()))).toBe(expected, { o: 'own x', a: 'a x', b: 'b x', e: 'all' })
      expectSubscriptions(slow.subscriptions).toBe('^------!')
    })
  )

  test(
    'who takes no more is told no more, and neighbours wait with what they have',
    marbles(({ cold, expectObservable, scheduler }) => {
      const one = cold<Finding>('  -a---e|', { a: found(hitOf('a x', ONE)), e: ALL })
      const two = cold<Finding>('  --b---e|', { b: found(hitOf('b x', TWO)), e: ALL })
      const { ask } = build({ scheduler, find: (peer) => (peer === ONE ? one : two) })
      const news$ = new Observable<string>((asker) =>
        ask(own()).subscribe({
          next(news) {
            asker.next(textOf(news))
            if (news.type === 'found') asker.add(scheduler.schedule(news.next, 8))
          },
          complete: () => asker.complete()
        })
      )
      // More is asked for after 8 ms.
      expectObservable(news$).toBe('-a-------(be|)', { a: 'a x', b: 'b x', e: 'all' })
    })
  )

  test(
    'unsubscribing takes every open call back',
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const silent = cold<Finding>('-----')
      const { ask } = build({ scheduler, find: () => silent })
      expectObservable(summed(ask(own())), '^---!').toBe('-----')
      expectSubscriptions(silent.subscriptions).toBe(['^---!', '^---!'])
    })
  )

  test(
    'enough hits take everything back, and the last batch has no more than were wanted',
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const many = cold<Finding>('  --m', { m: found(...['a', 'b', 'c'].map((name) => hitOf(name, ONE))) })
      const silent = cold<Finding>('-----')
      const { ask } = build({ scheduler, find: (peer) => (peer === ONE ? many : silent) })
      expectObservable(summed(ask(own({ limit: 2 })))).toBe('--(me|)', { m: 'a,b', e: 'all' })
      expectSubscriptions(silent.subscriptions).toBe('^-!')
    })
  )

  test(
    'at the deadline it ends late, and who has not said anything is reported',
    marbles(({ cold, expectObservable, scheduler, flush }) => {
      const silent = cold<Finding>('------')
      const slow = cold<Finding>('  -a----', { a: found(hitOf('a x', TWO)) })
      const { ask, reported } = build({ scheduler, find: (peer) => (peer === ONE ? silent : slow) })
      expectObservable(summed(ask(own({ deadlineMs: 2_000 })))).toBe('-a 1998ms (e|)', { a: 'a x', e: 'late' })
      flush()
      expect(reported).toEqual([[ONE, 'timed-out']])
    })
  )

  test(
    'with no time for others it tells its own matches, and asks nobody',
    marbles(({ expectObservable, scheduler }) => {
      const { ask } = build({
        scheduler,
        match: matching([fileOf('x')]).match,
        find: () => throwError(() => new Error('asked'))
      })
      expectObservable(summed(ask(own({ deadlineMs: 50 })))).toBe('(oe|)', { o: 'x', e: 'late' })
    })
  )

  test(
    'silent neighbours keep others waiting for their turn no longer than patience lasts',
    marbles(({ cold, expectObservable, scheduler }) => {
      const silent = cold<Finding>('-----')
      const answering = cold<Finding>('(ae|)', { a: found(hitOf('x', 'http://last:1')), e: ALL })
      const neighbours = [...peers(100), 'http://last:1']
      const find = (peer: string) => (peer === 'http://last:1' ? answering : silent)
      const { ask } = build({ scheduler, find, neighbours })
      expectObservable(summed(ask(own())), '^ 300ms !').toBe('250ms a', { a: 'x' })
    })
  )

  test(
    'what breaks before an answer is tried once more, and what fails is reported and ends nothing',
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler, flush }) => {
      const failed = (reason: FailureReason): Finding => ({ type: 'failed', reason, detail: '' })
      const breaking = cold<Finding>('-(f|)', { f: failed('reset') })
      const fine = cold<Finding>('    ---a(e|)', { a: found(hitOf('x', TWO)), e: ALL })
      const { ask, reported } = build({ scheduler, find: (peer) => (peer === ONE ? breaking : fine) })
      expectObservable(summed(ask(own()))).toBe('---a(e|)', { a: 'x', e: 'all' })
      expectSubscriptions(breaking.subscriptions).toBe(['^!', '-^!'])
      flush()
      expect(reported).toEqual([[ONE, 'reset']])
    })
  )
})

describe('what is told', () => {
  const { scheduler } = createVirtualClock()
  const answering = (answers: Record<string, Finding[]>) => (peer: string) => of(...(answers[peer] ?? []), ALL)

  test('hits of one content are one, whose other holders are told as they become known, each once', () => {
    const same = (name: string, ...holders: string[]) => hitOf('content', '', { name, holders })
    const find = answering({
      [ONE]: [found(same('a', 'http://h:1')), found(same('b', 'http://h:2', 'http://h:1'))],
      [TWO]: [found(same('c', 'http://h:2'))]
    })
    const { hits, end } = heard(build({ scheduler, find }).ask(own()))
    expect(hits().map(({ name, holders }) => [name, ...holders])).toEqual([
      ['a', 'http://h:1'],
      ['b', 'http://h:2']
    ])
    expect(end()).toBe('all')
  })

  test('a relay adds itself and a call; our own user gets neither our URL as a relay nor our matches as far', () => {
    const find = answering({ [ONE]: [found(hitOf('x', ONE, { hops: 1, relays: [TWO] }))] })
    const match = matching([fileOf('our x')]).match
    const { searched, ask } = build({ scheduler, find, match })
    expect(heard(searched(search(), US)).hits()).toEqual([
      hitOf('our x', US),
      hitOf('x', ONE, { hops: 2, relays: [TWO, US] })
    ])
    expect(heard(ask(own({ id: 'other' }))).hits()).toEqual([
      hitOf('our x', US),
      hitOf('x', ONE, { hops: 2, relays: [TWO] })
    ])
  })

  test('a pattern that we cannot read is declined and nobody is asked; our own user learns why', () => {
    const asked: string[] = []
    const find = (peer: string) => (asked.push(peer), EMPTY)
    const { searched, ask } = build({ scheduler, find, match: matching([]).match })
    const pattern = { kind: 'words', text: '(' } as const
    expect(heard(searched(search({ pattern }), US)).news).toEqual([{ type: 'ended', how: 'declined' }])
    expect(heard(ask(own({ pattern, id: 'other' }))).news).toEqual([
      { type: 'bad-pattern', detail: 'It makes no sense' },
      { type: 'ended', how: 'declined' }
    ])
    expect(asked).toEqual([])
  })

  test('a folder that fails has nothing, and the others are heard', () => {
    const find = answering({ [ONE]: [found(hitOf('x', ONE))] })
    const { ask } = build({ scheduler, find, match: () => throwError(() => new Error('the disk is gone')) })
    const { hits, end } = heard(ask(own()))
    expect([hits().length, end()]).toEqual([1, 'all'])
  })

  test('a second copy has been seen, and so has one that comes when the first has ended', () => {
    const { searched } = build({ scheduler, find: answering({}), match: matching([fileOf('x')]).match })
    expect(heard(searched(search({ history: [ONE] }), US)).hits()).toHaveLength(1)
    expect(heard(searched(search({ history: [TWO] }), US)).news).toEqual([{ type: 'ended', how: 'seen' }])
  })

  test('nobody is left waiting when the peer stops', () => {
    const stop$ = new Subject<void>()
    const { ask } = build({ scheduler, find: () => NEVER, stop$ })
    const ends: string[] = []
    ask(own()).subscribe({ complete: () => ends.push('one') })
    stop$.next()
    ask(own({ id: 'other' })).subscribe({ complete: () => ends.push('two') })
    expect(ends).toEqual(['one', 'two'])
  })
})

describe('a neighbour that means harm', () => {
  const { scheduler } = createVirtualClock()

  /** Says batches of 64 without end, each when it is asked for. */
  function flooding(hitAt: (at: number) => Hit) {
    let pulled = 0
    let open = 0
    const find = () =>
      new Observable<Finding>((asker) => {
        open++
        const give = () => {
          if (asker.closed) return
          const at = pulled++ * 64
          const hits = Array.from({ length: 64 }, (_, more) => hitAt(at + more))
          asker.next({ type: 'found', hits, next: () => give() })
        }
        give()
        return () => open--
      })
    return { find, pulled: () => pulled, open: () => open }
  }

  test('and has a million hits is left at the limit', () => {
    const { find, pulled, open } = flooding((at) => hitOf(`x ${at}`, ONE))
    const { hits, end } = heard(build({ scheduler, find, neighbours: [ONE] }).ask(own({ limit: 1_000 })))
    expect(hits()).toHaveLength(1_000)
    expect(end()).toBe('all')
    expect(pulled()).toBe(Math.ceil(1_000 / 64))
    expect(open()).toBe(0)
  })

  test('is asked for nothing more when nobody takes what it has', () => {
    const floods = peers(20).map(() => flooding((at) => hitOf(`x ${at}`, ONE)))
    const find = (peer: string) => (floods[peers(20).indexOf(peer)] as (typeof floods)[0]).find()
    const subscription = build({ scheduler, find, neighbours: peers(20) })
      .ask(own())
      .subscribe()
    expect(floods.map(({ pulled }) => pulled())).toEqual(floods.map(() => 1))
    subscription.unsubscribe()
    expect(floods.map(({ open }) => open())).toEqual(floods.map(() => 0))
  })

  test.each([
    { what: 'the same again and again', hitAt: () => hitOf('x', ONE) },
    { what: 'one content of ever more holders', hitAt: (at: number) => hitOf('x', `http://h:${(at % 60_000) + 1}`) }
  ])('and says $what is given up', ({ hitAt }) => {
    const { find, pulled, open } = flooding(hitAt)
    const { ask, reported } = build({ scheduler, find, neighbours: [ONE] })
    const { end } = heard(ask(own({ limit: 1_000 })))
    expect(end()).toBe('all')
    expect(reported).toEqual([[ONE, 'nonsense']])
    expect(pulled()).toBeLessThan(300)
    expect(open()).toBe(0)
  })

  test('and does not wait to be asked is given up', () => {
    const find = () => of(found(hitOf('a', ONE)), found(hitOf('b', ONE)), found(hitOf('c', ONE)))
    const { ask, reported } = build({ scheduler, find, neighbours: [ONE] })
    const news: string[] = []
    ask(own()).subscribe((one) => news.push(one.type))
    expect(reported).toEqual([[ONE, 'nonsense']])
    expect(news).toEqual(['found', 'ended'])
  })
})

describe('a trace', () => {
  test(
    'tells of every call how it ended, also of those that are taken back in the end',
    marbles(({ cold, scheduler, flush }) => {
      const ended = (how: (Finding & { type: 'ended' })['how']) => cold<Finding>('--e', { e: { type: 'ended', how } })
      const failed: Finding = { type: 'failed', reason: 'refused', detail: 'Nobody listens.' }
      const theirs = { from: ONE, to: 'http://b:1', depth: 1, outcome: 'missed', hits: 0, tookMs: 3 } as const
      const answers: Record<string, Observable<Finding>> = {
        missed: ended('all'),
        seen: ended('seen'),
        declined: ended('declined'),
        late: ended('late'),
        failed: cold('--f', { f: failed }),
        answered: cold('a--e', { a: { ...found(hitOf('x', ONE)), traces: [theirs] } as Finding, e: ALL }),
        enough: cold('-----a', { a: found(hitOf('y', ONE), hitOf('z', ONE)) }),
        open: cold('----')
      }
      const urls = Object.keys(answers).map((name) => `http://${name}:1`)
      const find = (peer: string) => answers[new URL(peer).hostname] as Observable<Finding>
      const { traces, end } = heard(build({ scheduler, find, neighbours: urls }).ask(own({ trace: true, limit: 3 })))
      flush()
      expect(end()).toBe('all')
      const [first, ...ours] = traces()
      expect(first).toEqual(theirs)
      expect(ours.every(({ from, depth }) => from === US && depth === 0)).toBe(true)
      expect(ours.map(({ to, outcome, hits, tookMs }) => `${to} ${outcome} ${hits} ${tookMs}`)).toEqual([
        'http://missed:1 missed 0 2',
        'http://seen:1 seen 0 2',
        'http://declined:1 declined 0 2',
        'http://late:1 timed-out 0 2',
        'http://failed:1 failed 0 2',
        'http://answered:1 answered 1 3',
        'http://enough:1 taken-back 2 5',
        'http://open:1 taken-back 0 5'
      ])
      expect(ours.find(({ outcome }) => outcome === 'failed')?.detail).toBe('Nobody listens.')
    })
  )

  test('is told only to who wants it, whatever a neighbour says', () => {
    const { scheduler } = createVirtualClock()
    const told = { from: ONE, to: TWO, depth: 1, outcome: 'missed', hits: 0, tookMs: 3 } as const
    const find = () => of<Finding[]>({ ...found(hitOf('x', ONE)), traces: [told] } as Finding, ALL)
    expect(heard(build({ scheduler, find }).ask(own())).traces()).toEqual([])
  })
})

describe('a standing find', () => {
  test('tells what is there and what comes later, until it is taken back, and a broken branch to our own user only', () => {
    const { scheduler } = createVirtualClock()
    const shared = matching([fileOf('x')])
    const failed: Finding = { type: 'failed', reason: 'reset', detail: '' }
    const { ask, searched } = build({ scheduler, find: () => of(failed), match: shared.match })
    const ours = heard(ask(own({ standing: true })))
    const theirs = heard(searched(search({ standing: true, id: 'other' }), US))
    shared.add(fileOf('new x'))
    shared.add(fileOf('y'))
    for (const { hits, end } of [ours, theirs]) {
      expect(hits().map(({ name }) => name)).toEqual(['x', 'new x'])
      expect(end()).toBeUndefined()
    }
    expect(ours.news.filter(({ type }) => type === 'broke')).toEqual([
      { type: 'broke', url: ONE },
      { type: 'broke', url: TWO }
    ])
    expect(theirs.news.every(({ type }) => type === 'found')).toBe(true)
    ours.unsubscribe()
    shared.add(fileOf('newer x'))
    expect([ours, theirs].map(({ hits }) => hits().length)).toEqual([2, 3])
  })
})

const textOf = (news: SearchNews) => {
  if (news.type === 'found') return news.hits.map(({ name }) => name).join()
  return news.type === 'ended' ? news.how : news.type
}

/** In a word each, for an asker who always wants more. */
const summed = (news$: Observable<SearchNews>) =>
  new Observable<string>((asker) =>
    news$.subscribe({
      next(news) {
        asker.next(textOf(news))
        if (news.type === 'found') news.next()
      },
      complete: () => asker.complete()
    })
  )
