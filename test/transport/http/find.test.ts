import { request, type ServerResponse } from 'node:http'
import { EMPTY, NEVER, Observable, of, throwError } from 'rxjs'
import { describe, expect, test } from 'vitest'
import type { Finding, Hit, Search, Trace, Transport } from '../../../src/streams/ports.js'
import { MAX_FIND_BODY_BYTES } from '../../../src/transport/http/limits.js'
import { batches, ENDED, found, hitOf, hitsOf, searchFor, taken } from './finding.js'
import { all, connectTo, gate, peer, raw, serverWith, visitor } from './peers.js'

/** Far more than anything here takes, also on a machine with much else to do. */
const PATIENT = { timeout: 10_000 }

function findBy(transport: Transport, url: string, search = searchFor()): Observable<Finding> {
  if (transport.find === undefined) throw new Error('it cannot find')
  return transport.find(url, search)
}

function bodyOf(given: object = {}): string {
  return JSON.stringify({ v: 1, ...searchFor(), ...given })
}

function posted(url: string, body: string, headers: readonly string[] = ['Content-Type: application/json']): string {
  const length = `Content-Length: ${Buffer.byteLength(body)}`
  const host = `Host: ${new URL(url).host}`
  return ['POST /find HTTP/1.1', host, length, 'Connection: close', ...headers, '', body].join('\r\n')
}
const post = (url: string, body: string, headers?: readonly string[]) => raw(url, posted(url, body, headers))
const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1])

/** A neighbour of our kind, whose answers to finds are written by hand. */
async function neighbour(answer: (response: ServerResponse, body: string) => void) {
  const honest = await peer()
  const asked: string[] = []
  const { url } = await serverWith((incoming, response) => {
    if (incoming.url === '/find') {
      let body = ''
      incoming.on('data', (chunk: Buffer) => (body += chunk.toString()))
      incoming.on('end', () => {
        asked.push(body)
        answer(response, body)
      })
      return
    }
    const onward = request(
      `${honest.url}${incoming.url ?? ''}`,
      { method: 'POST', headers: incoming.headers },
      (back) => {
        response.writeHead(back.statusCode ?? 0, back.headers)
        back.pipe(response)
      }
    )
    incoming.pipe(onward)
  })
  return { url, asked }
}

const lines = (response: ServerResponse, ...said: readonly string[]) => {
  response.writeHead(200, { 'Content-Type': 'application/x-ndjson' })
  response.end(said.map((line) => `${line}\n`).join(''))
}
const answering = (...said: readonly string[]) => neighbour((response) => lines(response, ...said))

const ROW = ['a.txt', 1, '', 0, [0]]
const line = (...rows: readonly unknown[]) => JSON.stringify({ urls: ['http://h:1'], hits: rows })
const END = '{"end":"all"}'

