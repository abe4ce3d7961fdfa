import { concat, NEVER, type Observable, of, Subscription, throwError } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { type LaneInit, type LaneStep, lane } from '../../src/streams/lane.js'
import { PIECE_BYTES } from '../../src/streams/pieces.js'
import type { ReadOutcome, ReadRequest } from '../../src/streams/ports.js'
import { bytesOf } from '../store/disk.js'
import { createPlace, type MemoryPlace } from './place.js'

const SIZE = 4 * PIECE_BYTES + 9
const content = bytesOf(SIZE)

interface Given extends Partial<LaneInit> {
  readonly place?: MemoryPlace
}

function init({ place = createPlace(SIZE), ...given }: Given = {}): LaneInit & { readonly place: MemoryPlace } {
  return {
    name: 'x',
    holder: 'A',
    range: { start: 1, end: 4 },
    place,
    read: (_, request) => body(request),
    end: () => 4,
    nowMs: () => 0,
    ...given
  }
}

/** What is asked for in chunks, up to so many bytes; the connection stays open behind it. */
function body(
  { start, end = SIZE }: ReadRequest,
  { size = SIZE, upTo = end, chunkBytes = 300_000, from = start } = {}
) {
  async function* bytes() {
    for (let at = start; at < upTo; at += chunkBytes) {
      await Promise.resolve()
      yield Uint8Array.from(content.subarray(at, Math.min(upTo, at + chunkBytes)))
    }
  }
  const outcome: ReadOutcome = { type: 'body', size, start: from, etag: 'tag', bytes: bytes() }
  return concat(of(outcome), NEVER)
}

/** What a lane tells until it ends, with every piece taken and given back. */
async function told(of_: LaneInit): Promise<LaneStep[]> {
  const steps: LaneStep[] = []
  await new Promise<void>((resolve, reject) => {
    lane(of_).subscribe({
      next(step) {
        if (step.type === 'received') {
          const memory = step.take()
          const right = content.subarray(step.piece * PIECE_BYTES, (step.piece + 1) * PIECE_BYTES)
          expect(right.equals(memory?.bytes.subarray(0, right.length) ?? new Uint8Array())).toBe(true)
          memory?.release()
        }
        steps.push(step)
      },
      error: reject,
      complete: resolve
    })
  })
  return steps
}

const piecesIn = (steps: readonly LaneStep[]) => steps.flatMap((step) => (step.type === 'received' ? [step.piece] : []))

describe('a lane', () => {
  test('brings the pieces of its request, tells how many bytes came, and ends', async () => {
    const lane_ = init()
    const steps = await told(lane_)
    expect(piecesIn(steps)).toEqual([1, 2, 3])
    expect(steps.at(-1)).toEqual({ type: 'requested' })
    expect(steps.reduce((sum, step) => sum + (step.type === 'advanced' ? step.bytes : 0), 0)).toBe(3 * PIECE_BYTES)
    expect(lane_.place.lent()).toBe(0)
  })

  test('asks for its range by root or by etag, never for more than there is', async () => {
    const requests: ReadRequest[] = []
    const read = (_: string, request: ReadRequest) => {
      requests.push(request)
      return body(request)
    }
    const etags: string[] = []
    await told(init({ read, root: 'root', range: { start: 4, end: 5 }, end: () => 5 }))
    await told(init({ read, etag: 'old', onEtag: (etag) => etags.push(etag) }))
    expect(requests).toMatchObject([
      { root: 'root', start: 4 * PIECE_BYTES, end: SIZE },
      { etag: 'old', start: PIECE_BYTES, end: 4 * PIECE_BYTES }
    ])
    expect(etags).toEqual(['tag'])
  })

  test.each([
    [3, [1, 2]],
    [2, [1]],
    [1, []]
  ])('stops at a share that ends before %i by now', async (end, pieces) => {
    const lane_ = init({ end: () => end })
    const steps = await told(lane_)
    expect(piecesIn(steps)).toEqual(pieces)
    expect(steps.at(-1)).toEqual({ type: 'requested' })
    expect(lane_.place.lent()).toBe(0)
  })

  test('a share that shrinks while it runs ends it there', async () => {
    let end = 4
    const lane_ = init({ end: () => end })
    const pieces: number[] = []
    await new Promise<void>((complete) => {
      lane(lane_).subscribe({
        next(step) {
          if (step.type !== 'received') return
          pieces.push(step.piece)
          end = 2
        },
        complete
      })
    })
    expect([pieces, lane_.place.lent()]).toEqual([[1], 0])
  })

  const refused: ReadOutcome = { type: 'failed', reason: 'refused', detail: 'connection refused' }
  test.each<[string, (request: ReadRequest) => Observable<ReadOutcome>, object]>([
    ['another size', (request) => body(request, { size: SIZE + 1 }), { why: 'lied' }],
    ['another start', (request) => body(request, { from: 0 }), { why: 'lied' }],
    ['a short answer', (request) => body(request, { upTo: 2.5 * PIECE_BYTES }), { why: 'failed', code: 'NETWORK' }],
    ['an empty answer', (request) => body(request, { upTo: 0 }), { why: 'failed', code: 'NETWORK' }],
    ['changed', () => of({ type: 'changed' }), { why: 'changed', code: 'UNFINISHED' }],
    ['gone', () => of({ type: 'gone' }), { why: 'gone', code: 'NOT_FOUND' }],
    ['refused', () => of(refused), { why: 'failed', code: 'NETWORK', detail: 'connection refused' }],
    ['an error', () => throwError(() => new Error('oh')), { why: 'failed', code: 'UNFINISHED' }]
  ])('ends with what went wrong: %s', async (_, answer, broke) => {
    const lane_ = init({ read: (__, request) => answer(request) })
    expect((await told(lane_)).at(-1)).toMatchObject({ type: 'broke', ...broke })
    expect(lane_.place.lent()).toBe(0)
  })

  test('tells the place in a queue, and goes on when its turn has come', async () => {
    const queued: ReadOutcome = { type: 'queued', position: 2 }
    const steps = await told(init({ read: (_, request) => concat(of(queued), body(request)) }))
    expect(steps[0]).toEqual(queued)
    expect(piecesIn(steps)).toEqual([1, 2, 3])
  })

  test('gives its memory back whenever it is given up, also while it waits for some', async () => {
    for (let moment = 0; moment < 40; moment++) {
      const lane_ = init({ place: createPlace(SIZE, { slots: 2 }) })
      const others = moment % 2 === 0 ? [] : [lane_.place.memoryNow(), lane_.place.memoryNow()]
      let closed = false
      const read = (_: string, request: ReadRequest) => body(request, { chunkBytes: 200_000 })
      const subscription = new Subscription(() => (closed = true))
      subscription.add(lane({ ...lane_, read }).subscribe((step) => step.type === 'received' && step.take()?.release()))
      for (let turn = 0; turn < moment; turn++) await Promise.resolve()
      subscription.unsubscribe()
      for (const other of others) other?.release()
      await expect.poll(() => lane_.place.lent()).toBe(0)
      expect(closed).toBe(true)
    }
  })
})
