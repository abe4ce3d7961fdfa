import { map, type Observable, of } from 'rxjs'
import { expect, test } from 'vitest'
import { createHashLearning } from '../../src/streams/hash-learning.js'
import type { HashesOutcome } from '../../src/streams/ports.js'
import { marbles } from './marbles.js'
import { createPlace, HASHES } from './place.js'

const right: HashesOutcome = { type: 'hashes', bytes: HASHES }
const wrong: HashesOutcome = { type: 'hashes', bytes: Uint8Array.of(9) }
const gone: HashesOutcome = { type: 'gone' }

function build(answers: Record<string, Observable<HashesOutcome>>, hashes: 'wanted' | 'known' = 'wanted') {
  const [asked, liars]: [string[], string[]] = [[], []]
  const learn = createHashLearning({
    place: createPlace(5, { hashes }),
    hashes: (holder) => {
      asked.push(holder)
      return answers[holder] ?? of(gone)
    },
    others: () => Object.keys(answers),
    onLie: (holder) => liars.push(holder)
  })
  return { learn, asked, liars }
}

test('hashes that are known are not asked for', () => {
  const { learn, asked } = build({}, 'known')
  const told: boolean[] = []
  learn(0, 'A').subscribe((known) => told.push(known))
  expect([told, asked]).toEqual([[true], []])
})

test.each<[string, Record<string, Observable<HashesOutcome>>, boolean, string[], string[]]>([
  ['who sent the piece is asked first', { B: of(right), A: of(right) }, true, ['A'], []],
  ['one that has none is passed over', { A: of(gone), B: of(right) }, true, ['A', 'B'], []],
  [
    'one that cannot be reached too',
    { A: of({ type: 'failed', reason: 'refused', detail: '' }), B: of(right) },
    true,
    ['A', 'B'],
    []
  ],
  [
    'a liar is named, and the next one asked',
    { A: of(wrong), B: of(wrong), C: of(right) },
    true,
    ['A', 'B', 'C'],
    ['A', 'B']
  ],
  ['nobody has them', { A: of(gone), B: of(gone) }, false, ['A', 'B'], []]
])('%s', (_, answers, known, whom, named) => {
  const { learn, asked, liars } = build(answers)
  const told: boolean[] = []
  learn(0, 'A').subscribe((is) => told.push(is))
  expect([told, asked, liars]).toEqual([[known], whom, named])
})

test('who could not be told is told after another try', () => {
  const answers: Record<string, Observable<HashesOutcome>> = { A: of(gone) }
  const { learn } = build(answers)
  const told: boolean[] = []
  learn(0, 'A').subscribe((is) => told.push(is))
  answers['A'] = of(right)
  learn(0, 'A').subscribe((is) => told.push(is))
  expect(told).toEqual([false, true])
})

test(
  'those who want the same hashes share one request, and the last one to leave takes it back',
  marbles(({ cold, expectObservable, expectSubscriptions }) => {
    const answer = cold('   -----r', { r: right })
    const asked = ['        ^----!']
    const { learn } = build({ A: answer })
    const letter = map((is: boolean) => (is ? 'y' : 'n'))
    expectObservable(learn(0, 'A').pipe(letter)).toBe('     -----(y|)')
    expectObservable(learn(1, 'B').pipe(letter), '--^').toBe('-----(y|)')
    expectObservable(learn(1, 'B').pipe(letter), '^-!').toBe('---')
    expectSubscriptions(answer.subscriptions).toBe(asked)
  })
)

test(
  'nobody is asked any more when nobody wants to know',
  marbles(({ cold, expectObservable, expectSubscriptions }) => {
    const answer = cold('-----r', { r: right })
    const { learn } = build({ A: answer })
    expectObservable(learn(0, 'A'), '^--!').toBe('----')
    expectSubscriptions(answer.subscriptions).toBe('^--!')
  })
)
