import { asyncScheduler, lastValueFrom, map, NEVER, type Observable, of, VirtualTimeScheduler } from 'rxjs'
import { describe, expect, test } from 'vitest'
import type { Offer, Outcome, Question, SharedFile } from '../../src/streams/ports.js'
import { createQuery } from '../../src/streams/query.js'
import {
  INITIAL,
  MAX_RUNNING_QUERIES,
  type QueryCommand,
  type QueryState,
  step
} from '../../src/streams/query-rules.js'
import { SEEN_PAGE, SEEN_PAGES } from '../../src/streams/seen.js'
import { marbles } from './marbles.js'

const US = 'http://127.0.0.1:4242'
const peers = (count: number) => Array.from({ length: count }, (_, index) => `http://127.0.0.1:${index + 1}`)
const file: SharedFile = { name: 'x', size: 3, modifiedMs: 0, root: 'ab' }
const offer = { name: 'x', size: 3, root: 'ab', holders: [US] }

/** The same from a neighbour: whoever hears it from us may have it through us. */
const passedOn = { ...offer, relays: [US] }

function question(given: Partial<Question> = {}): Question {
  return { name: 'x', history: [], asking: [], deadlineMs: 5_000, ...given }
}

/** What the disk said, without the query that the job carries along. */
type Fed = QueryCommand | { readonly type: 'looked-up'; readonly key: number; readonly file: SharedFile | undefined }

/** Feeds commands, and gathers what leaves. */
function after(commands: readonly Fed[], state: QueryState = INITIAL) {
  const turns: ReturnType<typeof step>[] = []
  for (const fed of commands) {
    const job = turns
      .flatMap(({ jobs = [] }) => jobs)
      .findLast(({ type, ...rest }) => type === 'look-up' && 'key' in rest && rest.key === (fed as { key: number }).key)
    if (fed.type === 'looked-up' && job?.type !== 'look-up') continue
    const command = fed.type === 'looked-up' ? { ...fed, query: (job as typeof job & { type: 'look-up' }).query } : fed
    const turn = step(state, command)
    turns.push(turn)
    state = turn.state
  }
  const events = turns.flatMap((turn) => turn.events ?? [])
  const jobs = turns.flatMap((turn) => turn.jobs ?? [])
  return { state, events, jobs, outcomes: events.flatMap((event) => (event.type === 'outcome' ? [event.outcome] : [])) }
}

const ask = (key: number, given: Partial<Question> = {}, own = false, id = 'id'): QueryCommand => {
  return { type: 'ask', key, id, nowMs: 0, question: question(given), as: US, own }
}
const found = (key: number): Fed => ({ type: 'looked-up', key, file })
const notHere = (key: number): Fed => ({ type: 'looked-up', key, file: undefined })

