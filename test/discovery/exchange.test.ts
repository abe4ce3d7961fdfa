import { filter, firstValueFrom, type Observable } from 'rxjs'
import { describe, expect, test } from 'vitest'
import type { KnownPeer, Peer } from '../../src/index.js'
import { MAX_KNOWN_PEERS, MAX_UNMET_PER_NEIGHBOUR } from '../../src/streams/directory-rules.js'
import { believed, createTelling, MAX_CONTACTS } from '../../src/streams/exchange.js'
import type { Contact } from '../../src/streams/ports.js'
import { decodeResponse, encodeCall } from '../../src/transport/xmlrpc/codec.js'
import { folder, start } from '../peer/network.js'

const EXCHANGE = { exchange: true }

const until = (peers$: Observable<readonly KnownPeer[]>, ready: (peers: readonly KnownPeer[]) => boolean) =>
  firstValueFrom(peers$.pipe(filter(ready)))
const meets = (peer: Peer, url: string) =>
  until(peer.peers$, (peers) => peers.some((known) => known.url === url && known.state === 'up'))

describe('three peers in a chain', () => {
  test('the third finds the first through the second, and the first the third', async () => {
    const first = await start({ 'first.txt': '1' }, EXCHANGE)
    const second = await start({}, { ...EXCHANGE, peers: [first.url] })
    await meets(first.peer, second.url)
    const third = await start({}, { ...EXCHANGE, peers: [second.url] })
    await meets(third.peer, first.url)
    await meets(first.peer, third.url)
    await second.peer.destroy()
    expect(await firstValueFrom(third.peer.query('first.txt'))).toMatchObject({ holders: [first.url] })
  })

  test('unless they were told to exchange peers, everybody knows whom it was told of', async () => {
    const first = await start()
    const second = await start({}, { peers: [first.url] })
    await meets(first.peer, second.url)
    const third = await start({}, { ...EXCHANGE, peers: [second.url] })
    await meets(third.peer, second.url)
    expect(await call(second.url, 'p2prx.peers', [{}])).toEqual({ peers: [] })
    expect(await firstValueFrom(third.peer.peers$)).toHaveLength(1)
  })
})

describe('a peer that comes back', () => {
  test('all three are started again on other ports, and one that was named is enough to find all', async () => {
    const stateDirs = [await folder(), await folder(), await folder()]
    const again = (index: number, peers: readonly string[] = []) =>
      start({ [`${index}.txt`]: 'x' }, { ...EXCHANGE, peers, stateDir: stateDirs[index] ?? '' })
    const first = await again(0)
    const second = await again(1, [first.url])
    await meets(first.peer, second.url)
    const third = await again(2, [second.url])
    await meets(third.peer, first.url)
    const ids = (await meets(first.peer, third.url)).map(({ id }) => id)
    for (const { peer } of [first, second, third]) await peer.close()

    const firstAgain = await again(0)
    const secondAgain = await again(1, [firstAgain.url])
    const thirdAgain = await again(2, [secondAgain.url])
    const known = await until(
      firstAgain.peer.peers$,
      (peers) => peers.filter(({ state }) => state === 'up').length === 2
    )
    // By their ids the old addresses are those of the same peers: no row is left over.
    expect(known.map(({ id }) => id).sort()).toEqual([...ids].sort())
    expect(known.map(({ url }) => url).sort()).toEqual([secondAgain.url, thirdAgain.url].sort())
  })

  test('peers that answered are looked for at the next start, without a name or a neighbour', async () => {
    const stateDir = await folder()
    const one = await start()
    const other = await start({}, { stateDir, peers: [one.url] })
    await meets(other.peer, one.url)
    await other.peer.close()
    const again = await start({}, { stateDir })
    expect(await meets(again.peer, one.url)).toHaveLength(1)
  })

  test('a peer that is not given time to finish has written down whom it knew, too', async () => {
    const stateDir = await folder()
    const one = await start()
    const other = await start({}, { stateDir, peers: [one.url] })
    await meets(other.peer, one.url)
    await other.peer.destroy()
    const again = await start({}, { stateDir })
    await meets(again.peer, one.url)
  })
})