describe('a find', () => {
  test('brings what is asked to the neighbour, and all that it tells back', async () => {
    const searches: [Search, string][] = []
    const hits: readonly Hit[] = [
      hitOf(1),
      { name: 'ünï/😀.txt', size: 0, holders: ['http://a:1', 'http://b:2/RPC2'], hops: 6 },
      hitOf(3, { relays: ['http://r:1', 'http://127.0.0.1:4242'], hops: 2 }),
      hitOf(4, {
        lines: [
          { number: 1, text: 'a "report"\t\u0007' },
          { number: 90, text: '' }
        ]
      })
    ]
    const traces: readonly Trace[] = [
      { from: '', to: 'http://a:1', depth: 0, outcome: 'answered', hits: 4, tookMs: 1.5 },
      { from: 'http://a:1', to: 'http://b:1', depth: 1, outcome: 'failed', hits: 0, tookMs: 9, detail: 'why' }
    ]
    const { url } = await peer({
      searched: (search, as) => {
        searches.push([search, as])
        return new Observable((subscriber) => {
          const next = () => {
            subscriber.next({ type: 'ended', how: 'late' })
            subscriber.complete()
          }
          subscriber.next({ type: 'found', hits, traces, next })
        })
      }
    })
    const us = await peer()
    const search = searchFor('x', {
      pattern: { kind: 'regex', text: 'x|y', content: true },
      history: ['http://c:1', us.url],
      asking: ['http://d:1'],
      limit: 7,
      standing: true,
      trace: true
    })
    const told: Finding[] = []
    await new Promise<void>((resolve) => {
      findBy(us, url, search).subscribe({
        next: (finding) => {
          told.push(finding)
          if (finding.type === 'found') finding.next()
        },
        complete: resolve
      })
    })
    expect(told).toEqual([
      { type: 'found', hits, traces, next: expect.any(Function) as unknown },
      { type: 'ended', how: 'late' }
    ])
    const [[asked, as] = []] = searches
    expect(asked).toEqual({ ...search, deadlineMs: expect.any(Number) as unknown })
    expect(asked?.deadlineMs).toBeLessThanOrEqual(search.deadlineMs)
    expect(as).toBe(url)
  })

  test.each(['all', 'seen', 'declined', 'late'] as const)('that ends with %s says so', async (how) => {
    const { url } = await peer({ searched: () => of({ type: 'ended', how }) })
    expect(await taken(findBy(visitor(), url))).toMatchObject({ hits: [], last: { type: 'ended', how } })
  })

  test('of very many hits brings them all, in order, from a source that has them at once', async () => {
    const { finding$ } = batches((nth) => hitsOf(64, nth * 64), 1_000)
    const { url } = await peer({ searched: () => finding$ })
    const { hits, last } = await taken(findBy(await peer(), url))
    expect(hits).toHaveLength(64_000)
    expect(hits.every(({ size }, nth) => size === nth)).toBe(true)
    expect(last).toEqual(ENDED)
  })

  test('of hits that are too long for one line brings them all', async () => {
    const long = Array.from({ length: 64 }, (_, nth) =>
      hitOf(nth, {
        name: `${'é'.repeat(100)}/`.repeat(19) + String(nth),
        holders: Array.from({ length: 8 }, (_, holder) => `http://h${nth}-${holder}${'x'.repeat(200)}:1`),
        lines: Array.from({ length: 16 }, () => ({ number: 1, text: '\u0001'.repeat(256) }))
      })
    )
    const { url } = await peer({ searched: () => found(...long, ...hitsOf(300)) })
    const { hits, batches: told, last } = await taken(findBy(visitor(), url))
    expect(hits).toEqual([...long, ...hitsOf(300)])
    expect(told).toBeGreaterThan(16)
    expect(last).toEqual(ENDED)
  })

  test('leaves out what is more than a hit may have', async () => {
    const urls = Array.from({ length: 20 }, (_, nth) => `http://h${nth}:1`)
    const many = hitOf(1, {
      holders: urls,
      relays: urls,
      lines: Array.from({ length: 20 }, (_, nth) => ({ number: nth + 1, text: 'x'.repeat(300) }))
    })
    const { url } = await peer({ searched: () => found(many) })
    const [hit] = (await taken(findBy(visitor(), url))).hits
    expect(hit?.holders).toEqual(urls.slice(0, 8))
    expect(hit?.relays).toEqual(urls.slice(0, 4))
    expect(hit?.lines).toHaveLength(16)
    expect(hit?.lines?.[0]?.text).toBe('x'.repeat(256))
  })

  test('that nobody reads asks for no more than fits on the way', async () => {
    const { told, finding$ } = batches((nth) => hitsOf(64, nth * 64), 100_000)
    const { url } = await peer({ searched: () => finding$ })
    const us = await peer()
    const batch = gate()
    const subscription = findBy(us, url).subscribe(batch.open)
    await batch.opened
    // The source stands still when it was not asked for more since the last look.
    let before = -1
    await expect
      .poll(
        () => {
          const stands = told.batches === before
          before = told.batches
          return stands
        },
        { ...PATIENT, interval: 100 }
      )
      .toBe(true)
    expect(told.batches).toBeLessThan(3_000)
    subscription.unsubscribe()
    await expect.poll(() => told.unsubscribed, PATIENT).toBe(true)
  })

  test('is told that it ended, also by who has not asked for more', async () => {
    const last: Finding = { type: 'ended', how: 'late' }
    const { url } = await peer({
      searched: () => of<Finding[]>({ type: 'found', hits: hitsOf(3), next: () => undefined }, last)
    })
    const told: Finding[] = []
    await new Promise<void>((resolve) => {
      findBy(visitor(), url).subscribe({ next: (finding) => told.push(finding), complete: resolve })
    })
    expect(told).toMatchObject([{ type: 'found', hits: hitsOf(3) }, last])
  })

  test('that is unsubscribed stops the work behind it, whether it told something or not', async () => {
    for (const source of [
      NEVER,
      new Observable<Finding>((s) => s.next({ type: 'found', hits: hitsOf(1), next: () => undefined }))
    ]) {
      const began = gate()
      const stopped = gate()
      const searched = () =>
        new Observable<Finding>((subscriber) => {
          began.open()
          subscriber.add(stopped.open)
          return source.subscribe(subscriber)
        })
      const { url } = await peer({ searched })
      const subscription = findBy(await peer(), url).subscribe()
      await began.opened
      subscription.unsubscribe()
      await stopped.opened
    }
  })

  test('that errors, fails or says nothing at its end is over for whoever asked', async () => {
    const failing: Finding = { type: 'failed', reason: 'reset', detail: 'x' }
    for (const [source, how] of [
      [throwError(() => new Error('inside')), 'declined'],
      [of(failing), 'declined'],
      [EMPTY, 'all']
    ] as const) {
      const { url } = await peer({ searched: () => source })
      expect((await taken(findBy(visitor(), url))).last).toEqual({ type: 'ended', how })
    }
  })

  test('uses its connection again after its end', async () => {
    const ports = new Set<number | undefined>()
    const { url } = await neighbour((response) => {
      ports.add(response.socket?.remotePort)
      lines(response, line(ROW), END)
    })
    const us = await peer()
    await taken(findBy(us, url))
    await taken(findBy(us, url))
    expect(ports.size).toBe(1)
  })

  test('that stays open is kept alive by empty lines', async () => {
    const limits = { findHeartbeatMs: 20, findIdleTimeoutMs: 1_000 }
    const stop = gate()
    const searched = () =>
      new Observable<Finding>((subscriber) => {
        void stop.opened.then(() => {
          subscriber.next(ENDED)
          subscriber.complete()
        })
      })
    const { url } = await peer({ searched }, { limits })
    const socket = await connectTo(url)
    let said = ''
    socket.on('data', (chunk: Buffer) => (said += chunk.toString()))
    socket.write(posted(url, bodyOf({ standing: true })))
    await expect.poll(() => [...said.matchAll(/\r\n1\r\n\n/g)].length, PATIENT).toBeGreaterThan(3)
    const told = taken(
      findBy(await peer({}, { limits: { findIdleTimeoutMs: 10_000 } }), url, searchFor('x', { standing: true }))
    )
    stop.open()
    expect((await told).last).toEqual(ENDED)
  })

  test('whose time is over ends as late, also when its source does not', async () => {
    const { url } = await peer({ searched: () => NEVER })
    const us = visitor()
    await all(us.hello(url))
    const { last } = await taken(findBy(us, url, searchFor('x', { deadlineMs: 1_000 })))
    expect(last).toEqual({ type: 'ended', how: 'late' })
  })
})

