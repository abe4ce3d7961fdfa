import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createFiller } from '../../src/streams/filler.js'
import { PIECE_BYTES } from '../../src/streams/pieces.js'
import { bytesOf } from '../store/disk.js'
import { createPlace } from './place.js'

const SIZE = 2 * PIECE_BYTES + 70_000
const content = bytesOf(SIZE)

/** How a transport hands the bytes over: its own memory, or what it was lent, cut anywhere. */
const cuts = fc.array(fc.record({ lent: fc.boolean(), bytes: fc.integer({ min: 1, max: 400_000 }) }), { minLength: 1 })

/** Reads as a transport does that fills the memory it is lent, one chunk after the other. */
function* transport(
  memory: (filled: number) => Uint8Array,
  start: number,
  how: readonly { lent: boolean; bytes: number }[]
) {
  let filled = 0
  let first = true
  for (let at = start, turn = 0; at < SIZE; turn++) {
    const { bytes } = how[turn % how.length] ?? { bytes: 1 }
    const room = memory(first ? 0 : filled)
    first = false
    expect(room.length).toBeGreaterThan(0)
    filled = Math.min(bytes, room.length, SIZE - at)
    const chunk = room.subarray(0, filled)
    chunk.set(content.subarray(at, at + filled))
    at += filled
    yield chunk
  }
}

function* ownMemory(start: number, how: readonly { bytes: number }[]) {
  for (let at = start, turn = 0; at < SIZE; turn++) {
    const end = Math.min(SIZE, at + (how[turn % how.length]?.bytes ?? 1))
    yield Uint8Array.from(content.subarray(at, end))
    at = end
  }
}

test('bytes land in their places however they are cut, whoever owns the memory, and all of it comes back', async () => {
  await fc.assert(
    fc.asyncProperty(
      cuts,
      fc.integer({ min: 0, max: 2 }),
      fc.integer({ min: 1, max: 3 }),
      fc.constantFrom('lent', 'own'),
      fc.integer({ min: 0, max: 3 }),
      async (how, from, slots, memory, stopAfter) => {
        const place = createPlace(SIZE, { slots })
        const start = from * PIECE_BYTES
        const filler = createFiller(place, start)
        const pieces: number[] = []
        reading: for (const chunk of memory === 'lent' ? transport(filler.memory, start, how) : ownMemory(start, how)) {
          for await (const piece of filler.accept(chunk)) {
            if (pieces.length === stopAfter) break reading
            const slot = filler.take(piece)
            const whole = content.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES)
            expect(whole.equals(slot?.bytes.subarray(0, whole.length) ?? new Uint8Array())).toBe(true)
            expect(filler.take(piece)).toBeUndefined()
            slot?.release()
            pieces.push(piece)
          }
        }
        expect(pieces).toEqual([0, 1, 2].slice(from).slice(0, stopAfter))
        filler.release()
        filler.release()
        expect(place.lent()).toBe(0)
      }
    ),
    { numRuns: 60 }
  )
})

test('what is lent is the memory of the piece itself, so that nothing is copied', async () => {
  const place = createPlace(SIZE)
  const filler = createFiller(place, 0)
  const lent = filler.memory(0)
  expect(lent).toHaveLength(PIECE_BYTES)
  lent.set(content.subarray(0, PIECE_BYTES))
  for await (const piece of filler.accept(lent.subarray(0, 1_000))) expect(piece).toBe(-1)
  const rest = filler.memory(1_000)
  expect([rest.buffer === lent.buffer, rest.byteOffset]).toEqual([true, 1_000])
  for await (const piece of filler.accept(rest)) expect(filler.take(piece)?.bytes.buffer).toBe(lent.buffer)
  filler.release()
})

test('where there is no memory at once a little of another kind is lent, and copied when there is', async () => {
  const place = createPlace(SIZE, { slots: 1 })
  const taken = place.memoryNow()
  const filler = createFiller(place, 2 * PIECE_BYTES)
  const spill = filler.memory(0)
  expect(spill).toHaveLength(65_536)
  spill.set(content.subarray(2 * PIECE_BYTES, 2 * PIECE_BYTES + spill.length))
  const accepting = (async () => {
    for await (const piece of filler.accept(spill)) throw new Error(`${piece} is not whole`)
  })()
  expect(place.waiting()).toBe(1)
  // Another one meanwhile, since nobody has taken the first out of its memory yet.
  const second = filler.memory(spill.length)
  expect(second.buffer).not.toBe(spill.buffer)
  second.set(content.subarray(2 * PIECE_BYTES + spill.length))
  taken?.release()
  await accepting
  for await (const piece of filler.accept(second)) {
    const slot = filler.take(piece)
    expect(content.subarray(2 * PIECE_BYTES).equals(slot?.bytes.subarray(0, 70_000) ?? new Uint8Array())).toBe(true)
    slot?.release()
  }
  filler.release()
  expect(place.lent()).toBe(0)
})

test('who is sent home while waiting for memory gives it back when it comes, and takes none afterwards', async () => {
  const place = createPlace(SIZE, { slots: 1 })
  const taken = place.memoryNow()
  const filler = createFiller(place, 0)
  const accepted: number[] = []
  const accepting = (async () => {
    for await (const piece of filler.accept(content)) accepted.push(piece)
  })()
  filler.release()
  taken?.release()
  await accepting
  for await (const piece of filler.accept(content)) accepted.push(piece)
  filler.memory(0)
  expect([accepted, place.lent(), place.waiting()]).toEqual([[], 0, 0])
})
