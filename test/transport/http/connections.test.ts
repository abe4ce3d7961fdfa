import type { Socket } from 'node:net'
import { concat, delay, finalize, NEVER, of } from 'rxjs'
import { describe, expect, test } from 'vitest'
import type { Outcome, Question } from '../../../src/streams/ports.js'
import { createCallHandler } from '../../../src/transport/http/calls.js'
import { DEFAULT_LIMITS } from '../../../src/transport/http/limits.js'
import { encodeFault } from '../../../src/transport/xmlrpc/codec.js'
import { p2prxMethods } from '../../../src/transport/xmlrpc/p2prx.js'
import { bytesOf, gathered, inboundWith, sourceOf } from '../../compliance/inbound.js'
import { all, freePort, gate, peer, serverWith, visitor } from './peers.js'

const QUESTION: Question = { name: 'x', history: [], asking: [], deadlineMs: 5_000 }

/** A p2p-rx neighbour whose connections can be counted, and cut before a request is answered. */
async function counted(cut: (socket: Socket, requestsOnIt: number) => boolean = () => false) {
  const speaker = { inbound: inboundWith(), as: () => 'http://f', deadlineMs: 1_000 }
  const methods = p2prxMethods({ id: 'theirs', software: { name: 'x', version: '1' } }, speaker)
  const handle = createCallHandler({ methods, overloaded: encodeFault(100, '') }, DEFAULT_LIMITS, { count: 0 })
  const requests = new Map<Socket, number>()
  const { server, url } = await serverWith((request, response) => {
    const count = (requests.get(request.socket) ?? 0) + 1
    requests.set(request.socket, count)
    if (cut(request.socket, count)) request.socket.destroy()
    else void handle(request, response)
  })
  return { url, server, requests: () => [...requests.values()] }
}

describe('connections to a p2p-rx neighbour', () => {
  test('are used again, but for the greeting, which does not know yet whom it greets', async () => {
    const them = await counted()
    const us = await peer()
    await all(us.hello(them.url))
    for (let at = 0; at < 5; at++) expect(await all(us.ask(them.url, QUESTION))).toEqual([{ type: 'missed' }])
    expect(them.requests()).toEqual([1, 5])
  })

  test('that went stale cost nothing but one more connection', async () => {
    const them = await counted((_, requestsOnIt) => requestsOnIt === 2)
    const us = await peer()
    await all(us.hello(them.url))
    for (let at = 0; at < 2; at++) expect(await all(us.ask(them.url, QUESTION))).toEqual([{ type: 'missed' }])
    expect(them.requests()).toEqual([1, 2, 1])
  })

  test('that break when they are new have failed', async () => {
    const them = await counted(() => true)
    expect(await all((await peer()).ask(them.url, QUESTION))).toMatchObject([{ type: 'failed', reason: 'reset' }])
    expect(them.requests()).toEqual([1])
  })

  test('end with the answer when a visitor calls', async () => {
    const them = await counted()
    const us = visitor()
    for (let at = 0; at < 2; at++) expect(await all(us.ask(them.url, QUESTION))).toEqual([{ type: 'missed' }])
    expect(them.requests()).toEqual([1, 1, 1])
  })

  test('are shared by those who learn its tongue at the same time', async () => {
    const them = await counted()
    const us = await peer()
    await Promise.all(Array.from({ length: 5 }, () => all(us.hello(them.url))))
    expect(them.requests()).toEqual([1])
  })
})

test('an answer on its way may take longer than the deadline', async () => {
  const offer = { name: 'x', size: 1, holders: ['http://127.0.0.1:9'] }
  const them = await peer({
    asked: () => concat(of<Outcome>({ type: 'answering' }), of<Outcome>({ type: 'offered', offer }).pipe(delay(900)))
  })
  const outcomes = await all((await peer()).ask(them.url, { ...QUESTION, deadlineMs: 600 }))
  expect(outcomes).toEqual([{ type: 'answering' }, { type: 'offered', offer }])
})

test('a question whose time has gone before there was room for it is not put, and nobody is blamed', async () => {
  const them = await counted()
  const us = await peer()
  expect(await all(us.ask(them.url, { ...QUESTION, deadlineMs: 0 }))).toEqual([{ type: 'missed' }])
  expect(them.requests()).toEqual([])
})

test('an offer of another file than was asked for is nonsense', async () => {
  const offer = { name: 'y', size: 1, holders: ['http://127.0.0.1:9'] }
  const them = await peer({ asked: () => of({ type: 'offered', offer }) })
  expect(await all((await peer()).ask(them.url, QUESTION))).toMatchObject([{ type: 'failed', reason: 'nonsense' }])
})

test('a name that XML cannot carry is a miss, not the neighbour’s fault, and not listed to others', async () => {
  const file = (name: string) => ({ name, size: 1, modifiedMs: 1 })
  const them = await peer({ list: () => ({ files: [file('a\u0001'), file('b')], more: false }) })
  const us = await peer()
  await all(us.hello(them.url))
  expect(await all(us.ask(them.url, { ...QUESTION, name: 'a\u0001' }))).toEqual([{ type: 'missed' }])
  expect(await all(us.list(them.url, ''))).toEqual([{ files: [file('b')], more: false }])
})

describe('the end of listening', () => {
  test('stops what is being answered, closes what is being sent, and frees the port', async () => {
    const [begun, stopped] = [gate(), gate()]
    const source = sourceOf(bytesOf(20_000_000))
    const port = await freePort()
    const them = await peer(
      {
        asked: () => {
          begun.open()
          return NEVER.pipe(finalize(stopped.open))
        },
        open: () => Promise.resolve(source)
      },
      { port }
    )
    const us = await peer()
    const outcomes = all(us.ask(them.url, QUESTION))
    await begun.opened
    const reading = new Promise<unknown>((resolve) => {
      us.read(them.url, { name: 'x', start: 0 }).subscribe((outcome) => {
        them.end()
        if (outcome.type === 'body') gathered(outcome.bytes).then(resolve, resolve)
      })
    })
    expect(await reading).toMatchObject({ code: 'NETWORK' })
    await Promise.all([stopped.opened, source.closed])
    expect(await outcomes).toMatchObject([{ type: 'failed' }])
    await peer({}, { port })
  })

  test('leaves no connection open on either side', async () => {
    const them = await counted()
    const us = await peer()
    await all(us.hello(them.url))
    await all(us.ask(them.url, QUESTION))
    us.end()
    const open = () => new Promise((resolve) => them.server.getConnections((_, count) => resolve(count)))
    await expect.poll(open).toBe(0)
  })

  test('a port in use is said, and nothing else', async () => {
    const { url } = await peer()
    const port = Number(new URL(url).port)
    await expect(peer({}, { port })).rejects.toMatchObject({ code: 'PORT_IN_USE' })
    await expect(peer({}, { host: '192.0.2.1' })).rejects.toMatchObject({ code: 'NETWORK' })
  })
})
