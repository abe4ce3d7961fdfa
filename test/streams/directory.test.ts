import { NEVER, of, VirtualTimeScheduler } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { createDirectory } from '../../src/streams/directory.js'
import {
  type DirectoryCommand,
  LONGEST_PAUSE_MS,
  MAX_GREETINGS,
  MAX_KNOWN_PEERS,
  MAX_UNMET_PER_NEIGHBOUR,
  pauseMs,
  step
} from '../../src/streams/directory-rules.js'
import {
  addressesOf,
  askablePeers,
  type DirectoryState,
  knownPeers,
  reachedAt
} from '../../src/streams/directory-table.js'
import type { Greeting } from '../../src/streams/ports.js'
import { marbles } from './marbles.js'

const url = (port: number) => `http://127.0.0.1:${port}`
const introduce = (
  port: number,
  told = false,
  more: { id?: string; by?: string; urls?: readonly string[] } = {}
): DirectoryCommand => ({ type: 'introduce', url: url(port), told, ...more })
const greeted = (port: number, greeting: Greeting, at?: string): DirectoryCommand => {
  return { type: 'greeted', key: `127.0.0.1:${port}`, greeting, url: at }
}
const well: Greeting = { type: 'greeted', dialect: 'p2prx', roundTripMs: 5 }
const badly: Greeting = { type: 'failed', reason: 'refused', detail: '' }
const after = (...commands: DirectoryCommand[]): DirectoryState =>
  commands.reduce<DirectoryState>((state, command) => step(state, command).state, new Map())

describe('the rules of the directory', () => {
  test('a new peer is greeted, and joins when it answers', () => {
    const first = step(new Map(), introduce(1))
    expect(first.jobs).toEqual([{ type: 'greet', key: '127.0.0.1:1', urls: [url(1)] }])
    const second = step(first.state, greeted(1, well))
    expect(second.events).toEqual([{ type: 'peer-joined', url: url(1) }])
    expect(knownPeers(second.state)).toEqual([
      { url: url(1), urls: [url(1)], state: 'up', dialect: 'p2prx', roundTripMs: 5, failures: 0 }
    ])
  })

  test.each(['http://127.0.0.1:1/', 'http://localhost:1', 'http://127.0.0.1:1/RPC2', 'http://127.0.0.1:1/simple'])(
    'another spelling of a known peer, %s, is the same peer and the first spelling stays',
    (alias) => {
      const state = after(introduce(1), { type: 'introduce', url: alias, told: true })
      expect(askablePeers(state)).toEqual([url(1)])
    }
  )

  test.each([
    '',
    'http://',
    'ftp://h:1',
    'http://u:p@h:1',
    'http://h:1/?q',
    'http://h:1/other',
    `http://${'h'.repeat(300)}:1`
  ])('what is no URL of a peer is not kept: %j', (bad) => {
    expect(after({ type: 'introduce', url: bad, told: true }).size).toBe(0)
  })

  test('a failing peer is not asked but remembered, and its loss is told once', () => {
    const up = after(introduce(1), greeted(1, well))
    const failing = step(up, { type: 'fail', url: url(1), reason: 'timed-out' })
    expect(failing.events).toEqual([{ type: 'peer-lost', url: url(1), reason: 'timed-out' }])
    expect(askablePeers(failing.state)).toEqual([])
    expect(failing.state.size).toBe(1)
    expect(step(failing.state, { type: 'fail', url: url(1), reason: 'reset' })).toEqual({ state: failing.state })
  })

  test('a failing peer that names itself is greeted at once', () => {
    const failing = after(introduce(1), greeted(1, badly))
    expect(step(failing, introduce(1)).jobs).toEqual([{ type: 'greet', key: '127.0.0.1:1', urls: [url(1)] }])
  })

  test('naming a failing peer over and over gets it one call a pause, unless its own user does', () => {
    const failing = after(introduce(1), greeted(1, badly), introduce(1), greeted(1, badly))
    expect(step(failing, introduce(1))).toEqual({ state: failing })
    expect(step(failing, introduce(1, true)).jobs).toMatchObject([{ type: 'greet' }])
    const rested = after(introduce(1), greeted(1, badly), introduce(1), greeted(1, badly), {
      type: 'pause-over',
      key: '127.0.0.1:1',
      pauses: 2
    })
    expect(step(step(rested, greeted(1, badly)).state, introduce(1)).jobs).toMatchObject([{ type: 'greet' }])
  })

  test('the end of an outdated pause changes nothing', () => {
    const back = after(introduce(1), greeted(1, badly), introduce(1), greeted(1, well))
    expect(step(back, { type: 'pause-over', key: '127.0.0.1:1', pauses: 1 }).state).toBe(back)
  })

  test('pauses double up to the longest', () => {
    expect([1, 2, 3, 6, 7, 50].map(pauseMs)).toEqual([1_000, 2_000, 4_000, 32_000, LONGEST_PAUSE_MS, LONGEST_PAUSE_MS])
  })

  test('a peer that turns out to be ourselves is forgotten', () => {
    const turn = step(after(introduce(1)), greeted(1, { type: 'failed', reason: 'ourselves', detail: '' }))
    expect(turn.state.size).toBe(0)
    expect(turn.events).toEqual([{ type: 'peer-lost', url: url(1), reason: 'ourselves' }])
  })

  test('the quickest peer is asked first, those not reached yet last', () => {
    const state = after(
      introduce(1),
      introduce(2),
      introduce(3),
      greeted(2, { ...well, roundTripMs: 50 }),
      greeted(3, { ...well, roundTripMs: 2 })
    )
    expect(askablePeers(state)).toEqual([url(3), url(2), url(1)])
  })

  test('a flood of names stays within the table, greets a few at a time, and displaces nobody that answers', () => {
    let state = after(introduce(1), greeted(1, well), introduce(2, true), greeted(2, badly))
    for (let port = 1_000; port < 3_000; port++) {
      const turn = step(state, introduce(port))
      state = turn.state
      for (const job of turn.jobs ?? [])
        if (job.type === 'greet') state = step(state, { type: 'greeted', key: job.key, greeting: badly }).state
      const greeting = [...state.values()].filter(({ phase }) => phase === 'greeting')
      expect(greeting.length).toBeLessThanOrEqual(MAX_GREETINGS)
    }
    expect(state.size).toBeLessThanOrEqual(MAX_KNOWN_PEERS)
    expect(state.has('127.0.0.1:1')).toBe(true)
    expect(state.has('127.0.0.1:2')).toBe(true)
  })

  test('when everybody answers there is no room for one more', () => {
    let state: DirectoryState = new Map()
    for (let port = 1; port <= MAX_KNOWN_PEERS; port++) {
      state = step(step(state, introduce(port)).state, greeted(port, well)).state
    }
    expect(step(state, introduce(9_999))).toEqual({ state })
  })
})

