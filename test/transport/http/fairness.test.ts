/** Roots, hashes, slots and rates over real sockets. */
import { concatMap, lastValueFrom, map, type Observable, toArray } from 'rxjs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { P2pError } from '../../../src/errors.js'
import type { Inbound, ReadOutcome, Source } from '../../../src/streams/ports.js'
import type { HttpTransportOptions } from '../../../src/transport/http/transport.js'
import { bytesOf, gathered, sourceOf } from '../../compliance/inbound.js'
import { all, gate, peer, raw, visitor } from './peers.js'

const ROOT = '0a'.repeat(32)
const CONTENT = bytesOf(1_000_000)

/** A source as a disk has it: read into memory that is lent. */
function onDisk(content: Uint8Array, etag = ROOT): Source & { closed: Promise<void> } {
  return {
    ...sourceOf(content, { etag }),
    readAt: async (memory, position) => {
      await new Promise<void>((resolve) => setImmediate(resolve))
      const part = content.subarray(position, position + memory.length)
      memory.set(part)
      return part.length
    }
  }
}

async function holder(content = CONTENT, options: Partial<HttpTransportOptions> = {}, inbound: Partial<Inbound> = {}) {
  const opened: { closed: Promise<void> }[] = []
  const open = () => {
    const source = onDisk(content)
    opened.push(source)
    return Promise.resolve(source)
  }
  const them = await peer({ open, openRoot: open, ...inbound }, options)
  return { ...them, opened }
}

function us(options: Partial<HttpTransportOptions> = {}) {
  const transport = visitor(options)
  onTestFinished(() => transport.close())
  return transport
}

/** Places in the queue as they come, and then the content. */
const contents = (read$: Observable<ReadOutcome>) =>
  read$.pipe(concatMap(async (outcome) => (outcome.type === 'body' ? gathered(outcome.bytes) : outcome)))

describe('what is served', () => {
  test.each([
    ['the whole', 0, 1_000_000],
    ['a long part', 1, 999_999],
    ['a short part', 500_000, 500_100],
    ['one byte', 999_999, 1_000_000]
  ])('%s of a file on disk', async (_, start, end) => {
    const { url, opened } = await holder()
    const read$ = us().read(url, { name: 'x', root: ROOT, start, end })
    const content = (await lastValueFrom(contents(read$))) as Buffer
    expect(content.equals(CONTENT.subarray(start, end))).toBe(true)
    await Promise.all(opened.map(({ closed }) => closed))
  })

  test('a small file that is in memory', async () => {
    const content = bytesOf(10_000)
    const { url } = await holder(content, {}, { open: () => Promise.resolve({ ...sourceOf(content), bytes: content }) })
    const read = (await lastValueFrom(contents(us().read(url, { name: 'x', start: 10, end: 9_000 })))) as Buffer
    expect(read.equals(content.subarray(10, 9_000))).toBe(true)
  })

  test.each([100, 900_000])('a disk that breaks within %i bytes breaks the body', async (bytes) => {
    let reads = 0
    const broken = {
      ...onDisk(bytesOf(bytes)),
      readAt: (memory: Uint8Array) =>
        reads++ === 0 && bytes > 1_000 ? Promise.resolve(memory.length) : Promise.reject(new Error('EIO'))
    }
    const { url } = await holder(CONTENT, {}, { open: () => Promise.resolve(broken) })
    const end = lastValueFrom(contents(us().read(url, { name: 'x', start: 0 })))
    await expect(end).rejects.toMatchObject({ code: 'NETWORK' })
    await broken.closed
  })

  test('a file that has become shorter breaks the body', async () => {
    const source = { ...onDisk(CONTENT), readAt: () => Promise.resolve(5) }
    const { url } = await holder(CONTENT, {}, { open: () => Promise.resolve(source) })
    const end = lastValueFrom(contents(us().read(url, { name: 'x', start: 0 })))
    await expect(end).rejects.toMatchObject({ code: 'NETWORK' })
  })

  test('many readers at once, more than there are buffers', async () => {
    const { url } = await holder()
    const transport = us()
    const read = async () => (await lastValueFrom(contents(transport.read(url, { name: 'x', start: 0 })))) as Buffer
    for (const content of await Promise.all(Array.from({ length: 100 }, read)))
      expect(content.equals(CONTENT)).toBe(true)
  })
})

