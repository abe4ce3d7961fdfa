import { asyncScheduler, concat, finalize, from, lastValueFrom, NEVER, type Observable, of, toArray } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { type DownloadStep, download } from '../../src/streams/download.js'
import type { Download, Downloads, Offer, ReadOutcome, ReadRequest } from '../../src/streams/ports.js'
import { createTransfer, MAX_TRANSFERS, MAX_WAITING_TRANSFERS } from '../../src/streams/transfer.js'

const CONTENT = 'the whole content'
const SIZE = CONTENT.length

/** A place in memory whose root is simply the text. */
function createPlace(log: string[] = []): Downloads {
  return {
    begin: () => {
      let text = ''
      const place: Download = {
        get length() {
          return text.length
        },
        append: (chunk) => {
          text += Buffer.from(chunk).toString()
          return Promise.resolve()
        },
        rewind: () => {
          log.push('rewind')
          text = ''
          return Promise.resolve()
        },
        finish: ({ size, root = text }) =>
          text.length === size && text === root
            ? Promise.resolve({ path: '/x', root: text })
            : Promise.reject(Object.assign(new Error('not what was offered'), { code: 'INTEGRITY' })),
        abandon: () => {
          if (log.at(-1) !== 'abandon') log.push('abandon')
          return Promise.resolve()
        }
      }
      return Promise.resolve(place)
    }
  }
}

type Holder = (request: ReadRequest) => Observable<ReadOutcome>

/** Sends `text` from where it is asked, and breaks off after so many bytes. */
const sending =
  (text: string, { breaksAfter = Number.MAX_SAFE_INTEGER, etag = 'tag' } = {}): Holder =>
  ({ start, etag: wanted }) => {
    if (wanted !== undefined && wanted !== etag) return of({ type: 'changed' })
    async function* bytes() {
      await Promise.resolve()
      yield Buffer.from(text.slice(start, start + breaksAfter))
      if (start + breaksAfter < text.length) throw new Error('the connection broke')
    }
    return of({ type: 'body', size: text.length, start, etag, bytes: bytes() })
  }
const failing: Holder = () => of({ type: 'failed', reason: 'refused', detail: 'connection refused' })
const gone: Holder = () => of({ type: 'gone' })

function run(holders: Record<string, Holder>, given: Partial<Offer> = {}, log: string[] = []): Promise<DownloadStep[]> {
  return lastValueFrom(
    download({
      offer: { name: 'x', size: SIZE, holders: Object.keys(holders), ...given },
      overwrite: false,
      read: (holder, request) => {
        log.push(`${holder}${request.start}`)
        return holders[holder]?.(request) ?? NEVER
      },
      downloads: createPlace(log),
      scheduler: asyncScheduler
    }).pipe(toArray())
  )
}

const DONE = { type: 'done', path: '/x', root: CONTENT }