describe('who may ask', () => {
  test('is told 404 by a peer that cannot be searched, which stays a neighbour', async () => {
    const { url } = await peer()
    expect(statusOf(await post(url, bodyOf()))).toBe(404)
    expect((await taken(findBy(visitor(), url))).last).toEqual({ type: 'ended', how: 'declined' })
  })

  test('is no web page', async () => {
    const searches: Search[] = []
    const { url } = await peer({ searched: (search) => (searches.push(search), found()) })
    const type = 'Content-Type: application/json'
    expect(statusOf(await post(url, bodyOf(), [type, 'Origin: http://evil.example']))).toBe(403)
    expect(statusOf(await post(url, bodyOf(), ['Content-Type: text/plain']))).toBe(415)
    expect(statusOf(await post(url, bodyOf(), []))).toBe(415)
    expect(
      statusOf(await raw(url, `POST /find HTTP/1.1\r\nHost: evil.example\r\n${type}\r\nContent-Length: 0\r\n\r\n`))
    ).toBe(403)
    expect(statusOf(await raw(url, `GET /find HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`))).toBe(405)
    expect(searches).toEqual([])
    expect(statusOf(await post(url, bodyOf(), ['Content-Type: Application/JSON; charset=utf-8']))).toBe(200)
  })

  test.each<[string, string]>([
    ['nothing', ''],
    ['no JSON', '{'],
    ['a list', '[]'],
    ['a later version', bodyOf({ v: 2 })],
    ['no pattern', bodyOf({ pattern: undefined })],
    ['another kind of pattern', bodyOf({ pattern: { kind: 'sql', text: 'x' } })],
    ['a pattern that is too long', bodyOf({ pattern: { kind: 'words', text: 'x'.repeat(4_097) } })],
    ['a number as pattern', bodyOf({ pattern: { kind: 'words', text: 1 } })],
    ['a long history', bodyOf({ history: Array.from({ length: 65 }, () => 'h') })],
    ['a long URL', bodyOf({ history: ['h'.repeat(257)] })],
    ['no id', bodyOf({ id: '' })],
    ['a long id', bodyOf({ id: 'x'.repeat(65) })],
    ['a limit of nothing', bodyOf({ limit: 0 })],
    ['half a limit', bodyOf({ limit: 1.5 })],
    ['a deadline before', bodyOf({ deadlineMs: -1 })],
    ['more', bodyOf({ more: '\n' })],
    ['__proto__', bodyOf().replace('{', '{"__proto__":{"standing":true},')],
    ['constructor', bodyOf({ constructor: { prototype: {} } })],
    ['deep JSON', '['.repeat(30_000) + ']'.repeat(30_000)],
    ['deep JSON as id', bodyOf({ id: 0 }).replace('"id":0', `"id":${'['.repeat(30_000)}${']'.repeat(30_000)}`)]
  ])('is told why %s is no find, in one line', async (_, body) => {
    const { url } = await peer({ searched: () => found() })
    const answer = await post(url, body)
    expect(statusOf(answer)).toBe(400)
    expect(answer.slice(answer.indexOf('\r\n\r\n') + 4)).toMatch(/^no [^\n]{3,120}\n$/)
    expect(({} as { standing?: boolean }).standing).toBeUndefined()
  })

  test('is told 413 when it asks too much, declared or not', async () => {
    const { url } = await peer({ searched: () => found() })
    const long = bodyOf({ asking: Array.from({ length: 1_000 }, () => 'h'.repeat(100)) })
    expect(statusOf(await post(url, long))).toBe(413)
    const head = posted(url, '').replace('Content-Length: 0', 'Transfer-Encoding: chunked')
    const chunk = `${long.length.toString(16)}\r\n${long}\r\n0\r\n\r\n`
    expect(statusOf(await raw(url, head, chunk))).toBe(413)
  })

  test('may name more who are asked at the same time than fit: some are told', async () => {
    const searches: Search[] = []
    const { url } = await peer({ searched: (search) => (searches.push(search), found()) })
    const asking = Array.from({ length: 900 }, (_, nth) => `http://${String(nth).padStart(200, 'x')}:1`)
    expect((await taken(findBy(visitor(), url, searchFor('x', { asking })))).last).toEqual(ENDED)
    expect(searches[0]?.asking.length).toBeGreaterThan(100)
    expect(Buffer.byteLength(JSON.stringify(searches[0]))).toBeLessThan(MAX_FIND_BODY_BYTES)
  })

  test('has the limits that are everybody’s', async () => {
    const searches: Search[] = []
    const { url } = await peer({ searched: (search) => (searches.push(search), found()) })
    await post(url, bodyOf({ limit: 1e9, deadlineMs: 1e9 }))
    await post(url, bodyOf({ limit: 1e9, deadlineMs: 1e9, standing: true }))
    expect(searches).toMatchObject([
      { limit: 250_000, deadlineMs: 120_000 },
      { limit: 250_000, deadlineMs: 660_000, standing: true }
    ])
  })
})