describe('the rules of a query', () => {
  test.each(['../x', '/x', 'a/../x', '', '.', 'a//b', 'x\0', '.p2p-rx/cache/x'])(
    'a bad name, %j, is denied to a direct caller and missed for a relayed one, and nobody is asked',
    (name) => {
      const direct = after([ask(1, { name })])
      expect(direct).toMatchObject({ jobs: [], outcomes: [{ type: 'denied' }] })
      const relayed = after([ask(1, { name, history: peers(1) })])
      expect(relayed).toMatchObject({ jobs: [], outcomes: [{ type: 'missed' }] })
    }
  )

  test('a name that a sloppy neighbour could take for a way out is answered from the share but not passed on', () => {
    const name = '..%2fx'
    expect(after([ask(1, { name }), found(1)]).outcomes).toMatchObject([{ type: 'offered' }])
    expect(after([ask(1, { name }), notHere(1)])).toMatchObject({
      outcomes: [{ type: 'denied' }],
      jobs: [{ type: 'look-up' }]
    })
    expect(after([ask(1, { name, history: peers(1) }), notHere(1)]).outcomes).toEqual([{ type: 'missed' }])
    expect(after([ask(1, { name }, true), notHere(1)]).jobs).toMatchObject([{ type: 'look-up' }, { type: 'broadcast' }])
  })

  test('a local file answers at once, whatever the length of the history', () => {
    for (const length of [0, 5, 6, 60]) {
      expect(after([ask(1, { history: peers(length) }), found(1)]).outcomes).toEqual([{ type: 'offered', offer }])
    }
  })

  test('our URL is appended, and at six entries the query ends here', () => {
    const fifth = after([ask(1, { history: peers(4) }), notHere(1)])
    expect(fifth.jobs[1]).toMatchObject({ type: 'broadcast', history: [...peers(4), US] })
    const sixth = after([ask(1, { history: peers(5) }), notHere(1)])
    expect(sixth).toMatchObject({ outcomes: [{ type: 'missed' }], jobs: [{ type: 'look-up' }] })
  })

  test('the spelling under which the caller knows us goes into the history', () => {
    const asked: QueryCommand = {
      type: 'ask',
      key: 1,
      id: 'id',
      nowMs: 0,
      question: question(),
      as: `${US}/simple`,
      own: false
    }
    expect(after([asked, notHere(1)]).jobs[1]).toMatchObject({ history: [`${US}/simple`] })
  })

  test('a visitor leaves no trace in the history', () => {
    const asked: QueryCommand = { type: 'ask', key: 1, id: 'id', nowMs: 0, question: question(), as: '', own: true }
    expect(after([asked, notHere(1)]).jobs[1]).toMatchObject({ history: [] })
  })

  test('whoever finds itself in the history, under any spelling, does not ask again', () => {
    for (const us of [US, `${US}/`, `${US}/simple`]) {
      expect(after([ask(1, { history: [us, ...peers(1)] }), notHere(1)]).outcomes).toEqual([{ type: 'missed' }])
    }
  })

  test('a second copy is missed at once unless it may go further than the first', () => {
    const twice = (first: number, second: number) =>
      after([ask(1, { history: peers(first) }), notHere(1), ask(2, { history: peers(second) }), notHere(2)])
    expect(twice(2, 2).outcomes).toEqual([{ type: 'missed' }])
    expect(twice(2, 3).outcomes).toEqual([{ type: 'missed' }])
    expect(twice(2, 1).jobs.filter(({ type }) => type === 'broadcast')).toHaveLength(2)
  })

  test('a copy that comes after the file was found is told what was found', () => {
    const heard: QueryCommand = {
      type: 'heard',
      key: 1,
      heard: { type: 'heard', peer: US, outcome: { type: 'offered', offer } }
    }
    const { outcomes } = after([ask(1), notHere(1), heard, ask(2, { history: peers(1) }), notHere(2)])
    expect(outcomes).toEqual([
      { type: 'offered', offer: passedOn },
      { type: 'offered', offer: passedOn }
    ])
  })

  test('an id that was used for another name does not bring that name’s offer', () => {
    const heard: QueryCommand = {
      type: 'heard',
      key: 1,
      heard: { type: 'heard', peer: US, outcome: { type: 'offered', offer } }
    }
    const { outcomes } = after([ask(1), notHere(1), heard, ask(2, { name: 'y', history: peers(1) }), notHere(2)])
    expect(outcomes).toEqual([{ type: 'offered', offer: passedOn }, { type: 'missed' }])
  })

  test('who passes an offer on is named, but not where it has no root, nor to our own user, nor without end', () => {
    const heard = (given: Partial<Offer>, own = false) =>
      after([
        ask(1, { history: peers(1) }, own),
        notHere(1),
        {
          type: 'heard',
          key: 1,
          heard: { type: 'heard', peer: US, outcome: { type: 'offered', offer: { ...offer, ...given } } }
        }
      ]).outcomes.map((outcome) => (outcome.type === 'offered' ? outcome.offer.relays : undefined))
    expect(heard({})).toEqual([[US]])
    expect(heard({ relays: peers(2) })).toEqual([[...peers(2), US]])
    expect(heard({ relays: peers(8) })).toEqual([peers(8)])
    expect(heard({}, true)).toEqual([undefined])
    const unhashed: Offer = { name: 'x', size: 3, holders: [US] }
    expect(
      after([
        ask(1),
        notHere(1),
        { type: 'heard', key: 1, heard: { type: 'heard', peer: US, outcome: { type: 'offered', offer: unhashed } } }
      ]).outcomes
    ).toEqual([{ type: 'offered', offer: unhashed }])
  })

  test('a question taken back is forgotten, so that it may be asked again', () => {
    const { jobs } = after([ask(1), notHere(1), { type: 'withdraw', key: 1 }, ask(2), notHere(2)])
    expect(jobs.filter(({ type }) => type === 'broadcast')).toHaveLength(2)
  })

  test('queries by foreign callers, which have no id, do not hinder each other', () => {
    const { jobs } = after([ask(1, {}, false, 'one'), notHere(1), ask(2, {}, false, 'two'), notHere(2)])
    expect(jobs.filter(({ type }) => type === 'broadcast')).toHaveLength(2)
  })

  test('a failing neighbour is reported and ends nothing', () => {
    const outcome: Outcome = { type: 'failed', reason: 'refused', detail: '' }
    const { jobs, outcomes, state } = after([
      ask(1),
      notHere(1),
      { type: 'heard', key: 1, heard: { type: 'heard', peer: US, outcome } }
    ])
    expect(jobs.at(-1)).toEqual({ type: 'report', url: US, reason: 'refused' })
    expect(outcomes).toEqual([])
    expect(state.running.size).toBe(1)
  })

  test('too many queries at once are missed, not refused', () => {
    const commands = Array.from({ length: MAX_RUNNING_QUERIES + 1 }, (_, index) => [
      ask(index, {}, false, `${index}`),
      notHere(index)
    ]).flat()
    expect(after(commands).outcomes).toEqual([{ type: 'missed' }])
  })

  test('the table of queries seen keeps so many pages and no more, the newest ones', () => {
    let { state } = after([])
    for (let key = 0; key < 2 * SEEN_PAGE * SEEN_PAGES; key++) {
      ;({ state } = after([ask(key, {}, false, `${key}`), notHere(key), { type: 'all-heard', key }], state))
    }
    const ids = state.seen.flatMap((page) => [...page.keys()])
    expect(ids).toHaveLength(SEEN_PAGE * SEEN_PAGES)
    expect(ids).toContain(`${2 * SEEN_PAGE * SEEN_PAGES - 1}`)
    expect(state.running.size).toBe(0)
  })
})

