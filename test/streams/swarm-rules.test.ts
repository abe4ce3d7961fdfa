import { describe, expect, test } from 'vitest'
import { MAX_HOLDERS, MAX_LANES, type SwarmCommand, step } from '../../src/streams/swarm-rules.js'
import { initialState, type SwarmState } from '../../src/streams/swarm-state.js'

/** Feeds commands, and gathers what leaves. */
function after(commands: readonly SwarmCommand[], from: number | SwarmState = 10) {
  let state = typeof from === 'number' ? initialState([{ start: 0, end: from }]) : from
  const turns = commands.map((command) => {
    const turn = step(state, command)
    state = turn.state
    return turn
  })
  const jobs = turns.flatMap((turn) => turn.jobs ?? [])
  const events = turns.flatMap((turn) => turn.events ?? [])
  const how = Object.fromEntries([...state.holders].map(([url, holder]) => [url, holder.state]))
  return { state, jobs, events, how, last: turns.at(-1)?.jobs ?? [] }
}

const found = (url: string, type: 'holder' | 'relay' = 'holder', nowMs = 0): SwarmCommand => ({
  type: 'found',
  found: { type, url },
  nowMs
})
const allFound: SwarmCommand = { type: 'all-found', nowMs: 0 }
const received = (holder: string, ...pieces: number[]) =>
  pieces.map((piece): SwarmCommand => ({ type: 'received', holder, piece }))
const kept = (...pieces: number[]) => pieces.map((piece): SwarmCommand => ({ type: 'kept', piece, nowMs: 0 }))
const wrong = (holder: string, piece: number): SwarmCommand => ({ type: 'wrong', holder, piece, nowMs: 0 })
const lost = (piece: number): SwarmCommand => ({ type: 'lost', piece, nowMs: 0 })
const requested = (holder: string, nowMs = 0): SwarmCommand => ({ type: 'requested', holder, nowMs })
const advanced = (holder: string, bytes: number, nowMs: number): SwarmCommand => ({
  type: 'advanced',
  holder,
  bytes,
  nowMs
})
const tick = (nowMs: number): SwarmCommand => ({ type: 'tick', nowMs })
const rested = (holder: string): SwarmCommand => ({ type: 'rested', holder, nowMs: 0 })
const broke = (holder: string, why: 'failed' | 'gone' | 'changed' = 'failed'): SwarmCommand => ({
  type: 'broke',
  holder,
  nowMs: 0,
  why,
  code: why === 'gone' ? 'NOT_FOUND' : 'NETWORK',
  detail: why
})
const lied = (holder: string): SwarmCommand => ({ type: 'broke', holder, nowMs: 0, why: 'lied', detail: 'no' })
const read = (holder: string, start: number, end: number) => ({ type: 'read', holder, range: { start, end } })

