import { concat, delay, finalize, NEVER, type Observable, of } from 'rxjs'
import { describe, expect, test } from 'vitest'
import type { Inbound, Outcome, Question, Source } from '../../../src/streams/ports.js'
import { createCallHandler } from '../../../src/transport/http/calls.js'
import { DEFAULT_LIMITS } from '../../../src/transport/http/limits.js'
import { BOOK } from '../../../src/transport/xmlrpc/book.js'
import { decodeCall, decodeResponse, encodeCall, encodeFault } from '../../../src/transport/xmlrpc/codec.js'
import { foreignMethods, type Wording } from '../../../src/transport/xmlrpc/foreign.js'
import { p2prxMethods } from '../../../src/transport/xmlrpc/p2prx.js'
import { SIMPLE } from '../../../src/transport/xmlrpc/simple.js'
import { withSystem } from '../../../src/transport/xmlrpc/system.js'
import { bytesOf, inboundWith, sourceOf } from '../../compliance/inbound.js'
import { all, gate, peer, serverWith, visitor } from './peers.js'

const asked = (given: Partial<Question> = {}): Question => ({
  name: 'x',
  history: [],
  asking: [],
  deadlineMs: 5_000,
  ...given
})

/** Nobody has a file without a name, by which neighbours are told apart. */
const opens =
  (source: Source): Inbound['askedForContent'] =>
  ({ name }) =>
    of(name === '' ? { type: 'missed' } : { type: 'opened', source })

/** A peer that speaks one of the book's dialects and nothing else, as a Python one does. */
async function foreignPeer(wording: Wording, given: Partial<Inbound>, deadlineMs = 4_500) {
  const calls: { method: string; params: readonly unknown[]; connection: string | undefined; path: string }[] = []
  const methods = withSystem(foreignMethods(wording, { inbound: inboundWith(given), as: () => 'http://f', deadlineMs }))
  const handle = createCallHandler({ methods, overloaded: encodeFault(100, '') }, DEFAULT_LIMITS, { count: 0 })
  const { url } = await serverWith((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method, params } = decodeCall(Buffer.concat(chunks))
      calls.push({ method, params, connection: request.headers.connection, path: request.url ?? '' })
    })
    void handle(request, response)
  })
  return { url, calls }
}

