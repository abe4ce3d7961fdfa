import { request } from 'node:http'
import { lastValueFrom, type Observable, of, toArray } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { createControlClient } from '../../src/control/client.js'
import { findLines } from '../../src/control/find-lines.js'
import type { FindNews, FoundFile } from '../../src/index.js'
import { call, controlled } from './fake-peer.js'

const PATIENT = { timeout: 10_000, interval: 20 }
const [ANN, BOB, CAT] = ['http://ann:1', 'http://bob:1', 'http://cat:1']
const TRACE = { from: '', to: ANN, depth: 0, outcome: 'answered', hits: 1, tookMs: 3 } as const

const file = (name: string, holders: readonly string[], more: Partial<FoundFile> = {}): FoundFile => ({
  ...{ key: name, name, size: 1, holders, hops: 1 },
  ...more
})
const all = <T>(value$: Observable<T>): Promise<T[]> => lastValueFrom(value$.pipe(toArray()))

describe('a find as lines', () => {
  test('tells each file once, and then only what is new of it', async () => {
    const hits = [
      file('a', [ANN]),
      file('b', [ANN]),
      file('a', [ANN, BOB]),
      file('a', [ANN, BOB]),
      file('a', [ANN, BOB, CAT], { otherNames: ['z'] })
    ]
    const news: FindNews[] = [
      ...hits.map((hit): FindNews => ({ type: 'hit', hit })),
      { type: 'trace', trace: TRACE },
      { type: 'ended', how: 'all' }
    ]
    const expected = [
      { type: 'found', ...file('a', [ANN]) },
      { type: 'found', ...file('b', [ANN]) },
      { type: 'holder-found', key: 'a', holders: [BOB] },
      { type: 'holder-found', key: 'a', holders: [CAT], otherNames: ['z'] }
    ]
    const peer = { find: () => of(...hits), trace: () => of(...news) }
    expect(await all(findLines(peer, { pattern: 'x' }))).toEqual(expected)
    expect(await all(findLines(peer, { pattern: 'x', trace: true }))).toEqual([...expected, { type: 'call', ...TRACE }])
  })
})

describe('the control socket', () => {
  test('passes a find on, and its lines back, to the end', async () => {
    const { socketPath, log, found$ } = await controlled()
    const heard = all(createControlClient(socketPath).find({ pattern: 'x', limit: 5, timeoutMs: 100 }))
    await expect.poll(() => log, PATIENT).toEqual([['find', 'x', { limit: 5, timeoutMs: 100 }]])
    found$.next(file('a', [ANN]))
    found$.next(file('a', [ANN, BOB]))
    found$.complete()
    expect(await heard).toEqual([
      { type: 'found', ...file('a', [ANN]) },
      { type: 'holder-found', key: 'a', holders: [BOB] }
    ])
  })

  test('tells of calls when asked to', async () => {
    const { socketPath, log, news$ } = await controlled()
    const pattern = { kind: 'regex', text: 'a+', content: true } as const
    const heard = all(createControlClient(socketPath).find({ pattern, trace: true }))
    await expect.poll(() => log, PATIENT).toEqual([['trace', pattern, {}]])
    news$.next({ type: 'trace', trace: TRACE })
    news$.next({ type: 'ended', how: 'late' })
    news$.complete()
    expect(await heard).toEqual([{ type: 'call', ...TRACE }])
  })

  test('takes a find back when whoever asked has left', async () => {
    const { socketPath, log } = await controlled()
    const subscription = createControlClient(socketPath).find({ pattern: 'x' }).subscribe()
    await expect.poll(() => log, PATIENT).toHaveLength(1)
    subscription.unsubscribe()
    await expect.poll(() => log, PATIENT).toContainEqual(['find over', 'x'])
  })

  test('gives a find up, and says so, when nobody reads what it brings', async () => {
    const { socketPath, log, found$ } = await controlled()
    const headers = { 'Content-Type': 'application/json' }
    const text = await new Promise<string>((resolve, reject) => {
      const sent = request({ socketPath, method: 'POST', path: '/v1/find', headers, agent: false }, (response) => {
        // Nothing is read until far more has been found than may be kept.
        let last = ''
        const lines = Array.from({ length: 16 }, (_, number) => ({ number, text: 'x'.repeat(1_000_000) }))
        for (let at = 0; at < 20; at++) found$.next(file(`${at}`, [ANN], { lines }))
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => (last = (last + chunk).slice(-500)))
        response.on('end', () => resolve(last))
        response.on('error', reject)
      })
      sent.on('error', reject)
      sent.end('{"pattern":"x"}')
    })
    expect(JSON.parse(text.split('\n').at(-2) ?? '')).toMatchObject({ type: 'error', code: 'BUSY' })
    expect(log).toContainEqual(['find over', 'x'])
  })

  test('answers a query with the first offer', async () => {
    const { socketPath } = await controlled()
    expect(await all(createControlClient(socketPath).query('a.txt'))).toEqual([
      { name: 'a.txt', size: 1, holders: [ANN] }
    ])
  })

  test.each([
    ['{}', /wrong at pattern/],
    ['{"pattern":""}', /wrong at pattern/],
    ['{"pattern":7}', /wrong at pattern/],
    [`{"pattern":"${'x'.repeat(4_097)}"}`, /wrong at pattern/],
    ['{"pattern":{"kind":"sql","text":"x"}}', /wrong at pattern/],
    ['{"pattern":{"kind":"words","text":"x","more":1}}', /wrong at pattern/],
    ['{"pattern":"x","limit":0}', /wrong at limit/],
    ['{"pattern":"x","limit":250001}', /wrong at limit/],
    ['{"pattern":"x","limit":1.5}', /wrong at limit/],
    ['{"pattern":"x","timeoutMs":120001}', /wrong at timeoutMs/],
    ['{"pattern":"x","trace":"yes"}', /wrong at trace/],
    ['{"pattern":"x","standing":true}', /wrong at standing/],
    ['[]', /The body is wrong/]
  ])('refuses %.60s', async (body, message) => {
    const { socketPath, log } = await controlled()
    const headers = { 'Content-Type': 'application/json' }
    const { status, text } = await call(socketPath, { method: 'POST', path: '/v1/find', headers, body })
    expect(status).toBe(400)
    expect(JSON.parse(text)).toMatchObject({
      type: 'error',
      code: 'BAD_CALL',
      message: expect.stringMatching(message) as string
    })
    expect(log).toEqual([])
  })
})
