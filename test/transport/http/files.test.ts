import { firstValueFrom } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { filePath, nameOf } from '../../../src/transport/http/paths.js'
import { bytesOf, gathered, sourceOf } from '../../compliance/inbound.js'
import { peer, raw, serverWith, visitor } from './peers.js'

const CONTENT = bytesOf(10_000)
const ETAG = 'a'.repeat(64)

async function holder() {
  const sources: ReturnType<typeof sourceOf>[] = []
  const names: string[] = []
  const { url } = await peer({
    open(name) {
      names.push(name)
      const source = sourceOf(CONTENT, { etag: ETAG })
      sources.push(source)
      return Promise.resolve(source)
    }
  })
  const get = (headers: Record<string, string> = {}, method = 'GET') => fetch(`${url}/files/x`, { method, headers })
  return { url, get, names, closed: () => Promise.all(sources.map(({ closed }) => closed)) }
}

describe('a file over HTTP', () => {
  test('whole, and harmless in a browser', async () => {
    const { get, closed } = await holder()
    const response = await get()
    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      etag: `"${ETAG}"`,
      'accept-ranges': 'bytes',
      'content-length': '10000',
      'content-type': 'application/octet-stream',
      'x-content-type-options': 'nosniff',
      'content-disposition': 'attachment',
      'content-security-policy': "default-src 'none'; sandbox"
    })
    expect(Buffer.from(await response.arrayBuffer()).equals(CONTENT)).toBe(true)
    await closed()
  })

  test('a reader that passes it on says so, and its holder hears it', async () => {
    const heard: unknown[] = []
    const { url } = await peer({
      openRoot(_, passed) {
        heard.push(passed)
        return Promise.resolve(sourceOf(CONTENT, { etag: ETAG }))
      },
      hashes({ passed }) {
        heard.push(passed)
        return Promise.resolve(new Uint8Array(32))
      }
    })
    const reader = visitor()
    const read$ = reader.read(url, { name: 'x', root: ETAG, start: 0, passed: true })
    await firstValueFrom(read$)
    const hashes = { root: ETAG, layer: 0, index: 0, length: 1, proofLayers: 0 }
    await firstValueFrom(reader.hashes(url, { ...hashes, passed: true }))
    await firstValueFrom(reader.hashes(url, hashes))
    expect(heard).toEqual([true, true, undefined])
  })

  test('HEAD tells the same without the bytes', async () => {
    const { get, closed } = await holder()
    const response = await get({}, 'HEAD')
    expect([response.status, response.headers.get('content-length')]).toEqual([200, '10000'])
    expect((await response.arrayBuffer()).byteLength).toBe(0)
    await closed()
  })

  test.each([
    [{ Range: 'bytes=0-499' }, 206, 'bytes 0-499/10000', [0, 500]],
    [{ Range: 'bytes=-500' }, 206, 'bytes 9500-9999/10000', [9_500, 10_000]],
    [{ Range: 'bytes=9500-' }, 206, 'bytes 9500-9999/10000', [9_500, 10_000]],
    [{ Range: 'bytes=0-9,10-19' }, 206, 'bytes 0-19/10000', [0, 20]],
    [{ Range: 'bytes=0-9,100-109' }, 200, null, [0, 10_000]],
    [{ Range: 'bytes=x' }, 200, null, [0, 10_000]],
    [{ Range: 'bytes=0-9', 'If-Range': `"${ETAG}"` }, 206, 'bytes 0-9/10000', [0, 10]],
    [{ Range: 'bytes=0-9', 'If-Range': '"other"' }, 200, null, [0, 10_000]],
    [{ Range: 'bytes=0-9', 'If-Range': `W/"${ETAG}"` }, 200, null, [0, 10_000]],
    [{ Range: 'bytes=0-9', 'If-Match': `"${ETAG}"` }, 206, 'bytes 0-9/10000', [0, 10]]
  ])('%j', async (headers, status, contentRange, [start, end]) => {
    const { get } = await holder()
    const response = await get(headers)
    expect([response.status, response.headers.get('content-range')]).toEqual([status, contentRange])
    expect(Buffer.from(await response.arrayBuffer()).equals(CONTENT.subarray(start, end))).toBe(true)
  })

  test.each([
    [{ Range: 'bytes=10000-' }, 416],
    [{ Range: 'bytes=99999999999999999999-' }, 416],
    [{ 'If-Match': '"other"' }, 412],
    [{ 'If-Match': '"other"', Range: 'bytes=0-9' }, 412],
    [{ 'If-None-Match': `"${ETAG}"` }, 304]
  ])('%j is %i, and closes the file', async (headers, status) => {
    const { get, closed } = await holder()
    const response = await get(headers)
    expect(response.status).toBe(status)
    if (status === 416) expect(response.headers.get('content-range')).toBe('bytes */10000')
    await closed()
  })

  test('a reader that goes away half-way closes the file', async () => {
    const source = sourceOf(bytesOf(20_000_000))
    const { url } = await peer({ open: () => Promise.resolve(source) })
    const abort = new AbortController()
    await fetch(`${url}/files/x`, { signal: abort.signal })
    abort.abort()
    await source.closed
  })
})

