import { concat, finalize, lastValueFrom, NEVER, type Observable, of, toArray } from 'rxjs'
import { expect, test } from 'vitest'
import { createPassOn } from '../../src/streams/pass-on.js'
import type { HashesOutcome, HashRequest, Offer, ReadOutcome, ReadRequest } from '../../src/streams/ports.js'
import { collect } from '../store/disk.js'

const CONTENT = Buffer.from('what others have')
const ROOT = 'root'
const offer: Offer = { name: 'x', size: CONTENT.length, root: ROOT, holders: ['A', 'B', 'C'] }
const request: HashRequest = { root: ROOT, layer: 0, index: 0, length: 1, proofLayers: 0 }

type Holder = (request: ReadRequest) => Observable<ReadOutcome>
const sending =
  (breaksAfter = Number.MAX_SAFE_INTEGER): Holder =>
  ({ start, end = CONTENT.length }) => {
    async function* bytes() {
      await Promise.resolve()
      for (let at = start; at < end; at += 3) {
        if (at - start > breaksAfter) throw new Error('the connection broke')
        yield CONTENT.subarray(at, Math.min(at + 3, end))
      }
    }
    return concat(of({ type: 'body', size: CONTENT.length, start, etag: ROOT, bytes: bytes() } as const), NEVER)
  }
const refused: Holder = () => of({ type: 'failed', reason: 'refused', detail: '' })
const queued: Holder = (asked) => concat(of({ type: 'queued', position: 1 } as const), sending()(asked))

function build(holders: Record<string, Holder>, answers: Record<string, HashesOutcome> = {}) {
  const log: string[] = []
  const passOn = createPassOn({
    ownUrl: () => 'http://us:1',
    read: (holder, asked) => {
      expect(asked.passed).toBe(true)
      log.push(`${holder} ${asked.start}-${asked.end}`)
      return (holders[holder] ?? refused)(asked).pipe(finalize(() => log.push(`closed ${holder}`)))
    },
    hashes: (holder, asked) => {
      expect(asked.passed).toBe(true)
      log.push(`hashes ${holder}`)
      return of(answers[holder] ?? { type: 'gone' })
    }
  })
  return { passOn, log }
}

test('what was passed on is read from the first of its holders that gives it, and the connection is closed', async () => {
  const { passOn, log } = build({ B: queued, C: sending() })
  expect(passOn.open(ROOT)).toBeUndefined()
  passOn.note(offer)
  const source = passOn.open(ROOT)
  expect(source).toMatchObject({ size: CONTENT.length, root: ROOT, etag: ROOT })
  expect(String(await collect(source?.read() ?? sourceless()))).toBe(String(CONTENT))
  expect(log).toEqual(['A 0-16', 'closed A', 'B 0-16', 'closed B'])
  expect(String(await collect(source?.read(5, 9) ?? sourceless()))).toBe(String(CONTENT.subarray(5, 9)))
  await source?.close()
})

async function* sourceless(): AsyncGenerator<Uint8Array> {
  await Promise.resolve()
  yield Buffer.from('there is no source')
}

test('one that breaks off breaks us off: our reader asks again', async () => {
  const { passOn, log } = build({ A: sending(4), B: sending() })
  passOn.note(offer)
  await expect(collect(passOn.open(ROOT)?.read() ?? sourceless())).rejects.toThrow('the connection broke')
  expect(log).toEqual(['A 0-16', 'closed A'])
})

test('when none gives it, that is an error', async () => {
  const { passOn } = build({})
  passOn.note(offer)
  await expect(collect(passOn.open(ROOT)?.read() ?? sourceless())).rejects.toThrow('none of its holders')
})

test('a reader that leaves closes the connection', async () => {
  const { passOn, log } = build({ A: sending() })
  passOn.note(offer)
  for await (const chunk of passOn.open(ROOT)?.read() ?? sourceless()) {
    expect(String(chunk)).toBe('wha')
    break
  }
  expect(log).toEqual(['A 0-16', 'closed A'])
})

test('hashes come from the first that has them, or not at all', async () => {
  const right = Uint8Array.of(1, 2, 3)
  const failed: HashesOutcome = { type: 'failed', reason: 'reset', detail: '' }
  const { passOn } = build({}, { A: failed, C: { type: 'hashes', bytes: right } })
  expect(await lastValueFrom(passOn.hashes(request).pipe(toArray()))).toEqual([])
  passOn.note(offer)
  expect(await lastValueFrom(passOn.hashes(request).pipe(toArray()))).toEqual([right])
  const none = build({}).passOn
  none.note(offer)
  expect(await lastValueFrom(none.hashes(request).pipe(toArray()))).toEqual([])
})

test('we are not called ourselves, whoever says that we have it', async () => {
  const { passOn, log } = build({ B: sending() })
  passOn.note({ ...offer, holders: ['http://us:1/', 'B'] })
  expect(String(await collect(passOn.open(ROOT)?.read() ?? sourceless()))).toBe(String(CONTENT))
  await lastValueFrom(passOn.hashes(request), { defaultValue: undefined })
  expect(log).toEqual(['B 0-16', 'closed B', 'hashes B'])
  passOn.note({ ...offer, holders: ['http://us:1/simple'] })
  expect(passOn.open(ROOT)).toBeUndefined()
})

test('the offers passed on that are remembered are bounded, the last ones stay', () => {
  const { passOn } = build({})
  passOn.note({ name: 'no root', size: 1, holders: ['A'] })
  for (let number = 0; number < 600; number++) {
    passOn.note({ ...offer, root: `${number}` })
    passOn.note({ ...offer, root: 'again and again' })
  }
  const remembered = Array.from({ length: 600 }, (_, number) => passOn.open(`${number}`)).filter(Boolean)
  expect(remembered).toHaveLength(511)
  expect(passOn.open('599')).toBeDefined()
  expect(passOn.open('again and again')).toBeDefined()
})
