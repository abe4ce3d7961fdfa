import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { Writable } from 'node:stream'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { Source } from '../../../src/streams/ports.js'
import { DEFAULT_LIMITS, LEAST_CONTENT_BYTES } from '../../../src/transport/http/limits.js'
import { createLender, sendBytes } from '../../../src/transport/http/send-bytes.js'

const SLICE_BYTES = LEAST_CONTENT_BYTES
const SLICES = 20

/** Sends to a reader that takes each slice after this time; gives how many it took. */
async function taken(eachMs: number): Promise<number> {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  let slices = 0
  const reader = new Writable({
    write(_, __, done) {
      setTimeout(() => {
        slices += 1
        done()
      }, eachMs)
    }
  })
  const response = Object.assign(reader, { setTimeout: () => reader, flushHeaders: () => undefined })
  const source: Source = {
    size: SLICES * SLICE_BYTES,
    etag: 'tag',
    read: () => {
      throw new Error('it is read into memory')
    },
    readAt: (memory) => Promise.resolve(memory.length),
    close: () => Promise.resolve()
  }
  const throttle = { sliceBytes: () => SLICE_BYTES, take: () => undefined }
  const lender = createLender()
  const what = { start: 0, end: source.size, lend: () => lender.lend('1.2.3.4'), throttle, limits: DEFAULT_LIMITS }
  const closed = once(reader, 'close')
  const sent = sendBytes(response as unknown as ServerResponse, source, what).catch(() => undefined)
  await vi.advanceTimersByTimeAsync(SLICES * eachMs + DEFAULT_LIMITS.slowReaderTimeoutMs)
  await Promise.all([sent, closed])
  return slices
}

test('a reader may be as slow as we allow a holder to be', async () => {
  expect(await taken(DEFAULT_LIMITS.slowReaderTimeoutMs * 0.9)).toBe(SLICES)
})

test('one that takes a little now and then, and less than that, loses its place', async () => {
  expect(await taken(DEFAULT_LIMITS.slowReaderTimeoutMs * 1.2)).toBeLessThan(SLICES / 2)
})
