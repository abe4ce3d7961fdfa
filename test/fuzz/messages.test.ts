/** Calls and answers that are well-formed XML-RPC and otherwise anything: none breaks a peer, or gets more than the schemas let through. */
import fc from 'fast-check'
import { firstValueFrom, NEVER, of } from 'rxjs'
import { expect, test } from 'vitest'
import type { Contact, Offer, Outcome, Question } from '../../src/streams/ports.js'
import type { Answer } from '../../src/transport/http/answer.js'
import { BOOK } from '../../src/transport/xmlrpc/book.js'
import {
  decodeCall,
  decodeResponse,
  encodeCall,
  encodeFault,
  encodeResponse
} from '../../src/transport/xmlrpc/codec.js'
import { foreignMethods } from '../../src/transport/xmlrpc/foreign.js'
import { p2prxMethods } from '../../src/transport/xmlrpc/p2prx.js'
import { type Door, dispatch } from '../../src/transport/xmlrpc/serve.js'
import { SIMPLE } from '../../src/transport/xmlrpc/simple.js'
import { withSystem } from '../../src/transport/xmlrpc/system.js'
import { isXmlText, type XmlRpcValue } from '../../src/transport/xmlrpc/values.js'
import { inboundWith } from '../compliance/inbound.js'
import { all, serverWith, visitor } from '../transport/http/peers.js'

const RUNS = { seed: 20_260_804, numRuns: 2_000 }

const ROOT = 'ab'.repeat(32)
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 10 }).filter(isXmlText),
  fc.constantFrom('x', '', '../x', '__proto__', ROOT, 'http://127.0.0.1:9', 'http://h/', 'x'.repeat(5_000))
)
const { value } = fc.letrec<{ value: XmlRpcValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.oneof(fc.constant(null), fc.boolean(), fc.integer(), fc.maxSafeInteger(), fc.constantFrom(-1, 0.5, 1e-7), text),
    fc.uint8Array({ maxLength: 5 }).map((bytes) => Buffer.from(bytes)),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(text, tie('value'), { maxKeys: 4 })
  )
}))

/** A value of the given kind, or now and then another. */
const mostly = (arbitrary: fc.Arbitrary<XmlRpcValue>) =>
  fc.oneof({ arbitrary, weight: 9 }, { arbitrary: value, weight: 1 })
/** A struct of these members, of which one may be missing, and with one more now and then. */
const struct = (members: Readonly<Record<string, fc.Arbitrary<XmlRpcValue>>>) =>
  fc
    .tuple(
      fc.record(members, { requiredKeys: [] }),
      fc.record(members),
      fc.nat(5),
      fc.dictionary(text, value, { maxKeys: 1 })
    )
    .map(
      ([some, whole, which, more]): XmlRpcValue =>
        which === 0 ? { ...some } : which === 1 ? { ...whole, ...more } : whole
    )

const urls = mostly(fc.array(text, { maxLength: 80 }))
const query = struct({
  name: mostly(text),
  history: urls,
  asking: urls,
  id: mostly(text),
  deadlineMs: mostly(fc.nat()),
  root: mostly(fc.constant(ROOT))
})
const address = fc.oneof({ arbitrary: fc.constantFrom('http://h', 'http://127.0.0.1:9'), weight: 40 }, text)
const hello = struct({
  url: mostly(address),
  id: mostly(fc.constantFrom('me', 'us', 'x'.repeat(65))),
  v: mostly(fc.constant(1)),
  urls: mostly(fc.array(address, { maxLength: 9 }))
})
const call = fc.oneof(
  fc.tuple(fc.constant('p2prx.query'), fc.tuple(query)),
  fc.tuple(fc.constant('p2prx.hello'), fc.tuple(hello)),
  fc.tuple(fc.constant('p2prx.list'), fc.tuple(struct({ after: mostly(text) }))),
  fc.tuple(fc.constant('query'), fc.tuple(mostly(text), urls)),
  fc.tuple(fc.constantFrom('hello', 'fetch', 'p2prx.peers'), fc.array(mostly(text), { maxLength: 3 })),
  fc.tuple(
    fc.constant('system.multicall'),
    fc.tuple(fc.array(mostly(struct({ methodName: mostly(text), params: mostly(fc.array(value)) })), { maxLength: 70 }))
  ),
  fc.tuple(
    text.filter((name) => name.trim() === name && name !== ''),
    fc.array(value, { maxLength: 3 })
  )
)

