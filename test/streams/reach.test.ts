import { of } from 'rxjs'
import { describe, expect, test } from 'vitest'
import type { Greeting } from '../../src/streams/ports.js'
import { MAX_TRIED_AT_ONCE, reach } from '../../src/streams/reach.js'
import { marbles } from './marbles.js'

const well = (id: string, proven = false): Greeting => ({
  type: 'greeted',
  dialect: 'p2prx',
  roundTripMs: 1,
  id,
  proven
})
const badly = (reason: 'refused' | 'ourselves' = 'refused'): Greeting => ({ type: 'failed', reason, detail: '' })

describe('a peer with several addresses', () => {
  test(
    'a silent address holds the next up for 250 ms, and the first that answers ends the others',
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const greetings = {
        silent: cold<Greeting>('-'),
        good: cold('20ms w', { w: well('a') }),
        late: cold<Greeting>('-')
      }
      const found$ = reach({
        urls: ['silent', 'good', 'late'],
        hello: (url) => greetings[url as keyof typeof greetings],
        scheduler
      })
      expectObservable(found$).toBe('270ms (r|)', { r: { url: 'good', greeting: well('a') } })
      expectSubscriptions(greetings.silent.subscriptions).toBe('^ 269ms !')
      expectSubscriptions(greetings.good.subscriptions).toBe('250ms ^ 19ms !')
      expectSubscriptions(greetings.late.subscriptions).toBe([])
    })
  )

  test(
    'one that refuses holds nobody up',
    marbles(({ cold, expectObservable, scheduler }) => {
      const hello = (url: string) => (url === 'good' ? cold('-w', { w: well('a') }) : cold('-b', { b: badly() }))
      const found$ = reach({ urls: ['closed', 'closed too', 'good'], hello, scheduler })
      expectObservable(found$).toBe('---(r|)', { r: { url: 'good', greeting: well('a') } })
    })
  )

  test(
    'so many are tried at once, and no more',
    marbles(({ cold, expectObservable, flush, scheduler }) => {
      const tried: string[] = []
      const hello = (url: string) => {
        tried.push(url)
        return cold<Greeting>('-')
      }
      expectObservable(reach({ urls: ['a', 'b', 'c', 'd', 'e'], hello, scheduler }), '^ 10s !').toBe('')
      flush()
      expect(tried).toHaveLength(MAX_TRIED_AT_ONCE)
    })
  )

  test.each([
    ['another peer with a key of its own is refused', ['one'], { one: well('b', true) }, 'other-id'],
    [
      'at one of several addresses, whoever claims another id is somebody else',
      ['one', 'two'],
      { one: well('b'), two: badly() },
      'other-id'
    ],
    ['at its only address a claimed id may have changed', ['one'], { one: well('b') }, 'greeted'],
    ['the right one is found behind the wrong one', ['one', 'two'], { one: well('b'), two: well('a') }, 'greeted'],
    [
      'an address that is ours too does not make the peer ourselves',
      ['one', 'two'],
      { one: badly('ourselves'), two: badly() },
      'refused'
    ],
    ['one whose only address is ours is ourselves', ['one'], { one: badly('ourselves') }, 'ourselves']
  ] as [string, string[], Record<string, Greeting>, string][])('%s', (_, urls, greetings, expected) => {
    const seen: string[] = []
    reach({
      urls,
      id: 'a',
      hello: (url) => of(greetings[url] ?? badly()),
      scheduler: { now: () => 0, schedule: () => of().subscribe() }
    }).subscribe(({ greeting }) => seen.push(greeting.type === 'greeted' ? 'greeted' : greeting.reason))
    expect(seen).toEqual([expected])
  })
})
