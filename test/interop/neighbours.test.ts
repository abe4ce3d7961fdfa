import { filter, firstValueFrom, lastValueFrom } from 'rxjs'
import { afterEach, describe, expect, test } from 'vitest'
import { Field, FULL_HISTORY, found, freePort, implementations } from './harness.js'
import { errorCode, fetched, startPeer } from './our-peer.js'
import { describeWithPythons } from './pythons.js'
import { asBookNode, call, canned, exchange, faultReply, head, SILENCE } from './raw.js'

/** What a foreign caller waits at most when our own peers are silent. */
const FOREIGN_WAIT_MS = 5_000
/** On top of it, for a machine with other things to do. */
const PATIENCE_MS = 1_500

/** Several, because a peer takes only so many connections from one; outside of Linux there is only one. */
const STORM_ADDRESSES = process.platform === 'linux' ? [1, 2, 3, 4, 5, 6].map((n) => `127.0.0.${n}`) : ['127.0.0.1']

const within = async <T>(limitMs: number, wanted: Promise<T>): Promise<T> => {
  const began = performance.now()
  const result = await wanted
  expect(performance.now() - began).toBeLessThan(limitMs)
  return result
}

/** Accepts and never answers. */
async function startSilent(field: Field): Promise<string> {
  const server = await canned(() => SILENCE)
  field.atEnd(server.close)
  return server.url
}

/** Answers hello, so that it is asked, and then nothing. */
async function startMute(field: Field): Promise<string> {
  const server = await canned(asBookNode(() => SILENCE))
  field.atEnd(server.close)
  return server.url
}