test('a call of any kind is answered or refused, and what it brings in is within bounds', async () => {
  const questions: Question[] = []
  const introduced: (readonly [string, Contact | undefined])[] = []
  const inbound = inboundWith({
    introduced: (url, about) => introduced.push([url, about]),
    asked: (question) => {
      questions.push(question)
      return of<Outcome>({ type: 'missed' })
    },
    askedForContent: (question) => {
      questions.push(question)
      return of<Outcome>({ type: 'missed' })
    },
    askedToFetch: () => of('denied')
  })
  const speaker = { inbound, as: () => 'http://us', deadlineMs: 1_000 }
  const self = { id: 'us', software: { name: 'x', version: '1' } }
  const doors: Door[] = [
    {
      methods: withSystem(new Map([...p2prxMethods(self, speaker), ...foreignMethods(BOOK, speaker)])),
      overloaded: Buffer.of()
    },
    { methods: withSystem(foreignMethods(SIMPLE, speaker)), overloaded: Buffer.of() }
  ]
  const answered = async (door: Door, body: Buffer) => {
    const sent: Buffer[] = []
    const answer: Answer = {
      callerId: undefined,
      caller: { address: '127.0.0.1', isHere: true },
      mayName: () => true,
      mayIntroduce: () => true,
      gone$: NEVER,
      begin: () => undefined,
      end: (xml) => sent.push(xml),
      stream: () => Promise.reject(new Error('Nothing here has content'))
    }
    await dispatch(door, decodeCall(body), answer)
    expect(sent).toHaveLength(1)
    return decodeResponse(sent[0] ?? Buffer.of())
  }

  await fc.assert(
    fc.asyncProperty(call, async ([method, params]) => {
      for (const door of doors) {
        const answer = await answered(door, encodeCall(method, params))
        if (answer.type === 'value') continue
        expect([1, 100, 200]).toContain(answer.code)
        // That would be an error nobody has thought of.
        expect(answer.message).not.toBe('internal error')
      }
    }),
    RUNS
  )

  expect(questions.length).toBeGreaterThan(200)
  for (const { name, history, asking, id = 'x', root = ROOT, deadlineMs } of questions) {
    expect(name.length).toBeLessThanOrEqual(4_096)
    expect(history.length).toBeLessThanOrEqual(64)
    expect(asking.length).toBeLessThanOrEqual(1_024)
    for (const url of [...history, ...asking]) expect(url.length).toBeLessThanOrEqual(2_048)
    expect(id.length).toBeGreaterThan(0)
    expect(id.length).toBeLessThanOrEqual(64)
    expect(root).toMatch(/^[0-9a-f]{64}$/)
    expect(deadlineMs >= 0 && deadlineMs <= 30_000).toBe(true)
  }
  expect(introduced.length).toBeGreaterThan(20)
  for (const [url] of introduced) expect(['http:', 'https:']).toContain(new URL(url).protocol)
})

test('a question that is asked comes in as it was', async () => {
  const name = fc.string({ unit: 'binary', maxLength: 50 }).filter(isXmlText)
  const url = fc.nat(65_535).map((port) => `http://127.0.0.1:${port}`)
  const question = fc.record({
    name,
    history: fc.array(url, { maxLength: 6 }),
    asking: fc.array(url, { maxLength: 20 }),
    id: fc.uuid(),
    deadlineMs: fc.nat(30_000)
  })
  let came: Question | undefined
  const inbound = inboundWith({
    asked: (asked) => {
      came = asked
      return of<Outcome>({ type: 'missed' })
    }
  })
  const methods = p2prxMethods(
    { id: 'us', software: { name: 'x', version: '1' } },
    { inbound, as: () => '', deadlineMs: 1 }
  )
  const ask = methods.get('p2prx.query')
  await fc.assert(
    fc.asyncProperty(question, async (asked) => {
      const { params } = decodeCall(encodeCall('p2prx.query', [asked]))
      const answer = { gone$: NEVER, begin: () => undefined } as unknown as Answer
      await expect(Promise.resolve(ask?.run(params, answer))).rejects.toMatchObject({ code: 100 })
      expect(came).toEqual(asked)
    }),
    { ...RUNS, numRuns: 500 }
  )
})

test('an answer of any kind to a question, a greeting or a list is an outcome, and nothing beyond bounds is believed', async () => {
  const GREETING = { url: '', id: 'theirs', v: 1, name: 'x', version: '1' }
  let next: Buffer = Buffer.of()
  let greeting: Buffer = encodeResponse(GREETING)
  const { url } = await serverWith((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const isHello = Buffer.concat(chunks).includes('p2prx.hello')
      response.writeHead(200, { 'Content-Type': 'text/xml' }).end(isHello ? greeting : next)
    })
  })
  const addresses = fc.array(address, { maxLength: 68 })
  const offer = struct({
    name: mostly(fc.constant('x')),
    size: mostly(fc.nat()),
    root: mostly(fc.constantFrom('', ROOT)),
    holders: mostly(addresses),
    relays: mostly(addresses)
  })
  const row = struct({
    name: mostly(text),
    size: mostly(fc.nat()),
    modified: mostly(fc.nat()),
    root: mostly(fc.constantFrom('', ROOT))
  })
  const answer = fc.oneof(
    { arbitrary: offer.map(encodeResponse), weight: 4 },
    struct({ files: mostly(fc.array(row, { maxLength: 5 })), more: mostly(fc.boolean()) }).map(encodeResponse),
    hello.map(encodeResponse),
    value.map(encodeResponse),
    fc.tuple(fc.integer(), text).map(([code, message]) => encodeFault(code, message)),
    fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes))
  )
  const offers: Offer[] = []
  await fc.assert(
    fc.asyncProperty(answer, async (bytes) => {
      next = bytes
      greeting = encodeResponse(GREETING)
      const us = visitor()
      const question: Question = { name: 'x', history: [], asking: [], deadlineMs: 5_000 }
      const outcomes = await all(us.ask(url, question))
      for (const outcome of outcomes) {
        expect(['answering', 'offered', 'missed', 'denied', 'failed']).toContain(outcome.type)
        if (outcome.type === 'offered') offers.push(outcome.offer)
      }
      const listed = await firstValueFrom(us.list(url, ''))
      if (!('type' in listed)) for (const file of listed.files) expect(file.size).toBeGreaterThanOrEqual(0)
      greeting = bytes
      expect(['greeted', 'failed']).toContain((await firstValueFrom(us.hello(url))).type)
    }),
    { ...RUNS, numRuns: 400 }
  )
  expect(offers.length).toBeGreaterThan(10)
  for (const { name, size, holders, relays = [], root = ROOT } of offers) {
    expect(name).toBe('x')
    expect(Number.isSafeInteger(size) && size >= 0).toBe(true)
    expect(holders.length).toBeGreaterThan(0)
    expect(Math.max(holders.length, relays.length)).toBeLessThanOrEqual(64)
    for (const holder of [...holders, ...relays]) expect(holder.length).toBeLessThanOrEqual(256)
    expect(root).toBe(ROOT)
  }
})