describe('a download', () => {
  test('takes the file from the one who has it', async () => {
    const steps = await run({ A: sending(CONTENT) })
    expect(steps[0]).toEqual({ type: 'started', size: SIZE })
    expect(steps.at(-1)).toEqual(DONE)
  })

  test('goes on with the next holder where one broke off, when the root says that it is one content', async () => {
    const log: string[] = []
    const steps = await run({ A: sending(CONTENT, { breaksAfter: 5 }), B: sending(CONTENT) }, { root: CONTENT }, log)
    expect(steps.at(-1)).toEqual(DONE)
    expect(log).toEqual(['A0', 'B5', 'abandon'])
  })

  test('starts over with the next holder when nothing says that it is one content', async () => {
    const log: string[] = []
    const steps = await run({ A: sending('other bytes than B', { breaksAfter: 5 }), B: sending(CONTENT) }, {}, log)
    expect(steps.at(-1)).toMatchObject({ type: 'done' })
    expect(log.filter((entry) => entry !== 'rewind')).toEqual(['A0', 'B0', 'abandon'])
  })

  test('goes on with the only holder after a break, as long as each try brings bytes', async () => {
    const log: string[] = []
    const steps = await run({ A: sending(CONTENT, { breaksAfter: 6 }) }, {}, log)
    expect(steps.at(-1)).toEqual(DONE)
    expect(log).toEqual(['A0', 'A6', 'A12', 'abandon'])
  })

  test('a holder that lies is named and not asked again, and the next one serves', async () => {
    const log: string[] = []
    const liar = sending(CONTENT.replace('whole', 'wrong'))
    const steps = await run({ A: liar, B: sending(CONTENT) }, { root: CONTENT }, log)
    expect(steps).toContainEqual({ type: 'rejected', holder: 'A' })
    expect(steps.at(-1)).toEqual(DONE)
    expect(log).toEqual(['A0', 'rewind', 'B0', 'abandon'])
  })

  test('when joined bytes are wrong, nobody is blamed unheard: each has to show a whole file of its own', async () => {
    const liar = sending(CONTENT.replace('the', 'THE'), { breaksAfter: 5 })
    const steps = await run({ A: liar, B: sending(CONTENT) }, { root: CONTENT })
    expect(steps.filter(({ type }) => type === 'rejected')).toEqual([])
    expect(steps.at(-1)).toEqual(DONE)
  })

  test('a holder that has another size is named', async () => {
    const steps = await run({ A: sending(`${CONTENT}!`), B: sending(CONTENT) })
    expect(steps).toContainEqual({ type: 'rejected', holder: 'A' })
    expect(steps.at(-1)).toEqual(DONE)
  })

  test('a body that is not read, because it has not the size that was offered, does not keep the download waiting', async () => {
    const open: Holder = (request) => concat(sending(`${CONTENT}!`)(request), NEVER)
    const steps = await run({ A: open, B: sending(CONTENT) })
    expect(steps).toContainEqual({ type: 'rejected', holder: 'A' })
    expect(steps.at(-1)).toEqual(DONE)
  })

  test('who leaves while the place is being made leaves no place behind', async () => {
    const log: string[] = []
    const downloads = createPlace(log)
    let made: () => void
    const abandoned = new Promise<void>((resolve) => (made = resolve))
    download({
      offer: { name: 'x', size: SIZE, holders: ['A'] },
      overwrite: false,
      read: () => NEVER,
      downloads: {
        begin: async (...args) => {
          const place = await downloads.begin(...args)
          return Object.assign(Object.create(place) as Download, {
            abandon: () => {
              made()
              return Promise.resolve()
            }
          })
        }
      },
      scheduler: asyncScheduler
    })
      .subscribe()
      .unsubscribe()
    await abandoned
  })

  test.each([
    ['nobody can be reached', { A: failing, B: failing }, 'NETWORK'],
    ['nobody has it any more', { A: failing, B: gone }, 'NOT_FOUND'],
    ['everybody lies', { A: sending('the wrong content') }, 'INTEGRITY'],
    ['nobody is named', {}, 'NETWORK']
  ])('when %s it fails with a code', async (_, holders: Record<string, Holder>, code) => {
    const steps = await run(holders, { root: CONTENT })
    expect(steps.at(-1)).toMatchObject({ type: 'failed', code })
  })

  test('a full disk ends it at once: another holder would not help', async () => {
    const log: string[] = []
    const full = createPlace(log)
    const step$ = download({
      offer: { name: 'x', size: SIZE, holders: ['A', 'B'] },
      overwrite: false,
      read: (_, request) => sending(CONTENT)(request),
      downloads: {
        begin: async (...args) => {
          const place = await full.begin(...args)
          const append = () => Promise.reject(Object.assign(new Error('no space'), { code: 'DISK' }))
          return Object.assign(Object.create(place) as Download, { append })
        }
      },
      scheduler: asyncScheduler
    })
    expect(await lastValueFrom(step$)).toEqual({ type: 'failed', code: 'DISK', detail: 'no space' })
  })

  test('unsubscribing closes the connection and lets go of the file', async () => {
    const log: string[] = []
    await new Promise<void>((resolve) => {
      const subscription = download({
        offer: { name: 'x', size: SIZE, holders: ['A'] },
        overwrite: false,
        read: () =>
          from(
            new Promise<never>(() => {
              queueMicrotask(() => {
                subscription.unsubscribe()
                resolve()
              })
            })
          ),
        downloads: createPlace(log),
        scheduler: asyncScheduler
      }).subscribe()
    })
    expect(log).toEqual(['abandon'])
  })
})

describe('the list of transfers', () => {
  const build = () => {
    const located: string[] = []
    const transfer = createTransfer({
      locate: (name) => {
        located.push(name)
        return NEVER
      },
      read: () => NEVER,
      downloads: createPlace(),
      scheduler: asyncScheduler,
      stop$: NEVER
    })
    return { transfer, located }
  }
  const fetch = ({ transfer }: ReturnType<typeof build>, name: string) =>
    transfer.fetch(name, { overwrite: false }).subscribe()

  test('a few run at once, and the next one starts when one is given up', () => {
    const list = build()
    const subscriptions = Array.from({ length: MAX_TRANSFERS + 1 }, (_, index) => fetch(list, `${index}`))
    expect(list.located).toEqual(['0', '1', '2', '3'])
    subscriptions[2]?.unsubscribe()
    expect(list.located).toEqual(['0', '1', '2', '3', '4'])
  })

  test('who leaves at the very first event of a fetch stops it', async () => {
    const stopped: string[] = []
    const transfer = createTransfer({
      locate: () => of({ name: 'x', size: SIZE, holders: ['A'] }),
      read: () => NEVER.pipe(finalize(() => stopped.push('read'))),
      downloads: createPlace(stopped),
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
      const subscription = transfer.fetch('x', { overwrite: false }).subscribe()
    })
    expect(underWay.at(-1)).toBe(0)
    expect(stopped).toContain('abandon')
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

  test('a full list answers that it is full', async () => {
    const list = build()
    for (let index = 0; index < MAX_TRANSFERS + MAX_WAITING_TRANSFERS; index++) fetch(list, `${index}`)
    expect(await lastValueFrom(list.transfer.fetch('one more', { overwrite: false }))).toMatchObject({ code: 'BUSY' })
  })
})