describe('paths', () => {
  const status = async (url: string, path: string, headers = '', method = 'GET') =>
    /^HTTP\/1.1 (\d+)/.exec(
      await raw(url, `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}Connection: close\r\n\r\n`)
    )?.[1]

  test.each([
    [`/roots/${ROOT}`, '200'],
    [`/roots/${ROOT.toUpperCase()}`, '404'],
    [`/roots/${ROOT}0`, '404'],
    [`/roots/${ROOT}/`, '404'],
    [`/roots/${ROOT}?x`, '404'],
    ['/roots/', '404'],
    ['/roots/../files/x', '404'],
    [`/hashes/${ROOT}/0/0/2/1`, '200'],
    ['/hashes/x/0/0/2/1', '404'],
    [`/hashes/${ROOT}/0/0/3/1`, '400'],
    [`/hashes/${ROOT}/0/0/0/1`, '400'],
    [`/hashes/${ROOT}/0/1/2/1`, '400'],
    [`/hashes/${ROOT}/-1/0/2/1`, '400'],
    [`/hashes/${ROOT}/0/0/2`, '400'],
    [`/hashes/${ROOT}/0/0/2/1/0`, '400'],
    [`/hashes/${ROOT}/00/0/2/1`, '400'],
    [`/hashes/${ROOT}/1e1/0/2/1`, '400'],
    [`/hashes/${ROOT}/0/0/4294967296/1`, '400'],
    [`/hashes/${ROOT}/0/0/16384/1`, '400'],
    [`/hashes/${ROOT}/41/0/2/0`, '400'],
    [`/hashes/${ROOT}/0/0/2/99999999999999999999`, '400']
  ])('%s is %s', async (path, expected) => {
    const { url } = await holder(CONTENT, {}, { hashes: () => Promise.resolve(Buffer.alloc(96)) })
    expect(await status(url, path)).toBe(expected)
    expect(await status(url, path, '', 'HEAD')).toBe(expected)
    expect(await status(url, path, '', 'POST')).toBe('405')
  })

  test('web pages get no roots and no hashes', async () => {
    const { url } = await holder()
    for (const path of [`/roots/${ROOT}`, `/hashes/${ROOT}/0/0/1/0`])
      expect(await raw(url, `GET ${path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`)).toMatch(/ 403 /)
  })

  test.each([
    ['wait=7', 7_000],
    ['respond-async, wait=7', 7_000],
    ['wait=100000', 30_000],
    ['wait="3"', 3_000],
    ['wait=x', undefined],
    ['', undefined]
  ])('HEAD with Prefer: %s waits for the root %s ms', async (prefer, waitMs) => {
    const waited: number[] = []
    const rootOf = (_: string, ms: number) => {
      waited.push(ms)
      return Promise.resolve(undefined)
    }
    const { url } = await holder(CONTENT, {}, { rootOf })
    expect(await status(url, '/files/x', `Prefer: ${prefer}\r\n`, 'HEAD')).toBe('200')
    expect(waited).toEqual(waitMs === undefined ? [] : [waitMs])
    expect(await status(url, '/files/x', 'Prefer: wait=5\r\n')).toBe('200')
    expect(waited).toHaveLength(waitMs === undefined ? 0 : 1)
  })

  test('hashes are refused with what was wrong', async () => {
    const code = { current: 'NOT_FOUND' as 'NOT_FOUND' | 'BAD_CALL' | 'DISK' }
    const { url } = await holder(CONTENT, {}, { hashes: () => Promise.reject(new P2pError(code.current, 'secret')) })
    for (const [given, expected] of [
      ['NOT_FOUND', '404'],
      ['BAD_CALL', '400'],
      ['DISK', '503']
    ] as const) {
      code.current = given
      expect(await status(url, `/hashes/${ROOT}/0/0/1/0`)).toBe(expected)
    }
  })

  test('hashes of another length than asked for are nonsense', async () => {
    const { url } = await holder(CONTENT, {}, { hashes: () => Promise.resolve(Buffer.alloc(32 * 4)) })
    const request = { root: ROOT, layer: 0, index: 0, length: 2, proofLayers: 1 }
    expect(await all(us().hashes(url, request))).toMatchObject([{ type: 'failed', reason: 'nonsense' }])
  })
})

