import {
  asyncScheduler,
  concat,
  defer,
  finalize,
  lastValueFrom,
  map,
  NEVER,
  type Observable,
  of,
  take,
  throwError,
  timer,
  toArray
} from 'rxjs'
import { expect, test } from 'vitest'
import { type FolderProgress, fetchAll } from '../../src/streams/fetch-all.js'
import type { Offer } from '../../src/streams/ports.js'
import type { TransferResult } from '../../src/streams/progress.js'
import { MAX_TRANSFERS } from '../../src/streams/transfer.js'
import { marbles } from './marbles.js'

const offers = (count: number): Offer[] =>
  Array.from({ length: count }, (_, index) => ({ name: `${index}`, size: 10, holders: ['A'] }))
const progress = (name: string, bytes: number, path?: string): TransferResult => {
  const base = { name, bytes, total: 10, bytesPerSecond: 0, holders: [], rates: [], state: 'running' } as const
  return { type: 'progress', progress: { ...base, ...(path === undefined ? {} : { path }) } }
}
const done = ({ name }: Offer) => progress(name, 10, `/${name}`)
const failed = (code: string): TransferResult => ({ type: 'failed', code, detail: `it is ${code}` })

test('every file of a list is fetched, whatever becomes of the single one', async () => {
  const results: Record<string, TransferResult | { readonly type: 'here' }> = {
    1: failed('NOT_FOUND'),
    2: { type: 'here' }
  }
  const fetch = (offer: Offer) => of(progress(offer.name, 4), results[offer.name] ?? done(offer))
  const all = await lastValueFrom(fetchAll({ offers: offers(4), fetch, scheduler: asyncScheduler }).pipe(toArray()))
  expect(all[0]).toMatchObject({ files: 4, done: 0, bytes: 0, total: 40 })
  expect(all.at(-1)).toMatchObject({
    ...{ files: 4, done: 2, skipped: 1, bytes: 20, total: 30 },
    failed: [{ name: '1', code: 'NOT_FOUND', message: 'it is NOT_FOUND' }]
  })
})

test('an empty list is done at once', async () => {
  const all = fetchAll({ offers: [], fetch: () => NEVER, scheduler: asyncScheduler })
  expect(await lastValueFrom(all)).toMatchObject({ files: 0, done: 0, total: 0 })
})

test('all failures are told, in their order', async () => {
  const all = fetchAll({ offers: offers(1_200), fetch: () => of(failed('NETWORK')), scheduler: asyncScheduler })
  const last = await lastValueFrom(all)
  expect([last.failed.length, last.failed[999]?.name, last.done]).toEqual([1_200, '999', 0])
})

test('so many run at once, and all of them end when it is given up', () => {
  let [running, most] = [0, 0]
  const fetch = () =>
    defer(() => {
      most = Math.max(most, ++running)
      return NEVER.pipe(finalize(() => running--))
    })
  const subscription = fetchAll({ offers: offers(20), fetch, scheduler: asyncScheduler }).subscribe()
  expect([running, most]).toEqual([MAX_TRANSFERS, MAX_TRANSFERS])
  subscription.unsubscribe()
  expect(running).toBe(0)
})

test(
  'it tells at most ten times a second how far all are, and at the end',
  marbles(({ expectObservable, scheduler }) => {
    // Ten bytes in half a second, a byte each 50 ms.
    const slow = (offer: Offer): Observable<TransferResult> =>
      timer(50, 50, scheduler).pipe(
        take(10),
        map((tick) => (tick < 9 ? progress(offer.name, tick + 1) : done(offer)))
      )
    const shown = ({ bytes, done: files, bytesPerSecond }: FolderProgress) => `${files}:${bytes}@${bytesPerSecond}`
    const all$ = fetchAll({ offers: offers(2), fetch: slow, scheduler }).pipe(map(shown))
    const values = { a: '0:0@0', b: '0:3@30', c: '0:7@35', d: '0:11@37', e: '0:15@38', f: '1:19@38', g: '2:20@40' }
    expectObservable(all$).toBe('a 99ms b 99ms c 99ms d 99ms e 99ms (fg|)', values)
  })
)

test('an error of a fetch, which would be a bug, is not swallowed', async () => {
  const all = fetchAll({
    offers: offers(1),
    fetch: () => concat(throwError(() => new Error('bug'))),
    scheduler: asyncScheduler
  })
  await expect(lastValueFrom(all)).rejects.toThrow('bug')
})
