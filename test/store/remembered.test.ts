import { describe, expect, test } from 'vitest'
import { keptId } from '../../src/store/own-id.js'
import { createPeerMemory, KEPT_DAYS, MAX_REMEMBERED } from '../../src/store/remembered.js'
import { openState } from '../../src/store/state.js'
import { folder } from '../peer/network.js'

const DAY_MS = 86_400_000
const NOW = 1_000 * DAY_MS
const peer = (port: number, seenMs: number) => ({ urls: [`http://10.0.0.1:${port}`], seenMs })

/** What a process leaves, and how the next opens it. */
async function processes() {
  const dir = await folder()
  return async <T>(work: (state: Awaited<ReturnType<typeof openState>>) => Promise<T>): Promise<T> => {
    const state = await openState(dir)
    try {
      return await work(state)
    } finally {
      await state.close()
    }
  }
}

describe('peers of earlier processes', () => {
  test('what one process saves the next one loads, the last seen first', async () => {
    const inProcess = await processes()
    const peers = [peer(1, NOW - 5), { ...peer(2, NOW - 1), id: 'two' }]
    await inProcess((state) => createPeerMemory(() => Promise.resolve(state.text('peers'))).save(peers, NOW))
    const loaded = await inProcess((state) => createPeerMemory(() => Promise.resolve(state.text('peers'))).load(NOW))
    expect(loaded).toEqual([peers[1], peers[0]])
  })

  test('the oldest go when there are too many, and those not seen for a month', async () => {
    const inProcess = await processes()
    await inProcess(async (state) => {
      const memory = createPeerMemory(() => Promise.resolve(state.text('peers')))
      const many = Array.from({ length: 2 * MAX_REMEMBERED }, (_, at) => peer(at + 1, NOW - at))
      await memory.save([...many, peer(9_999, NOW - KEPT_DAYS * DAY_MS)], NOW)
      expect(await memory.load(NOW)).toEqual(many.slice(0, MAX_REMEMBERED))
      expect(await memory.load(NOW + KEPT_DAYS * DAY_MS)).toEqual([])
    })
  })

  test.each(['', '{', 'null', '7', '[{"urls":[]}]', '[{"urls":"x","seenMs":1}]', '[{"urls":["x"],"seenMs":null}]'])(
    'damage is no peer and no failure: %j',
    async (text) => {
      const inProcess = await processes()
      await inProcess(async (state) => {
        await state.text('peers').put('all', text)
        expect(await createPeerMemory(() => Promise.resolve(state.text('peers'))).load(NOW)).toEqual([])
      })
    }
  )

  test('a peer has the same id in each of its processes', async () => {
    const inProcess = await processes()
    expect(await inProcess((state) => keptId(state.text('self'), 'first'))).toBe('first')
    expect(await inProcess((state) => keptId(state.text('self'), 'second'))).toBe('first')
  })
})