describe('slots', () => {
  test('one who must wait is told its place, and is served when there is room', async () => {
    const { url } = await holder(CONTENT, { uploadSlots: 1 })
    const begun = gate()
    const go = gate()
    const first = lastValueFrom(
      us()
        .read(url, { name: 'x', start: 0 })
        .pipe(
          concatMap(async (outcome) => {
            if (outcome.type !== 'body') return 0
            let length = 0
            for await (const chunk of outcome.bytes) {
              begun.open()
              await go.opened
              length += chunk.length
            }
            return length
          })
        )
    )
    await begun.opened
    const heard: unknown[] = []
    const other = us()
    const second = lastValueFrom(
      contents(other.read(url, { name: 'x', start: 0 })).pipe(
        map((what) => {
          heard.push(what instanceof Buffer ? what.length : what)
          if (heard.length === 1) go.open()
          return what
        })
      )
    )
    expect(await first).toBe(CONTENT.length)
    await second
    expect(heard).toEqual([{ type: 'queued', position: 1 }, CONTENT.length])
  })

  test('a peer has one slot, however many reads it makes; small files and hashes need none', async () => {
    const small = bytesOf(60_000)
    const { url } = await holder(
      CONTENT,
      { uploadSlots: 1 },
      { open: () => Promise.resolve(onDisk(small)), hashes: () => Promise.resolve(Buffer.alloc(32)) }
    )
    const [one, other] = [us(), us()]
    const large = { name: 'x', root: ROOT, start: 0 }
    const reads = await Promise.all(
      Array.from({ length: 10 }, () => lastValueFrom(contents(one.read(url, large)).pipe(toArray())))
    )
    expect(reads.every((outcomes) => outcomes.length === 1)).toBe(true)
    expect(await lastValueFrom(contents(other.read(url, { name: 'x', start: 0 })).pipe(toArray()))).toHaveLength(1)
    const request = { root: ROOT, layer: 0, index: 0, length: 1, proofLayers: 0 }
    expect(await all(other.hashes(url, request))).toMatchObject([{ type: 'hashes' }])
  })

  test('a foreign reader is told in HTTP’s own words', async () => {
    const { url } = await holder(CONTENT, { uploadSlots: 1 })
    await lastValueFrom(contents(us().read(url, { name: 'x', start: 0 })))
    const response = await fetch(`${url}/files/x`)
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('1')
    expect(response.headers.get('p2prx-queue-position')).toBe('1')
    await response.arrayBuffer()
  })

  test('one address that calls itself many peers does not get all slots', async () => {
    const { url } = await holder(CONTENT, { uploadSlots: 4 })
    const statuses: number[] = []
    for (const id of ['a', 'b', 'c', 'd']) {
      const response = await fetch(`${url}/files/x`, { headers: { 'p2prx-peer': id } })
      statuses.push(response.status)
      await response.arrayBuffer()
    }
    expect(statuses).toEqual([200, 200, 200, 503])
  })

  test('a waiter that leaves gives up its place, and what is held open is closed', async () => {
    const { url, opened } = await holder(CONTENT, { uploadSlots: 1 })
    await lastValueFrom(contents(us().read(url, { name: 'x', start: 0 })))
    const waiting = gate()
    const subscription = us()
      .read(url, { name: 'x', start: 0 })
      .subscribe(() => waiting.open())
    await waiting.opened
    subscription.unsubscribe()
    await Promise.all(opened.map(({ closed }) => closed))
  })
})

describe('rates', () => {
  const RATE = 2_000_000

  test.each(['upload', 'download'] as const)('an %s rate is kept, and lifted while bytes flow', async (direction) => {
    const rates = { [`${direction}BytesPerSecond`]: RATE }
    const content = bytesOf(40_000_000)
    const them = await holder(content, direction === 'upload' ? { rates } : {})
    const reader = us(direction === 'download' ? { rates } : {})
    const startedAtMs = performance.now()
    let liftedAt = 0
    const length = await lastValueFrom(
      reader.read(them.url, { name: 'x', start: 0 }).pipe(
        concatMap(async (outcome) => {
          if (outcome.type !== 'body') return 0
          let bytes = 0
          for await (const chunk of outcome.bytes) {
            bytes += chunk.length
            const seconds = (performance.now() - startedAtMs) / 1_000
            if (liftedAt === 0 && seconds > 1) {
              liftedAt = bytes / seconds
              const lifted = direction === 'upload' ? them : reader
              lifted.setRates({})
            }
          }
          return bytes
        })
      )
    )
    expect(length).toBe(content.length)
    expect(liftedAt).toBeLessThanOrEqual(RATE * 1.05)
    expect(performance.now() - startedAtMs).toBeLessThan(10_000)
  })

  test('a slow rate of the reader is no slow reader, nor one of the holder a slow holder', async () => {
    const content = bytesOf(100_000)
    const limits = { slowReaderTimeoutMs: 500, idleTimeoutMs: 600 }
    const slow = { uploadBytesPerSecond: 50_000 }
    const them = await holder(content, { limits, rates: slow })
    const read = (await lastValueFrom(contents(us({ limits }).read(them.url, { name: 'x', start: 0 })))) as Buffer
    expect(read.equals(content)).toBe(true)
    them.setRates({})
    const reader = us({ limits, rates: { downloadBytesPerSecond: 50_000 } })
    expect(((await lastValueFrom(contents(reader.read(them.url, { name: 'x', start: 0 })))) as Buffer).length).toBe(
      100_000
    )
  })
})
