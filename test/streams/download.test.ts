import {
  asyncScheduler,
  concat,
  filter,
  finalize,
  from,
  lastValueFrom,
  NEVER,
  type Observable,
  of,
  take,
  toArray,
  VirtualTimeScheduler
} from 'rxjs'
import { describe, expect, test } from 'vitest'
import { type DownloadInit, download, type Sources } from '../../src/streams/download.js'
import type { DownloadStep } from '../../src/streams/download-step.js'
import { PIECE_BYTES } from '../../src/streams/pieces.js'
import type { Offer, ReadOutcome, ReadRequest } from '../../src/streams/ports.js'
import { createTransfer, MAX_TRANSFERS, MAX_WAITING_TRANSFERS } from '../../src/streams/transfer.js'
import { bytesOf } from '../store/disk.js'
import { createPlace, HASHES, type MemoryPlace, type PlaceOptions, placing } from './place.js'

const CONTENT = Buffer.from('the whole content')
const SIZE = CONTENT.length
const LARGE = bytesOf(3 * PIECE_BYTES + 5)
const ROOT = 'root'

/** A place whose root is `ROOT` when all is right. */
const placeFor = (content: Buffer, options: PlaceOptions = {}) =>
  createPlace(content.length, { rootOf: (bytes) => (content.equals(bytes) ? ROOT : 'another'), ...options })

type Holder = (request: ReadRequest) => Observable<ReadOutcome>

/** Sends from where it is asked, and breaks off after so many bytes. */
const sending =
  (content: Buffer, { breaksAfter = Number.MAX_SAFE_INTEGER, etag = 'tag' } = {}): Holder =>
  ({ start, end = content.length, etag: wanted }) => {
    if (wanted !== undefined && wanted !== etag) return of({ type: 'changed' })
    async function* bytes() {
      await Promise.resolve()
      yield Uint8Array.from(content.subarray(start, Math.min(end, start + breaksAfter)))
      if (start + breaksAfter < end) throw new Error('the connection broke')
    }
    return of({ type: 'body', size: content.length, start, etag, bytes: bytes() })
  }
const failing: Holder = () => of({ type: 'failed', reason: 'refused', detail: 'connection refused' })
const gone: Holder = () => of({ type: 'gone' })
const altered = (content: Buffer, at: number) =>
  Buffer.from(content.map((byte, index) => (index === at ? byte ^ 1 : byte)))

/** The ways to holders who say nothing. */
const nobody: Sources = {
  read: () => NEVER,
  hashes: () => of({ type: 'hashes', bytes: HASHES }),
  rootOf: () => of({ type: 'unknown' }),
  more: () => of('all')
}

interface Run {
  readonly offer?: Partial<Offer>
  readonly log?: string[]
  readonly place?: MemoryPlace
  readonly sources?: Partial<DownloadInit>
}

function stepsOf(
  holders: Record<string, Holder>,
  { offer, log = [], place = placeFor(CONTENT, { log }), sources }: Run
): Observable<DownloadStep> {
  return download({
    ...nobody,
    offer: { name: 'x', size: place.size, holders: Object.keys(holders), ...offer },
    options: { ifExists: 'refuse' },
    read: (holder, request) => {
      log.push(`${holder}${request.start}`)
      return holders[holder]?.(request) ?? NEVER
    },
    downloads: placing(place),
    scheduler: asyncScheduler,
    ...sources
  })
}

async function run(holders: Record<string, Holder>, given: Run = {}) {
  const { log = [], place = placeFor(CONTENT, { log }) } = given
  const steps = await lastValueFrom(stepsOf(holders, { ...given, log, place }).pipe(toArray()))
  await expect.poll(() => place.lent()).toBe(0)
  return steps
}

/** The first reports of progress. */
const takeProgressed = (count: number) => (step$: Observable<DownloadStep>) =>
  step$.pipe(
    filter((step) => step.type === 'progressed'),
    take(count)
  )