describe.each([BOOK, SIMPLE])('a neighbour that speaks only $dialect', (wording) => {
  const { dialect } = wording

  test('is recognised and greeted in its own tongue, one connection a call', async () => {
    const introduced: string[] = []
    const them = await foreignPeer(wording, { introduced: (url) => introduced.push(url) })
    const us = await peer()
    expect(await all(us.hello(them.url))).toMatchObject([{ type: 'greeted', dialect }])
    expect(introduced).toEqual([dialect === 'simple' ? `${us.url}/simple` : us.url])
    expect(them.calls.map(({ method }) => method)).toEqual(['p2prx.hello', 'query', 'hello'])
    expect(new Set(them.calls.map(({ connection }) => connection))).toEqual(new Set(['close']))
    expect(new Set(them.calls.map(({ path }) => path))).toEqual(new Set(['/RPC2']))
  })

  test('is not told of a visitor', async () => {
    const introduced: string[] = []
    const them = await foreignPeer(wording, { introduced: (url) => introduced.push(url) })
    expect(await all(visitor().hello(`${them.url}/`))).toMatchObject([{ type: 'greeted', dialect }])
    expect(introduced).toEqual([])
    expect(them.calls.map(({ path }) => path)).toEqual(['/', '/'])
  })

  test.each([
    ['text', Buffer.from('a < b & c\r\nd ]]> ä\n')],
    ['nothing', Buffer.alloc(0)],
    ['bytes that are no text', Buffer.from(bytesOf(300_000))]
  ])('sends %s, which is kept and offered', async (_, content) => {
    const source = sourceOf(content)
    const them = await foreignPeer(wording, { askedForContent: opens(source) })
    const us = await peer()
    const outcomes = await all(us.ask(them.url, asked({ history: ['http://127.0.0.1:9', us.url] })))
    const offer = { name: 'x', size: content.length, holders: [us.url] }
    expect(outcomes).toEqual([{ type: 'answering' }, { type: 'offered', offer }])
    expect(us.kept.get('x')?.equals(content)).toBe(true)
    await source.closed
    const spelling = dialect === 'simple' ? `${us.url}/simple` : us.url
    expect(them.calls.at(-1)).toMatchObject({ method: 'query', params: ['x', ['http://127.0.0.1:9', spelling]] })
  })

  test.each([
    [{ type: 'missed' }, 'missed'],
    [{ type: 'failed', reason: 'reset', detail: '' }, 'missed'],
    [{ type: 'denied' }, dialect === 'book' ? 'denied' : 'missed']
  ] as const)('says %j as a miss or a refusal', async (outcome, type) => {
    const them = await foreignPeer(wording, { askedForContent: () => of(outcome) })
    expect(await all((await peer()).ask(them.url, asked()))).toEqual([{ type }])
  })

  test('never tells a relay that it is denied, for which the relay would drop us', async () => {
    const them = await foreignPeer(wording, { askedForContent: () => of({ type: 'denied' }) })
    expect(await all((await peer()).ask(them.url, asked({ history: ['http://127.0.0.1:9'] })))).toEqual([
      { type: 'missed' }
    ])
  })

  test('a question taken back stops the work behind it', async () => {
    const [begun, stopped] = [gate(), gate()]
    const waiting: Observable<Outcome> = NEVER.pipe(finalize(stopped.open))
    const them = await foreignPeer(wording, {
      askedForContent: ({ name }) => {
        if (name === '') return of({ type: 'missed' })
        begun.open()
        return waiting
      }
    })
    const asking = (await peer()).ask(them.url, asked()).subscribe()
    await begun.opened
    asking.unsubscribe()
    await stopped.opened
  })

  test('may take longer than its deadline once its answer is on its way', async () => {
    const source = sourceOf(bytesOf(1_000))
    const later: Inbound['askedForContent'] = ({ name }) =>
      name === ''
        ? of({ type: 'missed' })
        : concat(of<Outcome>({ type: 'answering' }), of({ type: 'opened' as const, source }).pipe(delay(600)))
    const them = await foreignPeer(wording, { askedForContent: later }, 100)
    const us = await peer()
    const outcomes = await all(us.ask(them.url, asked()))
    expect(outcomes.at(-1)?.type).toBe('offered')
  })

  test.each([
    ['done', wording.fetched],
    ['missed', dialect === 'book' ? 100 : 2],
    ['denied', dialect === 'book' ? 200 : 2],
    ['failed', dialect === 'book' ? 1 : 2]
  ] as const)('fetch that ends with %s is answered as the program does', async (end, said) => {
    const them = await foreignPeer(wording, { askedToFetch: (_, secret) => of(secret === 's' ? end : 'denied') })
    const response = await fetch(them.url, { method: 'POST', body: encodeCall('fetch', ['x', 's']) })
    const answer = decodeResponse(Buffer.from(await response.arrayBuffer()))
    expect(answer.type === 'fault' ? answer.code : answer.value).toBe(said)
  })
})

test('text with CR goes as text to who wants it, and as base64 through a relay, which would lose the CR', async () => {
  const { url } = await peer({ askedForContent: () => of({ type: 'opened', source: sourceOf(Buffer.from('a\r\nb')) }) })
  const bodyFor = async (history: string[]) =>
    (await fetch(`${url}/RPC2`, { method: 'POST', body: encodeCall('query', ['x', history]) })).text()
  expect(await bodyFor([])).toContain('a&#13;')
  expect(await bodyFor(['http://a'])).toContain('a&#13;')
  expect(await bodyFor(['http://a', 'http://b'])).toContain('<base64>')
})

test('a file that changes before a byte of it was sent is a miss', async () => {
  const source: Source = {
    ...sourceOf(new Uint8Array()),
    read: () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('changed')) }) })
  }
  const { url } = await peer({ askedForContent: () => of({ type: 'opened', source }) })
  const response = await fetch(url, { method: 'POST', body: encodeCall('query', ['x', []]) })
  expect(decodeResponse(Buffer.from(await response.arrayBuffer()))).toMatchObject({ type: 'fault', code: 100 })
})

