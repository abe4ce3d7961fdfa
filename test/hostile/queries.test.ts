/** Queries that would spread without end, or cost a peer its neighbours (T19, T20, T21, T22). */
import { filter, firstValueFrom, take, toArray } from 'rxjs'
import { expect, onTestFinished, test } from 'vitest'
import type { Peer, PeerEvent } from '../../src/index.js'
import { encodeCall } from '../../src/transport/xmlrpc/codec.js'
import { type StartedPeer, start } from '../peer/network.js'
import { pythonPost, raw } from '../transport/http/peers.js'

const query = (url: string, name: string, history: readonly string[] = []) =>
  raw(url, pythonPost(url, '/RPC2', encodeCall('query', [name, history])))

/** What a peer tells of one kind, from now on. */
function told<K extends PeerEvent['type']>({ event$ }: Peer, type: K): Extract<PeerEvent, { type: K }>[] {
  const events: Extract<PeerEvent, { type: K }>[] = []
  const subscription = event$.subscribe((event) => {
    if (event.type === type) events.push(event as Extract<PeerEvent, { type: K }>)
  })
  onTestFinished(() => subscription.unsubscribe())
  return events
}

const allUp = ({ peer }: StartedPeer, count: number) =>
  firstValueFrom(peer.peers$.pipe(filter((peers) => peers.filter(({ state }) => state === 'up').length === count)))

test('among ten peers that all know each other a file nobody has costs a hundred calls at the most', async () => {
  const peers: StartedPeer[] = []
  for (let nth = 0; nth < 10; nth++) peers.push(await start({}, { peers: peers.map(({ url }) => url) }))
  await Promise.all(peers.map((one) => allUp(one, 9)))
  const sent = peers.map(({ peer }) => told(peer, 'query-sent'))
  const [first] = peers
  await expect(firstValueFrom((first as StartedPeer).peer.query('nowhere.txt'))).rejects.toMatchObject({
    code: 'NOT_FOUND'
  })
  const total = sent.reduce((sum, events) => sum + events.length, 0)
  expect(total).toBeGreaterThanOrEqual(9)
  expect(total).toBeLessThanOrEqual(100)
})

test('one query that comes from two neighbours is passed on once', async () => {
  const far = await start()
  const us = await start({}, { peers: [far.url] })
  await allUp(us, 1)
  const sent = told(us.peer, 'query-sent')
  const asked = (from: string) =>
    raw(
      us.url,
      pythonPost(
        us.url,
        '/RPC2',
        encodeCall('p2prx.query', [{ name: 'x', history: [from], id: 'one', asking: [], deadlineMs: 2_000 }])
      )
    )
  const answers = await Promise.all([asked('http://127.0.0.1:9'), asked('http://127.0.0.1:10')])
  for (const answer of answers) expect(answer).toMatch(/<int>100<\/int>/)
  expect(sent).toHaveLength(1)
})

test('a history of ten thousand URLs is refused, and one that names our neighbours hides them for this query only', async () => {
  const far = await start({ 'x.txt': 'here' })
  const us = await start({}, { peers: [far.url] })
  await allUp(us, 1)
  const sent = told(us.peer, 'query-sent')
  const forged = Array.from({ length: 10_000 }, (_, port) => `http://127.0.0.1:${port}`)
  expect(await query(us.url, 'x.txt', forged)).toMatch(/<fault>[^]*<int>1<\/int>/)
  expect(await query(us.url, 'x.txt', forged.slice(0, 64))).toMatch(/<int>100<\/int>/)
  expect(await query(us.url, 'x.txt', [far.url])).toMatch(/<int>100<\/int>/)
  expect(sent).toEqual([])
  await expect.poll(() => query(us.url, 'x.txt')).toContain('here')
})

test('names that neighbours refuse cost us none of them, and are not passed on', async () => {
  const far = await start()
  const us = await start({}, { peers: [far.url] })
  const before = await allUp(us, 1)
  const received = told(far.peer, 'query-received')
  for (let nth = 0; nth < 100; nth++)
    expect(await query(us.url, `../${nth}`, nth % 2 === 0 ? [] : ['http://127.0.0.1:9'])).toMatch(/<int>(1|2)00<\/int>/)
  expect(received).toEqual([])
  expect(await firstValueFrom(us.peer.peers$)).toEqual(before)
})

test('a peer that dies is dropped from those asked, tried again, and asked again when it is back', async () => {
  const dying = await start({ 'x.txt': 'here' })
  const us = await start({}, { peers: [dying.url] })
  await allUp(us, 1)
  const lostAndFound = firstValueFrom(
    us.peer.event$.pipe(
      filter(({ type }) => type === 'peer-lost' || type === 'peer-joined'),
      take(2),
      toArray()
    )
  )
  await dying.peer.destroy()
  await expect(firstValueFrom(us.peer.query('x.txt'))).rejects.toMatchObject({ code: /NOT_FOUND|NETWORK/ })
  expect(await firstValueFrom(us.peer.peers$)).toMatchObject([{ url: dying.url, state: 'failing' }])
  await start({}, { dir: dying.dir, port: Number(new URL(dying.url).port) })
  expect((await lostAndFound).map(({ type }) => type)).toEqual(['peer-lost', 'peer-joined'])
  await expect.poll(() => query(us.url, 'x.txt')).toContain('here')
})
