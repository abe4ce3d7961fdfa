import { defer, firstValueFrom, NEVER, type Observable, of } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { PIECE_BYTES } from '../../src/streams/pieces.js'
import type { HashesOutcome, ReadOutcome, ReadRequest } from '../../src/streams/ports.js'
import { repair } from '../../src/streams/repair.js'
import { bytesOf } from '../store/disk.js'
import { createPlace, HASHES, type PlaceOptions } from './place.js'

const BLOCK = 16_384
const SIZE = 2 * PIECE_BYTES
const content = bytesOf(SIZE)
const base = PIECE_BYTES

type Read = (request: ReadRequest) => Observable<ReadOutcome>
const body = (bytes: Uint8Array, { start, end = SIZE }: ReadRequest, size = SIZE): Observable<ReadOutcome> => {
  async function* chunks() {
    await Promise.resolve()
    yield bytes.subarray(start, start + 1_000)
    yield bytes.subarray(start + 1_000, end)
  }
  return of({ type: 'body', size, start, etag: '', bytes: chunks() })
}
const right: Read = (request) => body(content, request)
const alsoWrong: Read = (request) => body(bytesOf(SIZE, 9), request)
const short: Read = (request) => body(content, { ...request, end: request.start + 10 })
const long: Read = (request) => body(content, { ...request, end: (request.end ?? 0) + 1 })
const refusing: Read = () => of({ type: 'failed', reason: 'refused', detail: '' })
const anotherSize: Read = (request) => body(content, request, SIZE + 1)

/** Piece 1 with these blocks wrong, repaired by helpers who do as they are told. */
function build(wrong: readonly number[], helpers: Record<string, Read>, options: PlaceOptions = {}) {
  const place = createPlace(SIZE, { content, ...options })
  const memory = place.memoryNow()
  if (memory === undefined) throw new Error('there is memory')
  memory.bytes.set(content.subarray(base))
  for (const block of wrong) memory.bytes.fill(0, block * BLOCK, (block + 1) * BLOCK)
  const log: string[] = []
  const hashes = (holder: string) =>
    defer((): Observable<HashesOutcome> => {
      log.push(`hashes ${holder}`)
      if (holder.startsWith('gone')) return of({ type: 'gone' })
      return of({ type: 'hashes', bytes: holder.startsWith('liar') ? Uint8Array.of(9) : HASHES })
    })
  const read = (holder: string, request: ReadRequest) =>
    defer(() => {
      log.push(`${holder} ${(request.start - base) / BLOCK}-${((request.end ?? 0) - base) / BLOCK}`)
      return helpers[holder]?.(request) ?? NEVER
    })
  const repaired$ = repair({
    name: 'x',
    root: 'root',
    piece: 1,
    memory,
    helpers: Object.keys(helpers),
    place,
    read,
    hashes
  })
  return { place, log, repaired$ }
}

describe('a piece that came wrong', () => {
  test('is made right with its wrong blocks alone, neighbours in one request', async () => {
    const { place, log, repaired$ } = build([3, 4, 5, 40, 63], { A: right })
    expect(await firstValueFrom(repaired$)).toBe(true)
    expect(log).toEqual(['hashes A', 'A 3-6', 'A 40-41', 'A 63-64'])
    expect(content.subarray(base).equals(place.bytes.subarray(base))).toBe(true)
    expect(place.lent()).toBe(0)
  })

  test('is made right by the first helper, and nothing is made ready for the others', async () => {
    const called: string[] = []
    const place = createPlace(SIZE, { content })
    const memory = await place.memory()
    memory.bytes.set(content.subarray(base))
    memory.bytes.fill(0, 0, BLOCK)
    const repaired$ = repair({
      name: 'x',
      root: 'root',
      piece: 1,
      memory,
      helpers: ['A', 'B', 'C'],
      place,
      read: (holder, request) => (called.push(`read ${holder}`), right(request)),
      hashes: (holder) => (called.push(`hashes ${holder}`), of({ type: 'hashes', bytes: HASHES }))
    })
    expect(await firstValueFrom(repaired$)).toBe(true)
    expect(called).toEqual(['hashes A', 'read A'])
  })

  test.each<[string, Read]>([
    ['gone', right],
    ['liar', right],
    ['refusing', refusing],
    ['short', short],
    ['long', long],
    ['another size', anotherSize],
    ['wrong too', alsoWrong]
  ])('is made right by the next one when the first is %s', async (first, read) => {
    const { place, log, repaired$ } = build([7], { [first]: read, B: right, C: right })
    expect(await firstValueFrom(repaired$)).toBe(true)
    expect(log.slice(-2)).toEqual(['hashes B', 'B 7-8'])
    expect(place.lent()).toBe(0)
  })

  test.each<[string, Record<string, Read>]>([
    ['nobody helps', {}],
    ['none of them can', { A: refusing, B: alsoWrong }]
  ])('is lost when %s, and its memory comes back', async (_, helpers) => {
    const { place, repaired$ } = build([7], helpers)
    expect(await firstValueFrom(repaired$)).toBe(false)
    expect(place.lent()).toBe(0)
  })

  test('a disk that fails ends it', async () => {
    const keep = () => Promise.reject(Object.assign(new Error('no space'), { code: 'DISK' }))
    const { place, repaired$ } = build([7], { A: right, B: right }, { keep })
    await expect(firstValueFrom(repaired$)).rejects.toMatchObject({ code: 'DISK' })
    expect(place.lent()).toBe(0)
  })

  test('gives its memory back when it is given up, at any moment', async () => {
    for (let moment = 0; moment < 20; moment++) {
      const { place, repaired$ } = build([7, 9], { A: alsoWrong, B: right })
      const subscription = repaired$.subscribe()
      for (let turn = 0; turn < moment; turn++) await Promise.resolve()
      subscription.unsubscribe()
      await expect.poll(() => place.lent()).toBe(0)
    }
    const silent = build([7], { A: () => NEVER })
    silent.repaired$.subscribe().unsubscribe()
    expect(silent.place.lent()).toBe(0)
  })
})