describe('how many finds', () => {
  test('of one address are open at once is bounded for each kind, and a place is free again after the end', async () => {
    let open = 0
    const searched = () =>
      new Observable<Finding>((subscriber) => {
        open++
        subscriber.add(() => open--)
      })
    const { url } = await peer({ searched })
    const us = await peer()
    const begin = (count: number, given: Partial<Search>) =>
      Array.from({ length: count }, () => findBy(us, url, searchFor('x', given)).subscribe())
    const first = begin(8, { standing: true })
    await expect.poll(() => open, PATIENT).toBe(8)
    const declined = await taken(findBy(us, url, searchFor('x', { standing: true })))
    expect(declined.last).toEqual({ type: 'ended', how: 'declined' })
    const others = begin(32, {})
    await expect.poll(() => open, PATIENT).toBe(40)
    expect((await taken(findBy(us, url))).last).toEqual({ type: 'ended', how: 'declined' })
    for (const subscription of [...first, ...others]) subscription.unsubscribe()
    await expect.poll(() => open, PATIENT).toBe(0)
    begin(8, { standing: true })
    await expect.poll(() => open, PATIENT).toBe(8)
  })

  test('come too fast from one address is told as for calls: they are declined', async () => {
    const { url } = await peer({ searched: () => found() }, { limits: { callsPerSecond: 0.1 } })
    const us = visitor()
    const told = await Promise.all(Array.from({ length: 12 }, () => taken(findBy(us, url))))
    expect(told.map(({ last }) => last)).toContainEqual({ type: 'ended', how: 'declined' })
  })

  test('does not keep a place among the calls', async () => {
    let places = 0
    const budget = <T>(work$: Observable<T>) =>
      new Observable<T>((subscriber) => {
        places++
        subscriber.add(() => places--)
        work$.subscribe(subscriber)
      })
    const { url } = await peer({ searched: () => NEVER })
    const us = await peer({}, { budget })
    const subscription = findBy(us, url).subscribe()
    expect(places).toBe(1)
    await expect.poll(() => places, PATIENT).toBe(0)
    expect(subscription.closed).toBe(false)
    subscription.unsubscribe()
  })
})