describe('a peer with an id and several addresses', () => {
  const known = (port: number, id: string, proven: boolean, ...urls: string[]): DirectoryCommand[] => [
    { type: 'introduce', url: url(port), told: false },
    greeted(port, { ...well, id, proven, urls: [url(port), ...urls] })
  ]
  const named = (port: number, id: string): DirectoryCommand => introduce(port, false, { id })
  const rows = (state: DirectoryState) => knownPeers(state).map((peer) => [peer.url, peer.state, peer.id])

  test('all its addresses are tried, and it is kept under the one that answers', () => {
    const first = step(new Map(), { type: 'introduce', url: url(1), urls: [url(2), 'nonsense', url(1)], told: false })
    expect(first.jobs).toEqual([{ type: 'greet', key: '127.0.0.1:1', urls: [url(1), url(2)] }])
    const answer = greeted(1, { ...well, id: 'a', urls: [url(1), url(2)] }, url(2))
    const second = step(first.state, answer)
    expect(rows(second.state)).toEqual([[url(2), 'up', 'a']])
    expect(addressesOf(second.state, url(2))).toEqual([url(2), url(1)])
    expect(reachedAt(second.state, url(1))).toBe(url(2))
  })

  test.each([true, false])(
    'at another address it takes the place of the old one, once it answers there (proven: %s)',
    (proven) => {
      const gone = after(...known(1, 'a', proven), { type: 'fail', url: url(1), reason: 'refused' })
      const told = step(gone, named(2, 'a'))
      const key = proven ? 1 : 2
      const back = step(told.state, greeted(key, { ...well, id: 'a', proven }, url(2)))
      expect(rows(back.state)).toEqual([[url(2), 'up', 'a']])
      expect(back.events).toEqual([{ type: 'peer-joined', url: url(2) }])
    }
  )

  test('one that answers is greeted where it says it is now, and has moved when it answers there', () => {
    const up = after(...known(1, 'a', true))
    const told = step(up, named(2, 'a'))
    expect(told.jobs).toEqual([{ type: 'greet', key: '127.0.0.1:1', urls: [url(1), url(2)], id: 'a' }])
    const moved = step(told.state, greeted(1, { ...well, id: 'a', proven: true }, url(2)))
    expect(moved.events).toEqual([{ type: 'peer-moved', url: url(2), from: url(1) }])
    expect(rows(moved.state)).toEqual([[url(2), 'up', 'a']])
  })

  test('hearsay does not change the addresses of one that answers', () => {
    const up = after(...known(1, 'a', true))
    expect(step(up, introduce(2, false, { id: 'a', by: '127.0.0.1:9' }))).toEqual({ state: up })
  })

  test('who only claims the id of one that answers gets a row of its own, and takes no place', () => {
    const both = after(...known(1, 'a', false), ...known(2, 'a', false, url(1)))
    expect(rows(both)).toEqual([
      [url(1), 'up', 'a'],
      [url(2), 'up', 'a']
    ])
    expect(reachedAt(both, url(1))).toBe(url(1))
  })

  test('two ways to one peer are one row when its id is proven, or when it announces both', () => {
    expect(rows(after(...known(1, 'a', true), ...known(2, 'a', true)))).toEqual([[url(1), 'up', 'a']])
    expect(rows(after(...known(1, 'a', false, url(2)), ...known(2, 'a', false, url(1))))).toEqual([[url(1), 'up', 'a']])
  })

  test('an address that another peer has taken is its own, unless the old one answers or was named by the user', () => {
    const fail: DirectoryCommand = { type: 'fail', url: url(1), reason: 'refused' }
    expect(rows(after(...known(1, 'a', true), named(1, 'b')))).toEqual([[url(1), 'up', 'a']])
    expect(rows(after(...known(1, 'a', true), fail, named(1, 'b')))).toEqual([[url(1), 'new', 'b']])
    expect(rows(after(introduce(1, true), ...known(1, 'a', true), fail, named(1, 'b')))).toEqual([
      [url(1), 'failing', 'a']
    ])
  })

  test('an address that two announce leads to neither', () => {
    const state = after(...known(1, 'a', true, url(3)), ...known(2, 'b', true, url(3)))
    expect(reachedAt(state, url(3))).toBe(url(3))
  })

  test('one neighbour fills so many places with peers that never answered, and no more', () => {
    let state = after(...known(1, 'a', false))
    for (let port = 2; port < 100; port++) state = step(state, introduce(port, false, { by: '127.0.0.1:1' })).state
    expect(state.size).toBe(1 + MAX_UNMET_PER_NEIGHBOUR)
  })

  test('neighbours are asked whom they know in turn', () => {
    let state = after(...known(1, 'a', false), ...known(2, 'b', false))
    const asked = [1, 2, 3].map(() => {
      const turn = step(state, { type: 'exchange-due' })
      state = turn.state
      return turn.jobs?.map((job) => job.key)
    })
    expect(asked).toEqual([['127.0.0.1:1'], ['127.0.0.1:2'], ['127.0.0.1:1']])
  })

  test(
    'whoever joins is asked whom it knows, then one neighbour each minute, and nobody after the end',
    marbles(({ cold, flush, scheduler }) => {
      const asked: number[] = []
      const directory = createDirectory({
        hello: (to) => of(to === url(1) ? well : badly),
        exchange: () => {
          asked.push(scheduler.now())
          return of([{ urls: [url(2)] }])
        },
        scheduler,
        stop$: cold('170s s')
      })
      cold('-a').subscribe(() => directory.send(introduce(1)))
      flush()
      expect(asked).toEqual([1, 60_000, 120_000])
      expect(directory.state().size).toBe(2)
    })
  )
})

