import { EMPTY, map } from 'rxjs'
import { expect, test } from 'vitest'
import { moreHolders } from '../../src/streams/more-holders.js'
import { PIECE_BYTES } from '../../src/streams/pieces.js'
import type { Found } from '../../src/streams/ports.js'
import { marbles } from './marbles.js'

const found: Record<string, Found> = { a: { type: 'holder', url: 'A' }, b: { type: 'relay', url: 'B' } }
const offer = (size: number) => ({ name: 'x', root: 'root', size, holders: ['A'] })
const letter = map((what: Found | 'all') => (what === 'all' ? '.' : what.url))

test(
  'others are asked at once, then everybody has been told, and they are asked again every fifteen seconds',
  marbles(({ cold, expectObservable, scheduler }) => {
    const asked: unknown[] = []
    const gather = (question: unknown) => {
      asked.push(question)
      return cold('--a-(b|)', found)
    }
    const more$ = moreHolders({ gather, scheduler })(offer(5 * PIECE_BYTES)).pipe(letter)
    expectObservable(more$, `^ 40s !`).toBe('--A-(B.) 14998ms A-B 14997ms A-B')
    scheduler.schedule(() => expect(asked).toEqual([{ name: 'x', root: 'root' }]), 10)
  })
)

test(
  'for a small file only when it is not here after a second',
  marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
    const answer = cold('--(a|)', found)
    const more$ = moreHolders({ gather: () => answer, scheduler })(offer(PIECE_BYTES)).pipe(letter)
    expectObservable(more$, '^ 999ms !').toBe('-')
    expectObservable(more$, '^ 1100ms !').toBe('1002ms (A.)')
    expectSubscriptions(answer.subscriptions).toBe(['1000ms ^-!'])
  })
)

test(
  'one that takes longer than the pause is not asked twice at once',
  marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
    const slow = cold(' 40s (a|)', found)
    let asked = 0
    const gather = () => (asked++ === 0 ? EMPTY : slow)
    expectObservable(moreHolders({ gather, scheduler })(offer(5 * PIECE_BYTES)).pipe(letter), '^ 56s !').toBe(
      '. 54999ms A'
    )
    expectSubscriptions(slow.subscriptions).toBe('15s ^ 39999ms !')
  })
)