describe('hostile introductions', () => {
  test('10,000 over the wire stay at the cap, and who answered before is asked as before', async () => {
    const honest = await start({ 'a.txt': 'x' })
    const { peer, url } = await start({}, { ...EXCHANGE, peers: [honest.url] })
    await meets(peer, honest.url)
    let most = 0
    const counting = peer.peers$.subscribe((peers) => (most = Math.max(most, peers.length)))
    for (let at = 0; at < 10_000; at += 50) {
      const hellos = Array.from({ length: 50 }, (_, index) => ({
        methodName: 'p2prx.hello',
        params: [
          {
            url: `http://127.0.0.1:${1 + ((at + index) % 1_000)}/`,
            id: `id-${at + index}`,
            v: 1,
            urls: bogus(at + index)
          }
        ]
      }))
      await call(url, 'system.multicall', [hellos])
    }
    counting.unsubscribe()
    expect(most).toBeLessThanOrEqual(MAX_KNOWN_PEERS)
    expect(await firstValueFrom(peer.query('a.txt'))).toMatchObject({ holders: [honest.url] })
  })
})

/** On this machine, where nobody listens. */
const bogus = (number: number) => Array.from({ length: 8 }, (_, index) => `http://127.1.${number % 250}.${index}:9`)

async function call(url: string, method: string, params: Parameters<typeof encodeCall>[1]) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'text/xml' },
    body: encodeCall(method, params)
  })
  const read = decodeResponse(Buffer.from(await answer.arrayBuffer()))
  return read.type === 'value' ? read.value : read
}

describe('the rules of what is told and believed', () => {
  const contact = (...urls: string[]): Contact => ({ urls })

  test('a long list is told in parts, until all have been told', () => {
    const all = Array.from({ length: 80 }, (_, port) => contact(`http://10.0.0.1:${port + 1}`))
    const tell = createTelling(() => all)
    const told = [tell(), tell(), tell()]
    expect(told.map(({ length }) => length)).toEqual([MAX_CONTACTS, MAX_CONTACTS, MAX_CONTACTS])
    expect(new Set(told.flat()).size).toBe(80)
  })

  test.each([
    ['http://127.0.0.1:1'],
    ['http://localhost:1'],
    ['http://[::1]:1'],
    ['http://0.0.0.0:1'],
    ['http://169.254.169.254:1'],
    ['http://224.0.0.251:1'],
    ['http://255.255.255.255:1'],
    ['http://[fe80::1]:1'],
    ['http://[ff02::fb]:1'],
    ['http://[::]:1'],
    ['http://2130706433:1'],
    ['file:///etc/passwd'],
    ['gopher://10.0.0.1:1'],
    ['http://10.0.0.1:1/admin'],
    ['http://user:word@10.0.0.1:1'],
    [`http://${'h'.repeat(300)}:1`]
  ])('a neighbour elsewhere cannot send us to %s', (url) => {
    expect(believed([contact(url)], 'http://10.0.0.9:1', undefined)).toEqual([])
    expect(believed([contact(url, 'http://10.0.0.1:1')], 'http://10.0.0.9:1', undefined)).toEqual([
      contact('http://10.0.0.1:1')
    ])
  })

  test('a neighbour on this machine may send us to another one here', () => {
    const here = [contact('http://127.0.0.1:2')]
    expect(believed(here, 'http://127.0.0.1:1', undefined)).toEqual(here)
  })

  test('ourselves, a ninth address and a thirty-third peer are left out', () => {
    const many = Array.from({ length: 40 }, (_, port) => contact(...bogus(port)))
    expect(believed([{ id: 'us', urls: ['http://10.0.0.1:1'] }], 'http://10.0.0.9:1', 'us')).toEqual([])
    const told = believed(many, 'http://127.0.0.1:1', 'us')
    expect(told).toHaveLength(MAX_UNMET_PER_NEIGHBOUR)
    expect(believed([contact(...bogus(1), 'http://127.0.0.1:9')], 'http://127.0.0.1:1', 'us')[0]?.urls).toHaveLength(8)
  })
})