describe('an answer', () => {
  test.each<[string, readonly string[]]>([
    ['no JSON', ['x']],
    ['half a line of JSON', ['{"hits":[']],
    ['a list', ['[]']],
    ['a number', ['1']],
    ['null', ['null']],
    ['hits that are none', ['{"hits":{}}']],
    ['URLs that are none', ['{"urls":"x","hits":[]}']],
    ['more than 64 hits on a line', [line(...Array.from({ length: 65 }, () => ROW))]],
    ['more than 128 URLs on a line', [JSON.stringify({ urls: Array.from({ length: 129 }, () => 'http://h:1') })]],
    ['an end we do not know', ['{"end":"soon"}']],
    ['a line that is too long', [`{"x":"${'x'.repeat(65_536)}"}`]],
    [
      'over 1,000 bad hits',
      Array.from({ length: 16 }, () => line(...Array.from({ length: 64 }, () => ['..', 1, '', 0, [0]])))
    ]
  ])('with %s is nonsense', async (_, said) => {
    const { url } = await answering(line(ROW), ...said, END)
    const { hits, last } = await taken(findBy(visitor(), url))
    expect(hits).toHaveLength(1)
    expect(last).toMatchObject({ type: 'failed', reason: 'nonsense' })
  })

  test.each<[string, readonly unknown[]]>([
    ['a way out of the share', ['../a', 1, '', 0, [0]]],
    ['a name that is none', [1, 1, '', 0, [0]]],
    ['an absolute name', ['/etc/passwd', 1, '', 0, [0]]],
    ['a negative size', ['a', -1, '', 0, [0]]],
    ['half a byte', ['a', 0.5, '', 0, [0]]],
    ['more bytes than there are', ['a', 2 ** 53, '', 0, [0]]],
    ['a root of another kind', ['a', 1, 'AB'.repeat(32), 0, [0]]],
    ['a root that is none', ['a', 1, null, 0, [0]]],
    ['too many hops', ['a', 1, '', 7, [0]]],
    ['no holder', ['a', 1, '', 0, []]],
    ['a holder that is not there', ['a', 1, '', 0, [9]]],
    ['a holder at a place that is none', ['a', 1, '', 0, ['length']]],
    ['a holder by __proto__', ['a', 1, '', 0, ['__proto__', 0]]],
    ['a holder of another network', ['a', 1, '', 0, [1]]],
    ['a holder that is no URL', ['a', 1, '', 0, [2]]],
    ['a holder with a long URL', ['a', 1, '', 0, [3]]],
    ['too many holders', ['a', 1, '', 0, [0, 0, 0, 0, 0, 0, 0, 0, 0]]],
    ['too many relays', ['a', 1, '', 0, [0], [0, 0, 0, 0, 0]]],
    ['too many lines', ['a', 1, '', 0, [0], [], Array.from({ length: 17 }, () => [1, 'x'])]],
    ['a line that is too long', ['a', 1, '', 0, [0], [], [[1, 'x'.repeat(257)]]]],
    ['a line without a number', ['a', 1, '', 0, [0], [], [['x', 1]]]],
    ['more members', ['a', 1, '', 0, [0], [], [], 1]],
    ['fewer members', ['a', 1, '', 0]]
  ])('loses a hit with %s, and nothing else', async (_, row) => {
    const urls = ['http://h:1', 'https://h:1', 'http://h:1/x', `http://${'h'.repeat(300)}:1`]
    const { url } = await answering(JSON.stringify({ urls, hits: [ROW, row, ROW] }), END)
    const { hits, last } = await taken(findBy(visitor(), url))
    expect(hits).toEqual([0, 0].map(() => ({ name: 'a.txt', size: 1, holders: ['http://h:1'], hops: 0 })))
    expect(last).toEqual(ENDED)
  })

  test('may have members we do not know, and changes nothing of ours', async () => {
    const said = `{"__proto__":{"end":"all","polluted":1},"more":1,"urls":["http://h:1"],"hits":[${JSON.stringify(ROW)}]}`
    const { url } = await answering(said, END)
    const { hits } = await taken(findBy(visitor(), url))
    expect(hits).toHaveLength(1)
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
  })

  test('without an end is broken off', async () => {
    const { url } = await answering(line(ROW))
    const told = await taken(findBy(visitor(), url))
    expect(told.hits).toHaveLength(1)
    expect(told.last).toMatchObject({ type: 'failed', reason: 'reset' })
    const broken = await neighbour((response) => {
      response
        .writeHead(200, { 'Content-Type': 'application/x-ndjson' })
        .write(`${line(ROW)}\n`, () => response.destroy())
    })
    expect((await taken(findBy(visitor(), broken.url))).last).toMatchObject({ type: 'failed', reason: 'reset' })
  })

  test('that is silent is waited for as long as agreed, and its empty lines count', async () => {
    const silent = await neighbour((response) => {
      response.writeHead(200, { 'Content-Type': 'application/x-ndjson' }).flushHeaders()
    })
    const us = await peer({}, { limits: { findIdleTimeoutMs: 1_000 } })
    expect((await taken(findBy(us, silent.url))).last).toMatchObject({ type: 'failed', reason: 'timed-out' })
    const quiet = await neighbour((response) => {
      response.writeHead(200, { 'Content-Type': 'application/x-ndjson' }).flushHeaders()
      let count = 0
      const timer = setInterval(() => {
        if (++count < 30) response.write('\n')
        else {
          clearInterval(timer)
          response.end(`${END}\n`)
        }
      }, 50)
    })
    expect((await taken(findBy(us, quiet.url))).last).toEqual(ENDED)
  })

  test('whose head does not come is waited for until the deadline', async () => {
    const { url } = await neighbour(() => undefined)
    const search = searchFor('x', { deadlineMs: 200 })
    expect((await taken(findBy(visitor(), url, search))).last).toMatchObject({ type: 'failed', reason: 'timed-out' })
  })

  test.each([400, 403, 404, 500, 503])('of %i is no reason not to stay neighbours', async (status) => {
    const { url } = await neighbour((response) => response.writeHead(status).end())
    expect((await taken(findBy(visitor(), url))).last).toEqual({ type: 'ended', how: 'declined' })
  })

  test('of a web page, or somewhere else, is none', async () => {
    for (const [status, headers] of [
      [200, { 'Content-Type': 'text/html' }],
      [302, { Location: 'http://h:1' }]
    ] as const) {
      const { url } = await neighbour((response) => response.writeHead(status, headers).end())
      expect((await taken(findBy(visitor(), url))).last).toMatchObject({ type: 'failed', reason: 'not-a-peer' })
    }
  })

  test('that goes on behind its end is not read', async () => {
    const closed = gate()
    const { url } = await neighbour((response) => {
      response.once('close', closed.open)
      response.writeHead(200, { 'Content-Type': 'application/x-ndjson' }).write(`${line(ROW)}\n${END}\n${line(ROW)}\n`)
      const timer = setInterval(() => response.write('\n'), 5)
      response.once('close', () => clearInterval(timer))
    })
    expect(await taken(findBy(await peer(), url))).toMatchObject({ hits: [{ name: 'a.txt' }], last: ENDED })
    await closed.opened
  })

  test('is not asked of a neighbour of another kind', async () => {
    const asked: string[] = []
    const { url } = await serverWith((incoming, response) => {
      asked.push(incoming.url ?? '')
      incoming.resume()
      const fault = (code: number) =>
        `<?xml version="1.0"?><methodResponse><fault><value><struct><member><name>faultCode</name><value><int>${code}</int></value></member><member><name>faultString</name><value><string>x</string></value></member></struct></value></fault></methodResponse>`
      const body = asked.length === 1 ? fault(1) : asked.length === 2 ? fault(100) : ''
      response.writeHead(200, { 'Content-Type': 'text/xml' }).end(body)
    })
    expect((await taken(findBy(visitor(), url))).last).toEqual({ type: 'ended', how: 'declined' })
    expect(asked).not.toContain('/find')
  })
})