describeWithPythons('neighbours', (python) => {
  const field = new Field()
  afterEach(field.clear)

  for (const implementation of implementations) {
    test(`are learnt to be ${implementation} by asking, and give us their files`, async () => {
      const node = await field.node(python, implementation, { wanted: 'content' })
      const us = await startPeer(field, { peers: [node.url] })
      const known = await firstValueFrom(
        us.peer.peers$.pipe(filter((peers) => peers.some(({ state }) => state === 'up')))
      )
      expect(known).toMatchObject([{ url: node.url, dialect: implementation === '27-1' ? 'simple' : 'book' }])
      expect((await fetched(us, 'wanted')).toString()).toBe('content')
      expect(await errorCode(us.peer.fetch('nowhere'))).toBe('NOT_FOUND')
      // A miss of a 27-1 node is a pair, of a 27-2 node a fault: neither makes it a failing peer.
      expect((await firstValueFrom(us.peer.peers$))[0]?.state).toBe('up')
    })

    test(`learn to ask us when we have said hello (${implementation})`, async () => {
      const client = field.client(python)
      const node = await field.node(python, implementation)
      const us = await startPeer(field, { files: { ours: 'content' } })
      await lastValueFrom(us.peer.hello(node.url))
      expect([...(await node.report()).known]).toContain(us.as(implementation))
      expect(found(await client.call(node.url, 'query', 'ours')).toString()).toBe('content')
      expect(found(await client.call(node.url, 'query', 'missing'))).toBe('missed')
      expect(found(await client.call(node.url, 'query', 'ours')).toString()).toBe('content')
      expect([...(await node.report()).known]).toContain(us.as(implementation))
    })

    test(`answer others at once after we talked to them (${implementation})`, async () => {
      const client = field.client(python)
      const node = await field.node(python, implementation, { wanted: 'content', large: Buffer.alloc(8_000_000, 'x') })
      const us = await startPeer(field, { peers: [node.url] })
      const answers = () => within(2_000, client.call(node.url, 'query', 'nowhere', Array(FULL_HISTORY).fill('')))
      expect(found(await answers())).toBe('missed')
      await lastValueFrom(us.peer.hello(node.url))
      await answers()
      await errorCode(us.peer.query('nowhere'))
      await answers()
      await fetched(us, 'wanted')
      await answers()
      const sent = firstValueFrom(us.peer.event$.pipe(filter((event) => event.type === 'query-sent')))
      const running = us.peer.fetch('large').subscribe()
      await sent
      running.unsubscribe()
      await answers()
    })

    test(`are not waited for when others are silent (${implementation})`, { timeout: 40_000 }, async () => {
      const [client, other] = [field.client(python), field.client(python)]
      const us = await startPeer(field)
      const url = us.as(implementation)
      const relay = await field.node(python, implementation)
      await client.call(relay.url, 'hello', url)
      for (let i = 0; i < 3; i++) await lastValueFrom(us.peer.hello(await startMute(field)))
      await client.call(url, 'hello', await startSilent(field))
      const answers = await within(
        FOREIGN_WAIT_MS + PATIENCE_MS,
        Promise.all([client.call(url, 'query', 'nowhere'), other.call(relay.url, 'query', 'nowhere-else')])
      )
      expect(answers.map(found)).toEqual(['missed', 'missed'])

      const holder = await field.node(python, implementation, { wanted: 'content' })
      await lastValueFrom(us.peer.hello(await startMute(field)))
      await lastValueFrom(us.peer.hello(holder.url))
      const answer = await within(FOREIGN_WAIT_MS, client.call(relay.url, 'query', 'wanted'))
      expect(found(answer).toString()).toBe('content')
      expect((await relay.report()).removed).toEqual([])
    })

    test(`find exactly our announced URL in the history (${implementation})`, async () => {
      const client = field.client(python)
      const port = await freePort()
      for (const url of [`http://127.0.0.1:${port}`, `http://localhost:${port}/`]) {
        const inner = new Field()
        const node = await inner.node(python, implementation)
        const us = await startPeer(inner, { port, url })
        expect(us.url).toBe(url)
        await lastValueFrom(us.peer.hello(node.url))
        await errorCode(us.peer.query('first'))
        await client.call(`http://127.0.0.1:${port}`, 'query', 'second', ['http://127.0.0.1:9'])
        const asked = (await node.report()).asked.map(({ name, history }) => [name, history])
        await inner.clear()
        expect(asked).toEqual([
          ['first', [us.as(implementation)]],
          ['second', ['http://127.0.0.1:9', us.as(implementation)]]
        ])
      }
    })

    test(`do not hang over a second spelling (${implementation})`, { timeout: 60_000 }, async () => {
      const client = field.client(python)
      const us = await startPeer(field)
      const ours = us.as(implementation)
      const node = await field.node(python, implementation, { wanted: 'content' })
      await client.call(node.url, 'hello', ours)
      await client.call(ours, 'hello', `${node.url}/`)
      // The node waits for us while it asks: whoever then asks it under its other name waits for ever.
      const limitMs = FOREIGN_WAIT_MS + PATIENCE_MS
      expect(found(await within(limitMs, client.call(node.url, 'query', 'nowhere')))).toBe('missed')
      await client.call(ours, 'hello', node.url)
      expect(found(await within(limitMs, client.call(node.url, 'query', 'nowhere-2', [`${ours}/`])))).toBe('missed')

      const slashed = await field.node(python, implementation, {}, { spelling: (url) => `${url}/` })
      await client.call(slashed.url, 'hello', ours)
      await client.call(ours, 'hello', slashed.url.slice(0, -1))
      expect(found(await within(limitMs, client.call(slashed.url, 'query', 'nowhere-3')))).toBe('missed')
      expect((await slashed.report()).removed).toEqual([])

      for (const alias of [ours, `${ours}/`, us.url.replace('127.0.0.1', 'localhost')])
        await client.call(ours, 'hello', alias)
      expect(found(await within(limitMs, client.call(ours, 'query', 'nowhere-4')))).toBe('missed')
      expect(found(await client.call(ours, 'query', 'wanted')).toString()).toBe('content')
    })

    test(`keep us through overload and nonsense (${implementation})`, { timeout: 60_000 }, async () => {
      const client = field.client(python)
      const us = await startPeer(field, { files: { ours: 'content' } })
      const url = us.as(implementation)
      await lastValueFrom(us.peer.hello(await startMute(field)))
      const node = await field.node(python, implementation)
      await client.call(node.url, 'hello', url)
      const path = implementation === '27-1' ? '/simple' : '/RPC2'
      const storm = Array.from({ length: 60 * STORM_ADDRESSES.length }, async (_, i) => {
        const body = call(i % 3 === 0 ? 'no_such_method' : 'query', `nowhere-${i}`, ['http://127.0.0.1:9'])
        const localAddress = STORM_ADDRESSES[i % STORM_ADDRESSES.length]
        try {
          return (await exchange({ url: us.url, localAddress }, head(us.url + path, body) + body)).status
        } catch (error) {
          return String(error)
        }
      })
      for (let i = 0; i < 5; i++) await client.call(node.url, 'query', `during-${i}`)
      const statuses = new Set(await Promise.all(storm))
      expect([...statuses]).toEqual([200])
      expect(found(await client.call(node.url, 'query', 'ours')).toString()).toBe('content')
      const { known, removed } = await node.report()
      expect([[...known].includes(url), removed]).toEqual([true, []])
    })
  }
})

describe('a connection', () => {
  const field = new Field()
  afterEach(field.clear)

  test('is closed by us as soon as the answer is here, even when the other side would keep it', async () => {
    const keeping = (body: string) =>
      `HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    const node = asBookNode(() => faultReply(100))
    const server = await canned(
      async (request) => {
        const sent = await node(request)
        return typeof sent === 'string' ? keeping(sent) : sent
      },
      { stay: true }
    )
    field.atEnd(server.close)
    const us = await startPeer(field)
    await lastValueFrom(us.peer.hello(server.url))
    await within(2_000, server.left())
    await errorCode(us.peer.query('nowhere'))
    await within(2_000, server.left())
  })

  test('is closed when we no longer want the answer', async () => {
    const server = await canned(asBookNode(() => SILENCE))
    field.atEnd(server.close)
    const us = await startPeer(field)
    await lastValueFrom(us.peer.hello(server.url))
    const asked = server.received('query')
    const running = us.peer.query('nowhere').subscribe({ error: () => {} })
    await asked
    running.unsubscribe()
    await within(2_000, server.left())
  })
})