const rooted = { root: ROOT }
const DONE = { type: 'done', path: '/x', root: ROOT }
const rejected = (steps: readonly DownloadStep[]) =>
  steps.flatMap((step) => (step.type === 'rejected' ? [step.holder] : []))

describe('a download', () => {
  test.each([{}, rooted])('takes the file from the one who has it %o', async (offer) => {
    const steps = await run({ A: sending(CONTENT) }, { offer })
    expect(steps[0]).toEqual({ type: 'started', size: SIZE })
    expect(steps.at(-1)).toEqual(DONE)
  })

  test.each([{}, rooted])('an empty file is here at once %o', async (offer) => {
    const log: string[] = []
    const steps = await run({ A: failing }, { offer, place: placeFor(Buffer.alloc(0)), log })
    expect([steps.at(-1), log]).toEqual([DONE, []])
  })

  test('goes on with the next holder where one broke off, when the root says that it is one content', async () => {
    const log: string[] = []
    const place = placeFor(LARGE, { content: LARGE, log })
    const steps = await run(
      { A: sending(LARGE, { breaksAfter: 1.5 * PIECE_BYTES }), B: sending(LARGE) },
      { offer: rooted, log, place }
    )
    expect(steps.at(-1)).toEqual(DONE)
    expect(rejected(steps)).toEqual([])
    expect(log.filter((entry) => entry.startsWith('keep')).sort()).toEqual(['keep 0', 'keep 1', 'keep 2', 'keep 3'])
    expect(place.bytes.every((byte, at) => byte === LARGE[at])).toBe(true)
  })

  test('takes from everybody at once, from those found later as well', async () => {
    const log: string[] = []
    const place = placeFor(LARGE, { content: LARGE, log })
    const more = () => of({ type: 'holder', url: 'B' } as const, 'all' as const)
    const holders = { A: sending(LARGE), B: sending(LARGE) }
    const steps = await run(holders, { offer: { ...rooted, holders: ['A'] }, log, place, sources: { more } })
    expect(steps.at(-1)).toEqual(DONE)
    expect(log.slice(0, 2)).toEqual(['A0', `B${2 * PIECE_BYTES}`])
  })

  test('starts over with the next holder when nothing says that it is one content', async () => {
    const log: string[] = []
    const A = sending(Buffer.from('other bytes than B'.slice(0, SIZE)), { breaksAfter: 5 })
    const steps = await run({ A, B: sending(CONTENT) }, { log })
    expect(steps.at(-1)).toEqual(DONE)
    expect(log).toEqual(['A0', 'rewind', 'B0', 'keep 0', 'abandon'])
  })

  test('goes on with the only holder after a break, as long as each try brings a piece', async () => {
    const log: string[] = []
    const holder = sending(LARGE, { breaksAfter: PIECE_BYTES + 6 })
    const steps = await run({ A: holder }, { log, place: placeFor(LARGE, { log }) })
    expect(steps.at(-1)).toEqual(DONE)
    const reads = log.filter((entry) => entry.startsWith('A'))
    expect(reads).toEqual([0, 1, 2].map((piece) => `A${piece * PIECE_BYTES}`))
    const barren = await run({ A: sending(LARGE, { breaksAfter: 1_000 }) }, { place: placeFor(LARGE) })
    expect(barren.at(-1)).toMatchObject({ type: 'failed', code: 'UNFINISHED' })
  })

  const queueing: Holder = () => concat(of({ type: 'queued', position: 7 } as const), NEVER)

  test.each([{}, rooted])('one that lets us wait does not keep another one from sending %o', async (offer) => {
    expect((await run({ A: queueing, B: sending(CONTENT) }, { offer })).at(-1)).toEqual(DONE)
  })

  test('a file that only one has who lets us wait is waited for, and one of those who fail meanwhile as well', async () => {
    const log: string[] = []
    const steps$ = stepsOf({ A: queueing, B: failing }, { log })
    const [step] = await lastValueFrom(steps$.pipe(takeProgressed(1), toArray()))
    expect(step).toMatchObject({ position: 7 })
    expect(log.slice(0, 3)).toEqual(['A0', 'B0', 'A0'])
  })

  test('a piece comes from another one when the first says nothing for a second', async () => {
    const scheduler = new VirtualTimeScheduler()
    const log: string[] = []
    const begun = new Promise<void>((resolve) => {
      stepsOf(
        { A: () => NEVER, B: sending(CONTENT) },
        {
          offer: rooted,
          log,
          sources: {
            scheduler,
            read: (holder) => {
              log.push(`${holder} at ${scheduler.now()}`)
              resolve()
              return NEVER
            }
          }
        }
      ).subscribe()
    })
    await begun
    scheduler.maxFrames = 1_000
    scheduler.flush()
    expect(log).toEqual(['A at 0', 'B at 1000'])
  })

  test('what was kept is thrown away when the holder says that it has changed', async () => {
    const log: string[] = []
    let etag = 'first'
    const A: Holder = (request) => {
      const outcome$ = sending(LARGE, { breaksAfter: PIECE_BYTES + 6, etag })(request)
      etag = 'second'
      return outcome$
    }
    await run({ A }, { log, place: placeFor(LARGE, { log }) })
    expect(log.filter((entry) => !entry.startsWith('keep')).slice(0, 3)).toEqual(['A0', `A${PIECE_BYTES}`, 'rewind'])
  })

  test('a holder that lies is named, and only the wrong blocks come from the next one', async () => {
    const log: string[] = []
    const place = placeFor(LARGE, { content: LARGE, log })
    const steps = await run({ A: sending(altered(LARGE, 40_000)), B: sending(LARGE) }, { offer: rooted, log, place })
    expect(rejected(steps)).toEqual(['A'])
    expect(steps.at(-1)).toEqual(DONE)
    expect(log).toContain('B32768')
    expect(log.filter((entry) => entry.startsWith('A'))).toEqual(['A0'])
  })

  test('one that lied about a small file is named once, and not asked again', async () => {
    const log: string[] = []
    const place = placeFor(CONTENT, { content: CONTENT, log })
    const steps = await run({ A: sending(altered(CONTENT, 3)), B: failing }, { offer: rooted, log, place })
    expect(rejected(steps)).toEqual(['A'])
    expect(log.filter((entry) => entry.startsWith('A'))).toEqual(['A0'])
  })

  test('without a root, what is not what the holder says it to be is thrown away, and the next one serves', async () => {
    const log: string[] = []
    const rootOf = () => of({ type: 'root', root: ROOT, size: SIZE } as const)
    const steps = await run({ A: sending(altered(CONTENT, 3)), B: sending(CONTENT) }, { log, sources: { rootOf } })
    expect(rejected(steps)).toEqual(['A'])
    expect(steps.at(-1)).toEqual(DONE)
    expect(log).toEqual(['A0', 'keep 0', 'rewind', 'B0', 'keep 0', 'abandon'])
  })

  test.each([{}, rooted])('a holder that has another size is named %o', async (offer) => {
    const steps = await run({ A: sending(Buffer.from(`${String(CONTENT)}!`)), B: sending(CONTENT) }, { offer })
    expect(rejected(steps)).toEqual(['A'])
    expect(steps.at(-1)).toEqual(DONE)
  })

  test.each([{}, rooted])('a body that is not read does not keep the download waiting %o', async (offer) => {
    const open: Holder = (request) => concat(sending(Buffer.from(`${String(CONTENT)}!`))(request), NEVER)
    const steps = await run({ A: open, B: sending(CONTENT) }, { offer })
    expect(rejected(steps)).toEqual(['A'])
    expect(steps.at(-1)).toEqual(DONE)
  })

  test('what an earlier try left is told, and only the rest is read', async () => {
    const log: string[] = []
    const remains = { bytes: LARGE.length, changed: true }
    const place = placeFor(LARGE, { content: LARGE, log, remains, there: [0, 1, 3], hashes: 'wanted' })
    const steps = await run({ A: sending(LARGE) }, { offer: rooted, log, place })
    expect(steps).toContainEqual({ type: 'resumed', bytes: 2 * PIECE_BYTES + 5, changed: true })
    expect(steps.at(-1)).toEqual(DONE)
    expect(log).toEqual([`A${2 * PIECE_BYTES}`, 'keep 2', 'abandon'])
  })

  test.each([
    // pieces that are here, bytes told at the end: the last piece is short, and the second one never comes
    [[], PIECE_BYTES],
    [[3], PIECE_BYTES + 5],
    [[0, 3], PIECE_BYTES + 5],
    [[0, 2], 2 * PIECE_BYTES + 5]
  ])('with %o here it tells what it has verified and kept, not what is on its way', async (there, expected) => {
    const remains = { bytes: LARGE.length, changed: false }
    const place = placeFor(LARGE, { content: LARGE, there, ...(there.length === 0 ? {} : { remains }) })
    const stalling: Holder = ({ start }) => {
      async function* bytes() {
        await Promise.resolve()
        yield Uint8Array.from(LARGE.subarray(start, Math.max(start, PIECE_BYTES) + 6))
        await new Promise(() => undefined)
      }
      return of({ type: 'body', size: LARGE.length, start, etag: ROOT, bytes: bytes() })
    }
    const holders: Record<string, Holder> = there.includes(2) ? { A: stalling, B: stalling } : { A: stalling }
    const steps = await lastValueFrom(stepsOf(holders, { offer: rooted, place }).pipe(takeProgressed(3), toArray()))
    expect(steps.map(({ bytes }) => bytes)).toEqual([expected, expected, expected])
  })

  test.each([
    ['passes it on', { relays: ['B'] }, () => of('all' as const)],
    ['was found later', {}, () => of({ type: 'holder', url: 'B' } as const, 'all' as const)]
  ])('what an earlier try left is kept when only one that %s has the hashes', async (_, offer, more) => {
    const log: string[] = []
    const remains = { bytes: LARGE.length, changed: false }
    const place = placeFor(LARGE, { content: LARGE, log, remains, there: [0, 1, 3], hashes: 'wanted' })
    const hashes: Sources['hashes'] = (holder) =>
      of(holder === 'B' ? { type: 'hashes', bytes: HASHES } : { type: 'failed', reason: 'refused', detail: '' })
    const sources = { more, hashes }
    const holders = { A: failing, B: sending(LARGE) }
    const steps = await run(holders, { offer: { ...rooted, holders: ['A'], ...offer }, log, place, sources })
    expect(steps.at(-1)).toEqual(DONE)
    expect(log.filter((entry) => entry.startsWith('keep'))).toEqual(['keep 2'])
  })

  test('what an earlier try left is of use once the root is known, and is thrown away when nobody knows it', async () => {
    const remains = { bytes: LARGE.length, changed: false }
    const log: string[] = []
    const place = placeFor(LARGE, { content: LARGE, log, remains, there: [0] })
    const rootOf = () => of({ type: 'root', root: ROOT, size: LARGE.length } as const)
    const steps = await run({ A: sending(LARGE) }, { log, place, sources: { rootOf } })
    expect(steps).toContainEqual({ type: 'resumed', bytes: PIECE_BYTES, changed: false })
    expect(log.filter((entry) => !entry.startsWith('keep')).slice(0, 2)).toEqual(['abandon', `A${PIECE_BYTES}`])
    const none: string[] = []
    await run({ A: sending(LARGE) }, { log: none, place: placeFor(LARGE, { log: none, remains, there: [0] }) })
    expect(none.slice(0, 2)).toEqual(['rewind', 'A0'])
  })

  test('the root of what was left is waited for once, and not once for each holder', async () => {
    const scheduler = new VirtualTimeScheduler()
    const remains = { bytes: LARGE.length, changed: false }
    const asked: string[] = []
    const waits = new Promise<void>((resolve) => {
      const rootOf: Sources['rootOf'] = (holder, _, waitMs) => {
        asked.push(`${holder} ${waitMs}`)
        if (holder === 'B') resolve()
        return holder === 'C' ? of({ type: 'root', root: ROOT, size: 1 }) : NEVER
      }
      const place = placeFor(LARGE, { content: LARGE, there: [0], remains, log: asked })
      stepsOf({ A: gone, C: gone, B: gone }, { place, sources: { rootOf, scheduler } }).subscribe()
    })
    await waits
    expect(asked).toEqual(['A 60000', 'C 60000', 'B 60000'])
    scheduler.flush()
    expect([scheduler.now(), asked.at(-1)]).toEqual([60_000, 'rewind'])
  })

  test('one who knows the root of what was left is heard, whoever before it says nothing', async () => {
    const place = placeFor(LARGE, { content: LARGE, there: [0], remains: { bytes: LARGE.length, changed: false } })
    const rootOf: Sources['rootOf'] = (holder) =>
      holder === 'B' ? of({ type: 'root', root: ROOT, size: LARGE.length }) : NEVER
    const holders = { A: sending(LARGE), C: sending(LARGE), B: sending(LARGE) }
    const steps = await run(holders, { place, sources: { rootOf } })
    expect(steps).toContainEqual({ type: 'resumed', bytes: PIECE_BYTES, changed: false })
    expect(steps.at(-1)).toEqual(DONE)
  })

  test('who leaves while the place is being made leaves no place behind', async () => {
    const abandoned = new Promise<void>((resolve) => {
      const abandon = () => {
        resolve()
        return Promise.resolve()
      }
      download({
        ...nobody,
        offer: { name: 'x', size: SIZE, holders: ['A'] },
        options: { ifExists: 'refuse' },
        downloads: placing({ ...placeFor(CONTENT), abandon }),
        scheduler: asyncScheduler
      })
        .subscribe()
        .unsubscribe()
    })
    await abandoned
  })

  test.each([
    ['nobody can be reached', { A: failing, B: failing }, 'NETWORK'],
    ['nobody has it any more', { A: gone, B: gone }, 'NOT_FOUND'],
    ['everybody lies', { A: sending(altered(CONTENT, 3)) }, 'INTEGRITY'],
    ['nobody is named', {}, 'NETWORK']
  ])('when %s it fails with a code', async (_, holders: Record<string, Holder>, code) => {
    const steps = await run(holders, { offer: rooted, place: placeFor(CONTENT, { content: CONTENT }) })
    expect(steps.at(-1)).toMatchObject({ type: 'failed', code })
  })

  test.each([{}, rooted])('a full disk ends it at once: another holder would not help %o', async (offer) => {
    const keep = () => Promise.reject(Object.assign(new Error('no space'), { code: 'DISK' }))
    const steps = await run({ A: sending(LARGE), B: sending(LARGE) }, { offer, place: placeFor(LARGE, { keep }) })
    expect(steps.at(-1)).toEqual({ type: 'failed', code: 'DISK', detail: 'no space' })
  })

  test.each([{}, rooted])(
    'unsubscribing closes the connection and lets go of the file and the memory %o',
    async (offer) => {
      const log: string[] = []
      const place = placeFor(LARGE, { log })
      await new Promise<void>((resolve) => {
        const subscription = download({
          ...nobody,
          offer: { name: 'x', size: LARGE.length, holders: ['A'], ...offer },
          options: { ifExists: 'refuse' },
          read: (_, request) => {
            async function* bytes() {
              yield Uint8Array.from(LARGE.subarray(0, PIECE_BYTES + 7))
              queueMicrotask(() => {
                subscription.unsubscribe()
                resolve()
              })
              await new Promise(() => undefined)
            }
            const body = { type: 'body', size: LARGE.length, start: request.start, etag: '', bytes: bytes() } as const
            return concat(from([body]), NEVER).pipe(finalize(() => log.push('closed')))
          },
          downloads: placing(place),
          scheduler: asyncScheduler
        }).subscribe()
      })
      expect(log.filter((entry) => !entry.startsWith('keep')).sort()).toEqual(['abandon', 'closed'])
      await expect.poll(() => place.lent()).toBe(0)
    }
  )
})