describe('the directory on its clock', () => {
  test(
    'a dead peer is tried again after 1 s, then 2 s, then 4 s, and is back when it answers',
    marbles(({ cold, expectObservable, scheduler }) => {
      const answers: Greeting[] = [badly, badly, badly, well]
      const stop = cold('   10s s')
      const expected = '    -l 6999ms j 2998ms |'
      const directory = createDirectory({ hello: () => of(answers.shift() ?? well), scheduler, stop$: stop })
      const told = cold('   -a')
      told.subscribe(() => directory.send(introduce(1)))
      expectObservable(directory.event$).toBe(expected, {
        l: { type: 'peer-lost', url: url(1), reason: 'refused' },
        j: { type: 'peer-joined', url: url(1) }
      })
    })
  )

  test(
    'after the stop no pause is left waiting',
    marbles(({ cold, expectObservable, scheduler }) => {
      const directory = createDirectory({ hello: () => of(badly), scheduler, stop$: cold('500ms s') })
      directory.send(introduce(1))
      expectObservable(directory.event$).toBe('500ms |')
    })
  )

  test(
    'a peer that never answers a greeting gives its place up',
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const silent = cold<Greeting>('-----')
      const directory = createDirectory({ hello: () => silent, scheduler, stop$: cold('8s s') })
      cold('-a').subscribe(() => directory.send(introduce(1)))
      expectObservable(directory.event$).toBe('- 6s l 1998ms |', {
        l: { type: 'peer-lost', url: url(1), reason: 'timed-out' }
      })
      expectSubscriptions(silent.subscriptions).toBe(['-^ 5999ms !', '- 6s 1s ^ 998ms !'])
    })
  )

  test('greetings that never answer hold up no more than their own places', () => {
    const asked: string[] = []
    const directory = createDirectory({
      hello: (peer) => {
        asked.push(peer)
        return NEVER
      },
      scheduler: new VirtualTimeScheduler(),
      stop$: NEVER
    })
    for (let port = 1; port <= 20; port++) directory.send(introduce(port))
    expect(asked.length).toBe(MAX_GREETINGS)
  })
})
