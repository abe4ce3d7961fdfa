import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Bucket, RateLimits } from '../../../src/transport/http/rates.js'

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => vi.useRealTimers())

/** Takes as much as it can for as long as it is told. */
function greedy(bucket: { sliceBytes: () => number; take: (bytes: number) => Promise<void> | undefined }) {
  const taken = { bytes: 0, stop: false }
  void (async () => {
    while (!taken.stop) {
      const slice = Math.min(512 * 1_024, bucket.sliceBytes())
      await bucket.take(slice)
      taken.bytes += slice
    }
  })()
  return taken
}

const passed = (ms: number) => vi.advanceTimersByTimeAsync(ms)

describe('a rate', () => {
  test('that is none costs nothing', () => {
    expect(new Bucket().take(1e12)).toBeUndefined()
  })

  test.each([32_768, 1_000_000, 20_000_000, 200_000_000])('of %i B/s is kept to within 5 %%', async (rate) => {
    const taken = greedy(new Bucket(rate))
    await passed(10_000)
    taken.stop = true
    expect(taken.bytes / (rate * 10)).toBeGreaterThan(0.95)
    expect(taken.bytes / (rate * 10)).toBeLessThanOrEqual(1)
  })

  test('is shared fairly by all who take', async () => {
    const bucket = new Bucket(1_000_000)
    const all = Array.from({ length: 5 }, () => greedy(bucket))
    await passed(10_000)
    for (const taken of all) {
      taken.stop = true
      expect(taken.bytes / 2_000_000).toBeGreaterThan(0.9)
    }
    expect(all.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(10_000_000)
  })

  test('is never below what time-outs allow', async () => {
    const taken = greedy(new Bucket(1))
    await passed(10_000)
    taken.stop = true
    expect(taken.bytes).toBeGreaterThan(300_000)
  })

  test('may change while somebody waits, and is lifted at once', async () => {
    const bucket = new Bucket(40_000)
    const taken = greedy(bucket)
    await passed(1_000)
    bucket.setRate(10_000_000)
    const before = taken.bytes
    await passed(1_000)
    expect(taken.bytes - before).toBeGreaterThan(9_500_000)
    bucket.setRate(40_000)
    // One slice of the old rate may still be on its way, and is no long silence.
    await passed(3_000)
    const between = taken.bytes
    await passed(1_000)
    expect(taken.bytes - between).toBeGreaterThan(38_000)
    expect(taken.bytes - between).toBeLessThanOrEqual(41_000)
    taken.stop = true
    bucket.setRate(undefined)
    await passed(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('counts what has come already, however much it was', async () => {
    const bucket = new Bucket(100_000)
    await passed(1_000)
    void bucket.take(100_000)
    await passed(30)
    let turned = false
    void bucket.take(1_000)?.then(() => (turned = true))
    await passed(900)
    expect(turned).toBe(false)
    await passed(200)
    expect(turned).toBe(true)
  })

  test('saves nothing up while nobody takes', async () => {
    const bucket = new Bucket(1_000_000)
    await passed(60_000)
    const taken = greedy(bucket)
    await passed(1_000)
    taken.stop = true
    expect(taken.bytes).toBeLessThanOrEqual(1_000_000)
  })
})

test('each peer has its own rate, and all together have theirs', async () => {
  const { upload } = new RateLimits({ uploadBytesPerSecond: 1_500_000, uploadBytesPerSecondPerPeer: 1_000_000 })
  const of = (peer: string) => ({
    sliceBytes: () => upload.sliceBytes(peer),
    take: (bytes: number) => upload.take(peer, bytes)
  })
  const one = greedy(of('a'))
  await passed(10_000)
  expect(one.bytes / 10_000_000).toBeGreaterThan(0.95)
  expect(one.bytes / 10_000_000).toBeLessThanOrEqual(1)
  const [before, two] = [one.bytes, greedy(of('b'))]
  await passed(10_000)
  one.stop = two.stop = true
  expect((one.bytes - before + two.bytes) / 15_000_000).toBeGreaterThan(0.95)
  expect((one.bytes - before + two.bytes) / 15_000_000).toBeLessThanOrEqual(1.01)
})