describe('the rules of a download from many', () => {
  test('the first holder gets all, the second takes half, and both are asked for a little at first', () => {
    const { jobs, state } = after([found('A'), found('B')])
    expect(jobs).toEqual([read('A', 0, 2), read('B', 5, 7)])
    expect([...state.lanes.values()].map(({ next, end }) => [next, end])).toEqual([
      [0, 5],
      [5, 10]
    ])
  })

  test('a holder that is known is not asked twice, and only so many are remembered and read', () => {
    expect(after([found('A'), found('A')]).jobs).toHaveLength(1)
    const many = after(
      Array.from({ length: MAX_HOLDERS + 5 }, (_, index) => found(`${index}`)),
      1_000
    )
    expect([many.state.holders.size, many.state.lanes.size]).toEqual([MAX_HOLDERS, MAX_LANES])
  })

  test('whoever passes it on is asked when nobody else is left, and as a holder once it turns out to be one', () => {
    const waiting = after([found('R', 'relay'), found('A')])
    expect(waiting.how).toEqual({ R: 'reserve', A: 'busy' })
    expect(after([allFound, broke('A', 'gone')], waiting.state).last).toContainEqual(read('R', 0, 2))
    expect(after([found('R')], waiting.state).last).toEqual([read('R', 5, 7)])
    expect(after([found('R', 'relay'), allFound]).last).toEqual([read('R', 0, 2)])
  })

  test('one that passes it on and was found late is asked before all is given up', () => {
    const late = after([found('A'), allFound, ...received('A', 0), wrong('A', 0), found('R', 'relay'), lost(0)])
    expect(late.events).toEqual([{ type: 'rejected', holder: 'A' }])
    expect(late.last).toEqual([read('R', 0, 2)])
  })

  test('a lane goes on where its request ends, and then with the work of others', () => {
    const both = after([found('A'), ...received('A', 0, 1), requested('A')], 4)
    expect(both.last).toEqual([read('A', 2, 4)])
    const done = after([...received('A', 2, 3), requested('A')], both.state)
    expect(done.how).toEqual({ A: 'idle' })
    expect(after(kept(0, 1, 2), done.state).events).toEqual([])
    expect(after(kept(0, 1, 2, 3), done.state).events).toEqual([{ type: 'complete' }])
  })

  test('a wrong piece names its sender, who is stopped and not asked again, and others are asked for its blocks', () => {
    const { last, events, how } = after([found('A'), found('B'), ...received('A', 0), wrong('A', 0)])
    expect(events).toEqual([{ type: 'rejected', holder: 'A' }])
    expect(last).toEqual([
      { type: 'stop', holder: 'A' },
      { type: 'repair', piece: 0, liar: 'A', helpers: ['B'] }
    ])
    expect(how).toEqual({ A: 'out', B: 'busy' })
  })

  test('a liar is named once, whatever else it had sent', () => {
    const { events } = after([found('A'), found('B'), ...received('A', 0, 1), wrong('A', 0), wrong('A', 1), lied('A')])
    expect(events).toEqual([{ type: 'rejected', holder: 'A' }])
  })

  test('a piece that could not be repaired is wanted again', () => {
    const alone = after([found('A'), ...received('A', 0), wrong('A', 0), lost(0)])
    expect(alone.state.gaps).toEqual([{ start: 0, end: 10 }])
    expect(after([found('B')], alone.state).last).toEqual([read('B', 0, 2)])
  })

  test.each([
    ['failed', 'resting'],
    ['gone', 'out'],
    ['changed', 'out']
  ] as const)('a holder that is %s is %s', (why, state) => {
    const turn = after([found('A'), ...received('A', 0), broke('A', why)])
    expect(turn.how).toEqual({ A: state })
    expect(turn.state.gaps).toEqual([{ start: 1, end: 10 }])
    expect(turn.last.some(({ type }) => type === 'rest')).toBe(why === 'failed')
  })

  test('one that fails without a byte is tried three times, with longer and longer pauses', () => {
    const commands = [found('A'), broke('A'), rested('A'), broke('A'), rested('A'), broke('A'), rested('A')]
    const { jobs, how } = after(commands)
    expect(jobs.flatMap((job) => (job.type === 'rest' ? [job.restMs] : []))).toEqual([250, 500])
    expect(how).toEqual({ A: 'out' })
  })

  test('one that brings a piece each time is tried sixteen times, and one that brings a part of it is not', () => {
    const parts = Array.from({ length: 20 }, () => [advanced('A', 1_000, 1), broke('A'), rested('A')]).flat()
    expect(after([found('A'), ...parts]).jobs.filter(({ type }) => type === 'read')).toHaveLength(3)
    const rounds = Array.from({ length: 20 }, (_, piece) => [...received('A', piece), broke('A'), rested('A')]).flat()
    const { jobs, how } = after([found('A'), ...rounds], 100)
    expect(jobs.filter(({ type }) => type === 'read')).toHaveLength(16)
    expect(how).toEqual({ A: 'out' })
  })

  test('it fails with the last reason when all are out, but not while more may be found or a piece is being written', () => {
    const failed = { type: 'failed', code: 'NOT_FOUND', detail: 'gone' }
    expect(after([found('A'), broke('A', 'gone')]).events).toEqual([])
    expect(after([found('A'), broke('A', 'gone'), allFound]).events).toEqual([failed])
    expect(after([allFound]).events).toMatchObject([{ type: 'failed', code: 'NETWORK' }])
    const writing = after([found('A'), allFound, ...received('A', 0), broke('A', 'gone')])
    expect(writing.events).toEqual([])
    expect(after([...kept(0), tick(100)], writing.state).events).toEqual([failed])
    expect(after([found('A'), allFound, lied('A')]).events).toMatchObject([
      { type: 'rejected' },
      { type: 'failed', code: 'INTEGRITY' }
    ])
  })

  test('a disk that fails ends it, and every lane with it; nothing that comes later counts', () => {
    const full = after([found('A'), found('B'), { type: 'no-disk', code: 'DISK', detail: 'full' }])
    expect(full.last).toEqual([
      { type: 'stop', holder: 'A' },
      { type: 'stop', holder: 'B' }
    ])
    expect(full.events).toEqual([{ type: 'failed', code: 'DISK', detail: 'full' }])
    expect(after([...received('A', 0), ...kept(0), found('C'), broke('B')], full.state)).toMatchObject({
      jobs: [],
      events: []
    })
  })

  test('a place in the queue is told until bytes come', () => {
    const queued = after([found('A'), { type: 'queued', holder: 'A', position: 4 }])
    expect(queued.state.lanes.get('A')?.position).toBe(4)
    expect(after([advanced('A', 1, 1)], queued.state).state.lanes.get('A')?.position).toBeUndefined()
  })
})