describe('the list of transfers', () => {
  const build = () => {
    const located: string[] = []
    const transfer = createTransfer({
      locate: (name) => {
        located.push(name)
        return NEVER
      },
      ...nobody,
      own: () => Promise.resolve(undefined),
      downloads: placing(createPlace(SIZE)),
      scheduler: asyncScheduler,
      stop$: NEVER
    })
    return { transfer, located }
  }
  const fetch = ({ transfer }: ReturnType<typeof build>, name: string) =>
    transfer.fetch(name, { ifExists: 'refuse', wait: false }).subscribe()

  test('a few run at once, and the next one starts when one is given up', () => {
    const list = build()
    const subscriptions = Array.from({ length: MAX_TRANSFERS + 1 }, (_, index) => fetch(list, `${index}`))
    expect(list.located).toHaveLength(MAX_TRANSFERS)
    subscriptions[2]?.unsubscribe()
    expect(list.located.at(-1)).toBe(`${MAX_TRANSFERS}`)
  })

  test('who leaves at the very first event of a fetch stops it', async () => {
    const stopped: string[] = []
    const transfer = createTransfer({
      locate: () => from(Promise.resolve({ name: 'x', size: SIZE, holders: ['A'] })),
      ...nobody,
      own: () => Promise.resolve(undefined),
      read: () => NEVER.pipe(finalize(() => stopped.push('read'))),
      downloads: placing(createPlace(SIZE, { log: stopped })),
      scheduler: asyncScheduler,
      stop$: NEVER
    })
    const underWay: number[] = []
    transfer.underWay$.subscribe((count) => underWay.push(count))
    await new Promise<void>((resolve) => {
      transfer.event$.subscribe((event) => {
        if (event.type !== 'transfer-started') return
        subscription.unsubscribe()
        resolve()
      })
      const subscription = transfer.fetch('x', { ifExists: 'refuse', wait: false }).subscribe()
    })
    expect(underWay.at(-1)).toBe(0)
    // Nothing has been begun, so there is nothing to let go of.
    expect(stopped).toEqual([])
  })

  test('one name is fetched once at a time', () => {
    const list = build()
    const first = fetch(list, 'x')
    fetch(list, 'x')
    fetch(list, 'y')
    expect(list.located).toEqual(['x', 'y'])
    first.unsubscribe()
    expect(list.located).toEqual(['x', 'y', 'x'])
  })

  test('one that may wait tries again, after longer and longer pauses, and one that may not fails at once', () => {
    const scheduler = new VirtualTimeScheduler()
    const triedAt: number[] = []
    const transfer = createTransfer({
      locate: () => {
        triedAt.push(scheduler.now())
        return of({ type: 'failed', code: 'NOT_FOUND', detail: 'nobody has it' })
      },
      ...nobody,
      own: () => Promise.resolve(undefined),
      downloads: placing(createPlace(SIZE)),
      scheduler,
      stop$: NEVER
    })
    const told: unknown[] = []
    transfer.fetch('x', { ifExists: 'refuse', wait: false }).subscribe((result) => told.push(result))
    expect(told).toEqual([{ type: 'failed', code: 'NOT_FOUND', detail: 'nobody has it' }])
    const waiting = transfer.fetch('y', { ifExists: 'refuse', wait: true }).subscribe((result) => told.push(result))
    scheduler.schedule(() => waiting.unsubscribe(), 50_000)
    scheduler.flush()
    expect(triedAt).toEqual([0, 0, 1_000, 3_000, 7_000, 15_000, 30_000, 45_000])
    expect(told.at(-1)).toMatchObject({ progress: { state: 'waiting', code: 'NOT_FOUND' } })
  })

  test('a full list answers that it is full', async () => {
    const list = build()
    for (let index = 0; index < MAX_TRANSFERS + MAX_WAITING_TRANSFERS; index++) fetch(list, `${index}`)
    expect(await lastValueFrom(list.transfer.fetch('one more', { ifExists: 'refuse', wait: false }))).toMatchObject({
      code: 'BUSY'
    })
  })
})