test('a foreign caller hears of a miss although our own peers are silent', async () => {
  const stopped = gate()
  const silent: Observable<Outcome> = NEVER.pipe(finalize(stopped.open))
  const { url } = await peer({ askedForContent: () => silent }, { limits: { foreignDeadlineMs: 100 } })
  const response = await fetch(url, { method: 'POST', body: encodeCall('query', ['x', ['http://a']]) })
  expect(decodeResponse(Buffer.from(await response.arrayBuffer()))).toMatchObject({ type: 'fault', code: 100 })
  await stopped.opened
})

test('a p2p-rx peer known by its path for the first program is asked in that tongue', async () => {
  const spellings: string[] = []
  const them = await peer({
    askedForContent(question, as) {
      spellings.push(as)
      return opens(sourceOf(Buffer.from('text')))(question, as)
    }
  })
  const us = await peer()
  expect((await all(us.ask(`${them.url}/simple`, asked()))).at(-1)).toMatchObject({ type: 'offered' })
  expect(us.kept.get('x')?.toString()).toBe('text')
  expect(new Set(spellings)).toEqual(new Set([`${them.url}/simple`]))
})

test('whoever reaches itself is told so, and introduces itself to nobody', async () => {
  const introduced: string[] = []
  const us = await peer({ introduced: (url) => introduced.push(url) })
  expect(await all(us.hello(us.url.replace('127.0.0.1', 'localhost')))).toMatchObject([
    { type: 'failed', reason: 'ourselves' }
  ])
  expect(introduced).toEqual([])
})

describe('neighbours that are none', () => {
  test.each([
    ['a web site', 200, 'text/html', '<html></html>', 'not-a-peer'],
    ['a server of other things', 404, 'text/plain', 'no', 'not-a-peer'],
    ['one that redirects', 302, 'text/plain', '', 'not-a-peer'],
    ['one that talks nonsense', 200, 'text/xml', 'hello', 'nonsense'],
    ['one that knows no method', 200, 'text/xml', encodeFault(1, 'no such method'), 'not-a-peer'],
    ['one that is overloaded', 200, 'text/xml', encodeFault(100, 'later'), 'timed-out'],
    ['one that talks without end', 200, 'text/xml', Buffer.alloc(2_000_000, ' '), 'nonsense']
  ])('%s', async (_, status, type, body, reason) => {
    const { url } = await serverWith((request, response) => {
      request.resume()
      response.writeHead(status, { 'Content-Type': type, Location: 'http://127.0.0.1:9/' }).end(body)
    })
    expect(await all((await peer()).hello(url))).toMatchObject([{ type: 'failed', reason }])
  })

  test('one that says nothing is given up at the deadline', async () => {
    const { url } = await serverWith(() => undefined)
    expect(await all((await peer()).ask(url, asked({ deadlineMs: 200 })))).toMatchObject([
      { type: 'failed', reason: 'timed-out' }
    ])
  })

  test.each(['https://127.0.0.1:9', 'ftp://127.0.0.1', 'nothing', 'http://'])('%s', async (url) => {
    expect(await all(visitor().hello(url))).toMatchObject([{ type: 'failed', reason: 'not-a-peer' }])
  })
})

test('a neighbour that changes its tongue is learnt anew after the first failure', async () => {
  const inbound = inboundWith()
  const speaker = { inbound, as: () => 'http://f', deadlineMs: 1_000 }
  let methods = p2prxMethods({ id: 'theirs', software: { name: 'x', version: '1' } }, speaker)
  const { url } = await serverWith((request, response) => {
    void createCallHandler({ methods, overloaded: encodeFault(100, '') }, DEFAULT_LIMITS, { count: 0 })(
      request,
      response
    )
  })
  const us = await peer()
  expect(await all(us.hello(url))).toMatchObject([{ dialect: 'p2prx' }])
  methods = foreignMethods(BOOK, speaker)
  expect(await all(us.ask(url, asked()))).toMatchObject([{ type: 'failed' }])
  expect(await all(us.ask(url, asked()))).toEqual([{ type: 'missed' }])
  expect(await all(us.list(url, ''))).toMatchObject([{ type: 'failed', reason: 'not-a-peer' }])
})