describe('what a request target means', () => {
  test.each([
    ['/files/a', 'a'],
    ['/files/a/b%20c', 'a/b c'],
    ['/files/100%25%3F%23', '100%?#'],
    ['/files/%E6%97%A5', '日'],
    ['/files/a%5Cb', 'a\\b'],
    ['/files/%252e%252e', '%2e%2e'],
    ['/files/', undefined],
    ['/files//etc/passwd', undefined],
    ['/files/a//b', undefined],
    ['/files/../x', undefined],
    ['/files/%2e%2e/x', undefined],
    ['/files/%2e%2e%2fx', undefined],
    ['/files/a%2Fb', undefined],
    ['/files/..\\x', undefined],
    ['/files/a%00', undefined],
    ['/files/a?b', undefined],
    ['/files/a#b', undefined],
    ['/files/%', undefined],
    ['/files/%ff', undefined],
    ['/files', undefined],
    ['http://h/files/a', undefined]
  ])('%s', (target, name) => {
    expect(nameOf(target)).toBe(name)
  })

  test.each(['a', 'a/b', 'ä ö/ü', '100%', "!'()*~-_.", 'a\\b', 'a?b#c', '%2e%2e', 'a\rb'])('%j comes back', (name) => {
    expect(nameOf(filePath(name))).toBe(name)
  })

  test.each(['%2e%2e%2fx', '..%2fx', '/etc/passwd', '%2e%2e/%2e%2e/etc/passwd', '..\\x', 'a%00'])(
    'nothing is opened for the raw target /files/%s',
    async (rest) => {
      const { url, names } = await holder()
      const answer = await raw(url, `GET /files/${rest} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`)
      expect(answer).toMatch(/^HTTP\/1.1 404/)
      expect(names).toEqual([])
    }
  )
})

describe('a holder that is not what it should be', () => {
  const read = async (url: string, range: { start: number; end?: number } = { start: 5, end: 10 }) => {
    const outcome = await new Promise<Record<string, unknown> & { type: string }>((resolve) => {
      visitor({ limits: { dataHeadTimeoutMs: 300, idleTimeoutMs: 300 } })
        .read(url, { name: 'x', ...range, etag: ETAG })
        .subscribe((got) => {
          if (got.type !== 'body') {
            resolve({ ...got })
            return
          }
          gathered(got.bytes).then(
            (content) => resolve({ type: 'body', start: got.start, length: content.length }),
            (error: unknown) => resolve({ type: 'broken', code: (error as { code?: string }).code })
          )
        })
    })
    return outcome
  }
  const head = { ETag: `"${ETAG}"`, 'Content-Length': '5', 'Content-Range': 'bytes 5-9/100' }

  test.each([
    ['another range', 206, { ...head, 'Content-Range': 'bytes 0-4/100' }, 'failed', 'nonsense'],
    ['no range', 206, { ...head, 'Content-Range': '' }, 'failed', 'nonsense'],
    ['a redirect', 302, { Location: 'http://127.0.0.1:9/' }, 'failed', 'not-a-peer'],
    ['an error', 500, {}, 'failed', 'not-a-peer'],
    ['another file', 206, { ...head, ETag: '"other"' }, 'changed', undefined],
    ['no tag', 206, { ...head, ETag: '' }, 'changed', undefined]
  ])('%s', async (_, status, headers, type, reason) => {
    const { url } = await serverWith((_request, response) => {
      response.writeHead(status, headers).end('12345')
    })
    expect(await read(url)).toMatchObject({ type, ...(reason === undefined ? {} : { reason }) })
  })

  test('no answer', async () => {
    const { url } = await serverWith(() => undefined)
    expect(await read(url)).toMatchObject({ type: 'failed', reason: 'timed-out' })
  })

  test('bytes that stop coming', async () => {
    const { url } = await serverWith((_request, response) => {
      response.writeHead(206, head).write('123')
    })
    expect(await read(url)).toEqual({ type: 'broken', code: 'TIMEOUT' })
  })

  test('bytes that end too early', async () => {
    const { url } = await serverWith((_request, response) => {
      response.writeHead(206, head).write('123', () => response.destroy())
    })
    expect(await read(url)).toEqual({ type: 'broken', code: 'NETWORK' })
  })

  test('the very end of a file has nothing more, and is no change', async () => {
    const { url } = await holder()
    expect(await read(url, { start: 10_000 })).toEqual({ type: 'body', start: 10_000, length: 0 })
    expect(await read(url, { start: 10_001 })).toEqual({ type: 'changed' })
  })
})
