import { describe, expect, test } from 'vitest'
import type { Pattern, Search } from '../../src/streams/ports.js'
import {
  MAX_FINDS_OF_ONE,
  MAX_LIMIT,
  MAX_OWN_FINDS,
  MAX_PATTERN_CHARS,
  MAX_RUNNING_FINDS,
  MAX_STANDING_FINDS,
  MAX_STANDING_OF_ONE,
  NOTHING_SEARCHED,
  type SearchCommand,
  type SearchState,
  step
} from '../../src/streams/search-rules.js'
import { searchOf as search } from './matching.js'

const US = 'http://127.0.0.1:4242'
const peers = (count: number) => Array.from({ length: count }, (_, at) => `http://127.0.0.1:${at + 1}`)

const ask = (key: number, given: Partial<Search> = {}, { own = false, as = US } = {}): SearchCommand => {
  return { type: 'ask', key, nowMs: 1_000, search: search(given), as, own }
}

function after(commands: readonly SearchCommand[], state: SearchState = NOTHING_SEARCHED) {
  const turns: ReturnType<typeof step>[] = []
  for (const command of commands) {
    const turn = step(state, command)
    turns.push(turn)
    state = turn.state
  }
  const jobs = turns.flatMap((turn) => turn.jobs ?? [])
  return { state, jobs, refused: turns.flatMap((turn) => turn.events ?? []).map(({ key, how }) => `${key} ${how}`) }
}

describe('the rules of a find', () => {
  test.each<Pattern>([
    { kind: 'words', text: '' },
    { kind: 'words', text: ' \t' },
    { kind: 'regex', text: 'x'.repeat(MAX_PATTERN_CHARS + 1) },
    { kind: 'glob', text: '*', content: true },
    { kind: 'name', text: 'x', content: true },
    { kind: 'other' as 'words', text: 'x' }
  ])('$kind that make no sense are declined, and nobody is asked', (pattern) => {
    expect(after([ask(1, { pattern })])).toMatchObject({ jobs: [], refused: ['1 declined'] })
  })

  test('our URL, in the spelling of the asker, is appended, and at six entries nobody else is asked', () => {
    const [fifth] = after([ask(1, { history: peers(4) }, { as: `${US}/simple` })]).jobs
    expect(fifth).toMatchObject({ far: true, history: [...peers(4), `${US}/simple`] })
    const [sixth] = after([ask(1, { history: peers(5) })]).jobs
    expect(sixth).toMatchObject({ far: false, history: [...peers(5), US] })
    expect(after([ask(1, {}, { as: '', own: true })]).jobs).toMatchObject([{ history: [] }])
  })

  test('whoever finds itself in the history, under any spelling, has seen it', () => {
    for (const us of [US, `${US}/`, `${US}/RPC2`]) {
      expect(after([ask(1, { history: [us, ...peers(1)] })])).toMatchObject({ jobs: [], refused: ['1 seen'] })
    }
  })

  test('a second copy has been seen unless it may go further than the first', () => {
    const twice = (first: number, second: number) =>
      after([ask(1, { history: peers(first) }), ask(2, { history: peers(second) })])
    expect(twice(2, 2).refused).toEqual(['2 seen'])
    expect(twice(2, 3).refused).toEqual(['2 seen'])
    expect(twice(5, 5).refused).toEqual(['2 seen'])
    expect(twice(2, 1)).toMatchObject({ refused: [], jobs: [{ key: 1 }, { key: 2 }] })
  })

  test('one that has ended is remembered, and one that was taken back is forgotten', () => {
    expect(after([ask(1), { type: 'over', key: 1 }, { type: 'withdraw', key: 1 }, ask(2)]).refused).toEqual(['2 seen'])
    expect(after([ask(1), { type: 'withdraw', key: 1 }, ask(2)])).toMatchObject({ refused: [], jobs: [{}, { key: 2 }] })
    // The first copy does not take what is known of the second along.
    const further = [ask(1, { history: peers(2) }), ask(2, { history: peers(1) })]
    const left = after([...further, { type: 'withdraw', key: 1 }, ask(3, { history: peers(1) })])
    expect(left.refused).toEqual(['3 seen'])
  })

  test.each([
    { limit: 5, becomes: 5 },
    { limit: 0, becomes: 1 },
    { limit: -7, becomes: 1 },
    { limit: Number.NaN, becomes: 1 },
    { limit: 1e12, becomes: MAX_LIMIT }
  ])('a limit of $limit is one of $becomes', ({ limit, becomes }) => {
    expect(after([ask(1, { limit })]).jobs[0]?.running.search.limit).toBe(becomes)
  })

  test('others may not keep us searching for ever, and standing finds longer than the rest', () => {
    const endOf = (given: Partial<Search>, own = false) =>
      after([ask(1, { deadlineMs: 1e9, ...given }, { own })]).jobs[0]?.running.expiresAtMs
    expect(endOf({ deadlineMs: 5_000 })).toBe(6_000)
    expect(endOf({})).toBe(121_000)
    expect(endOf({ standing: true })).toBe(661_000)
    expect(endOf({}, true)).toBe(1e9 + 1_000)
  })

  /** So many finds, each by another neighbour of so many. */
  const many = (count: number, neighbours: number, given: Partial<Search> = {}, own = false) =>
    Array.from({ length: count }, (_, at) => {
      const caller = [`http://caller:${(at % neighbours) + 1}`]
      return ask(at, { id: `${String(given.standing)} ${at}`, ...(own ? {} : { history: caller }), ...given }, { own })
    })

  test.each([
    { what: 'finds', given: {}, most: MAX_RUNNING_FINDS, ofOne: MAX_FINDS_OF_ONE },
    { what: 'standing finds', given: { standing: true }, most: MAX_STANDING_FINDS, ofOne: MAX_STANDING_OF_ONE }
  ])('of $what, one more than $most, or than $ofOne of one neighbour, is declined', ({ given, most, ofOne }) => {
    expect(after(many(most, most, given)).refused).toEqual([])
    expect(after(many(most + 1, most, given)).refused).toEqual([`${most} declined`])
    expect(after(many(ofOne, 1, given)).refused).toEqual([])
    expect(after(many(ofOne + 1, 1, given)).refused).toEqual([`${ofOne} declined`])
  })

  test('our own have places of their own, and so have standing ones', () => {
    const { state } = after([
      ...many(MAX_RUNNING_FINDS, 64),
      ...many(MAX_STANDING_FINDS, 64, { standing: true }).map((command) => ({ ...command, key: command.key + 1_000 }))
    ])
    const own = many(MAX_OWN_FINDS + 1, 1, { standing: undefined }, true).map((command) => ({
      ...command,
      key: command.key + 2_000
    }))
    expect(after(own, state).refused).toEqual([`${2_000 + MAX_OWN_FINDS} declined`])
  })

  test('a place is free again when a find has ended or was taken back', () => {
    const full = many(MAX_RUNNING_FINDS, 64)
    const another = ask(100, { id: 'another', history: ['http://caller:99'] })
    for (const type of ['over', 'withdraw'] as const) {
      expect(after([...full, { type, key: 7 }, another]).refused).toEqual([])
    }
  })
})