describe('a race', () => {
  /** Both are at the only piece. */
  const racing = after([found('A'), tick(100), found('B', 'holder', 9_000)], 1)

  test('begins when one says nothing, and ends with the first that is kept', () => {
    expect(racing.jobs).toEqual([read('A', 0, 1), read('B', 0, 1)])
    const { events, jobs } = after([...received('B', 0), ...kept(0)], racing.state)
    expect(events).toEqual([{ type: 'complete' }])
    expect(jobs).toContainEqual({ type: 'stop', holder: 'A' })
  })

  test('is joined by a healthy one when all who are at it say nothing', () => {
    const { jobs } = after([found('C', 'holder', 18_000), found('D', 'holder', 27_000)], racing.state)
    expect(jobs).toEqual([read('C', 0, 1), read('D', 0, 1)])
  })

  test('a piece that both bring counts once', () => {
    const more = after([found('A'), ...received('A', 0), requested('A'), found('B', 'holder', 9_000), tick(9_100)], 2)
    const { state, events } = after([...received('A', 1), ...received('B', 1), ...kept(1, 1)], more.state)
    expect([state.missing, state.over, events]).toEqual([1, false, []])
  })

  test('a piece that one brought is not wanted again when the other breaks', () => {
    const one = after([...received('B', 0), requested('B', 9_000), broke('A')], racing.state)
    expect(one.state.gaps).toEqual([])
    expect(after([wrong('B', 0), lost(0)], one.state).state.gaps).toEqual([{ start: 0, end: 1 }])
  })

  test('one breaks and the other goes on', () => {
    expect(after([broke('A')], racing.state).state.gaps).toEqual([])
    expect(after([broke('A'), broke('B')], racing.state).state.gaps).toEqual([{ start: 0, end: 1 }])
  })
})

describe('when all lanes are taken and somebody is free', () => {
  const others = Array.from({ length: MAX_LANES }, (_, index) => `${index}`)
  const full = (...more: SwarmCommand[]) => after([...others.map((url) => found(url)), ...more], 1_000).state
  const queued = (holder: string): SwarmCommand => ({ type: 'queued', holder, position: 5 })
  const readsOf = (jobs: readonly { readonly type: string; readonly holder?: string }[]) =>
    jobs.flatMap(({ type, holder }) => (type === 'read' ? [holder] : []))

  test('one that lets us wait makes room, rests, and does not push out others that let us wait', () => {
    const free = after([found('free')], full(...others.map(queued)))
    expect(free.jobs.slice(0, 2)).toEqual([
      { type: 'stop', holder: '0' },
      { type: 'rest', holder: '0', restMs: 10_000 }
    ])
    expect(readsOf(free.jobs)).toEqual(['free'])
    expect([free.how['0'], free.how['free']]).toEqual(['resting', 'busy'])
    expect(readsOf(after([rested('0'), tick(100)], free.state).jobs)).toEqual([])
  })

  test('one that says nothing makes room, and is given more time the next time', () => {
    const talking = others.slice(1).flatMap((url) => [advanced(url, 4_000_000, 1_000), advanced(url, 4_000_000, 2_500)])
    const free = after([found('free', 'holder', 2_500)], full(...talking))
    expect(readsOf(free.jobs)).toEqual(['free'])
    expect(free.how['0']).toBe('resting')
  })

  test('one that is far slower makes room, and one that is hardly slower does not', () => {
    const all = (bytes: number) => others.map((url) => advanced(url, bytes, 1_000))
    expect(readsOf(after([found('free', 'holder', 1_000)], full(...all(20_000))).jobs)).toEqual(['free'])
    expect(readsOf(after([found('free', 'holder', 1_000)], full(...all(900_000))).jobs)).toEqual([])
  })
})

test('a holder that is given up for want of hashes is stopped: it may still be read', () => {
  expect(after([found('A'), ...received('A', 0), lost(0), broke('A')]).last[0]).toEqual({ type: 'stop', holder: 'A' })
})
