import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Admission, DEFAULT_SLOTS, UploadSlots } from '../../../src/transport/http/slots.js'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

const passed = (ms: number) => vi.advanceTimersByTimeAsync(ms)
const NEVER = new AbortController().signal

/** `1.2.3.4 a` says its address; others have one of their own. */
function at(peer: string) {
  const [address = '', id = ''] = peer.split(' ')
  return { address, id }
}

function slotsOf(slots: number, maxQueued = 256) {
  const all = new UploadSlots({ ...DEFAULT_SLOTS, slots, maxQueued })
  const told = (peer: string): { admission: Admission | undefined } => {
    const asked: { admission: Admission | undefined } = { admission: undefined }
    void Promise.resolve(all.enter(at(peer), NEVER)).then((admission) => {
      asked.admission = admission
    })
    return asked
  }
  const enter = (peer: string) => all.enter(at(peer), NEVER) as Admission
  const leave = (admission: Admission | undefined) => {
    if (admission?.type === 'entered') admission.leave()
  }
  return { all, enter, told, leave }
}

describe('upload slots', () => {
  test('count peers, not requests', () => {
    const { enter } = slotsOf(2)
    for (const peer of ['a', 'a', 'a', 'b', 'b']) expect(enter(peer).type).toBe('entered')
    expect(enter('c')).toEqual({ type: 'queued', position: 1 })
    expect(enter('a').type).toBe('entered')
  })

  test('tell everybody their place at once, the first time', () => {
    const { enter } = slotsOf(1)
    enter('a')
    expect([enter('b'), enter('c'), enter('d')]).toEqual([1, 2, 3].map((position) => ({ type: 'queued', position })))
  })

  test('hold the next request of a waiter until there is a slot', async () => {
    const { enter, told, leave } = slotsOf(1)
    const first = enter('a')
    enter('b')
    const second = told('b')
    leave(first)
    await passed(999)
    expect(second.admission).toBeUndefined()
    await passed(1)
    expect(second.admission?.type).toBe('entered')
  })

  test('answer a held request after 3 s with its place', async () => {
    const { enter, told } = slotsOf(1)
    enter('a')
    enter('b')
    const held = told('b')
    await passed(2_999)
    expect(held.admission).toBeUndefined()
    await passed(1)
    expect(held.admission).toEqual({ type: 'queued', position: 1 })
  })

  test('stay with a peer that pauses for less than a second', async () => {
    const { enter, leave } = slotsOf(1)
    leave(enter('a'))
    await passed(999)
    expect(enter('b')).toEqual({ type: 'queued', position: 1 })
    expect(enter('a').type).toBe('entered')
    await passed(1_500)
    expect(enter('c')).toEqual({ type: 'queued', position: 2 })
  })

  test('go to the first in the queue, not to who comes just then', async () => {
    const { enter, leave } = slotsOf(1)
    const first = enter('a')
    enter('b')
    leave(first)
    await passed(1_000)
    expect(enter('c')).toEqual({ type: 'queued', position: 2 })
    expect(enter('b').type).toBe('entered')
  })

  test('pass over a waiter that does not come back', async () => {
    const { enter, told, leave } = slotsOf(1)
    const first = enter('a')
    enter('b')
    enter('c')
    const held = told('c')
    leave(first)
    await passed(1_500)
    expect(held.admission).toBeUndefined()
    await passed(1_500)
    expect(held.admission?.type).toBe('entered')
  })

  test('move the others up', async () => {
    const { enter, told } = slotsOf(1)
    enter('a')
    for (const peer of ['b', 'c']) enter(peer)
    const held = told('c')
    await passed(3_000)
    expect(held.admission).toEqual({ type: 'queued', position: 1 })
  })

  test('go to as many as are free', async () => {
    const { enter, told, leave } = slotsOf(2)
    const served = [enter('a'), enter('b')]
    const held = ['c', 'd', 'e'].map((peer) => (enter(peer), told(peer)))
    served.forEach(leave)
    await passed(1_000)
    expect(held.map(({ admission }) => admission?.type)).toEqual(['entered', 'entered', undefined])
  })

  test('have a queue with an end', () => {
    const { enter } = slotsOf(1, 2)
    enter('a')
    enter('b')
    enter('c')
    expect(enter('d')).toEqual({ type: 'full' })
    expect(enter('e')).toEqual({ type: 'full' })
  })

  test('are not all for one address, whatever peers it invents', () => {
    const { enter } = slotsOf(16)
    for (let peer = 1; peer <= 12; peer++) expect(enter(`here ${peer}`).type).toBe('entered')
    expect(enter('here 13')).toEqual({ type: 'queued', position: 1 })
    // Past the one that waits, and no more of it than are there for others.
    for (let peer = 1; peer <= 4; peer++) expect(enter(`there ${peer}`).type).toBe('entered')
    expect(enter('there 5')).toEqual({ type: 'queued', position: 2 })
  })

  test('leave places in the queue for other addresses', () => {
    const { enter } = slotsOf(1, 8)
    for (let peer = 0; peer <= 6; peer++) expect(enter(`here ${peer}`).type).not.toBe('full')
    expect(enter('here 7')).toEqual({ type: 'full' })
    for (const position of [7, 8]) expect(enter(`there ${position}`)).toEqual({ type: 'queued', position })
    expect(enter('elsewhere')).toEqual({ type: 'full' })
  })

  test('go to a waiter of the same address, when one of its own is free again', async () => {
    const { enter, told, leave } = slotsOf(4)
    const served = [1, 2, 3].map((peer) => enter(`here ${peer}`))
    enter('here 4')
    const held = told('here 4')
    await passed(0)
    expect(held.admission).toBeUndefined()
    leave(served[0])
    await passed(1_000)
    expect(held.admission?.type).toBe('entered')
  })

  test.each([1, 2, 3])('of which there are %i are not kept from everybody', (slots) => {
    expect(slotsOf(slots).enter('here 1').type).toBe('entered')
  })

  test('leave no timer behind', async () => {
    const { all, enter, told, leave } = slotsOf(1)
    leave(enter('a'))
    enter('b')
    const held = told('b')
    all.close()
    await passed(0)
    expect(held.admission).toBeDefined()
    await passed(10_000)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('forget who leaves while it is held', async () => {
    const { all, enter, leave } = slotsOf(1)
    const first = enter('a')
    enter('b')
    const abort = new AbortController()
    const held = all.enter(at('b'), abort.signal)
    abort.abort()
    expect(await held).toMatchObject({ type: 'queued' })
    await passed(3_000)
    leave(first)
    await passed(1_000)
    expect(enter('c').type).toBe('entered')
  })
})