describe('a query on its way', () => {
  const neighbours = peers(3)
  const build = (answer: (peer: string, asked: Question) => Observable<Outcome>, asked: Question[] = []) =>
    createQuery({
      ask: (peer, one) => {
        asked.push(one)
        return answer(peer, one)
      },
      // A promise would leave virtual time, so nothing is looked up here.
      find: () => ({ then: (resolve: (file: undefined) => void) => resolve(undefined) }) as Promise<undefined>,
      neighbours: () => neighbours,
      report: () => undefined,
      newId: () => 'new',
      scheduler: new VirtualTimeScheduler(),
      stop$: NEVER
    })

  test('each neighbour learns the id, who else is asked, and a deadline shorter than ours', () => {
    const asked: Question[] = []
    build(() => NEVER, asked)
      .ask({ question: question(), as: US, own: true })
      .subscribe()
    expect(asked).toEqual(
      neighbours.map((peer) => ({
        name: 'x',
        history: [US],
        id: 'new',
        asking: neighbours.filter((other) => other !== peer),
        deadlineMs: 4_500
      }))
    )
  })

  test('who is in the history or is asked by others is not asked again', () => {
    const asked: Question[] = []
    const history = [`${neighbours[0] ?? ''}/`]
    const others = { history, asking: [neighbours[1] ?? ''] }
    build(() => NEVER, asked)
      .ask({ question: question(others), as: US, own: false })
      .subscribe()
    expect(asked).toHaveLength(1)
  })

  test(
    'unsubscribing takes the open calls back, and so does the first success',
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const silent = cold<Outcome>('     -----')
      const quick = cold<Outcome>('      ---o', { o: { type: 'offered', offer } })
      const query = createQuery({
        ask: (peer) => (peer === neighbours[2] ? quick : silent),
        find: () => ({ then: (resolve: (none: undefined) => void) => resolve(undefined) }) as Promise<undefined>,
        neighbours: () => neighbours,
        report: () => undefined,
        newId: () => 'new',
        scheduler,
        stop$: NEVER
      })
      const outcome$ = query.ask({ question: question(), as: US, own: true }).pipe(map(({ type }) => type))
      expectObservable(outcome$).toBe('---(o|)', { o: 'offered' })
      expectSubscriptions(silent.subscriptions).toBe(['^--!', '^--!'])
    })
  )
})

test('a disk that fails while it is looked at makes a miss, not the end of the peer', async () => {
  const query = createQuery({
    ask: () => NEVER,
    find: () => Promise.reject(new Error('too many open files')),
    neighbours: () => [],
    report: () => undefined,
    newId: () => 'new',
    scheduler: asyncScheduler,
    stop$: NEVER
  })
  expect(await lastValueFrom(query.ask({ question: question(), as: US, own: true }))).toEqual({ type: 'missed' })
})

test('after the stop a query completes without an outcome', async () => {
  const query = createQuery({
    ask: () => NEVER,
    find: () => Promise.resolve(undefined),
    neighbours: () => [],
    report: () => undefined,
    newId: () => 'new',
    scheduler: asyncScheduler,
    stop$: of(true)
  })
  const outcome$ = query.ask({ question: question(), as: US, own: true })
  expect(await lastValueFrom(outcome$, { defaultValue: 'nothing' })).toBe('nothing')
})
