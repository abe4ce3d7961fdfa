import { hostname, userInfo } from 'node:os'
import { filter, firstValueFrom, map, type Observable } from 'rxjs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createPeer } from '../../src/index.js'
import type { Sighting } from '../../src/streams/ports.js'
import { createThrottle } from '../../src/streams/throttle.js'
import { createLan } from '../../src/transport/mdns/lan.js'
import { networkMark } from '../../src/transport/mdns/mark.js'
import { isModest } from '../../src/transport/mdns/socket.js'
import { folder, type StartedPeer, start } from '../peer/network.js'
import { nearby, OURS, SECRET } from './multicast.js'

/** Everything seen until the test is over. */
function watched(meeting$: Observable<Sighting>): Sighting[] {
  const seen: Sighting[] = []
  const watching = meeting$.subscribe((sighting) => seen.push(sighting))
  onTestFinished(() => watching.unsubscribe())
  return seen
}

const seenFirst = (meeting$: Observable<Sighting>) =>
  firstValueFrom(meeting$.pipe(map((sighting) => (sighting.type === 'found' ? sighting.contact.urls : sighting))))

describe('those nearby', () => {
  test('two of one network find each other; one of another network is found by neither', async (context) => {
    const { lan } = await nearby(context)
    const stranger = watched(lan(networkMark('another secret')).meet('http://127.0.0.1:3'))
    const second = watched(lan().meet('http://127.0.0.1:2'))
    expect(await seenFirst(lan().meet('http://127.0.0.1:1'))).toContain('http://127.0.0.1:2')
    expect(second.every(({ type }) => type === 'found')).toBe(true)
    expect(stranger).toEqual([])
  })

  test('what is sent names neither this machine, nor its user, nor the secret; the last word is a goodbye', async (context) => {
    const { lan, packets } = await nearby(context)
    watched(lan().meet('http://127.0.0.1:2'))
    await seenFirst(lan().meet('http://127.0.0.1:4711'))
    await expect.poll(() => packets.some((packet) => ttlOfFirstPointer(packet) === 0)).toBe(true)
    const all = Buffer.concat(packets).toString('latin1')
    expect(all).toContain(`n=${OURS}`)
    for (const name of [hostname(), userInfo().username, SECRET]) expect(all).not.toContain(name)
  })

  test('a peer that listens elsewhere now is seen again', async (context) => {
    const { lan } = await nearby(context)
    const seen = watched(lan().meet('http://127.0.0.1:1'))
    const urls = () => seen.flatMap((sighting) => (sighting.type === 'found' ? sighting.contact.urls : []))
    const before = lan().meet('http://127.0.0.1:2').subscribe()
    await expect.poll(urls).toContain('http://127.0.0.1:2')
    before.unsubscribe()
    watched(lan().meet('http://127.0.0.1:5'))
    await expect.poll(urls).toContain('http://127.0.0.1:5')
  })

  test.each([
    ['no network at all', () => []],
    ['an address that is not ours', () => ['192.0.2.1']]
  ])('with %s the peer is told so once, and goes on', async (_, interfaces) => {
    const neighbourhood = createLan({ mark: OURS, port: 5_399, interfaces })
    const peer = createPeer({ dir: await folder(), port: 0, neighbourhood })
    onTestFinished(() => peer.destroy())
    const problem = await firstValueFrom(peer.event$.pipe(filter(({ type }) => type === 'problem-found')))
    expect(problem).toMatchObject({ code: 'NETWORK', message: expect.stringContaining('nearby') as string })
    await firstValueFrom(peer.shared$)
  })

  test('two peers that were told nothing of each other share their files', async (context) => {
    const { lan } = await nearby(context)
    await start({ 'a.txt': 'here' }, { neighbourhood: lan() })
    const { peer } = await start({}, { neighbourhood: lan() })
    await firstValueFrom(peer.peers$.pipe(filter((peers) => peers.some(({ state }) => state === 'up'))))
    expect(await firstValueFrom(peer.query('a.txt'))).toMatchObject({ size: 4 })
  })

  test('started again on other ports they find each other without a hand, and one row is left of each', async (context) => {
    const { lan } = await nearby(context)
    const stateDirs = [await folder(), await folder()]
    const both = () => Promise.all(stateDirs.map((stateDir) => start({}, { stateDir, neighbourhood: lan() })))
    const up = ({ peer }: StartedPeer) =>
      firstValueFrom(peer.peers$.pipe(filter((peers) => peers.length === 1 && peers[0]?.state === 'up')))
    const before = await both()
    const [known] = await Promise.all(before.map(up))
    for (const { peer } of before) await peer.close()
    const [one, other] = await both()
    if (one === undefined || other === undefined) throw new Error('there are two of them')
    expect(await up(one)).toMatchObject([{ id: known?.[0]?.id, url: other.url }])
    expect(await up(other)).toMatchObject([{ url: one.url }])
  })

  test('packets that would take long to read are not read, and the peer still finds others', async (context) => {
    const { lan, send } = await nearby(context)
    const seen = watched(lan().meet('http://127.0.0.1:1'))
    for (let count = 0; count < 200; count++) await send(pointers(4_000))
    watched(lan().meet('http://127.0.0.1:2'))
    await expect.poll(() => seen.length).toBeGreaterThan(0)
  })
})

test('a network full of peers that are none is passed on in a bounded number', async (context) => {
  const { lan, send } = await nearby(context)
  const seen = watched(lan().meet('http://127.0.0.1:1'))
  for (let count = 0; count < 600; count++) await send(claim(`w${count}`, 1_000 + count))
  await expect.poll(() => seen.length).toBe(64)
})

describe('the rules of those nearby', () => {
  test('the mark tells networks apart, is the same each time, and is 16 bytes', () => {
    expect(networkMark('one')).toBe(networkMark(Buffer.from('one')))
    expect(networkMark('one')).not.toBe(networkMark('two'))
    expect(networkMark('one')).toMatch(/^[0-9a-f]{32}$/)
  })

  test.each([
    ['shorter than a head', Buffer.alloc(11), false],
    ['no records', Buffer.alloc(12), true],
    ['64 records', pointers(64), true],
    ['65 records', pointers(65), false],
    ['more than a frame', Buffer.alloc(1_501), false]
  ])('a packet with %s: %#', (_, packet, modest) => {
    expect(isModest(packet)).toBe(modest)
  })

  test('so many are taken in a stretch of time, and again in the next, also when the clock is set back', () => {
    let now = 0
    const take = createThrottle(2, 10, () => now)
    const taken = [0, 1, 9, 10, 11, 12, 5].map((at) => {
      now = at
      return take()
    })
    expect(taken).toEqual([true, true, false, true, true, false, true])
  })
})

/** A packet that says it has so many answers, each a pointer to one name. */
function pointers(count: number): Buffer {
  const head = Buffer.from([0, 0, 0x84, 0, 0, 0, count >> 8, count & 0xff, 0, 0, 0, 0])
  const record = Buffer.from([0xc0, 12, 0, 12, 0, 1, 0, 0, 0, 60, 0, 2, 0xc0, 12])
  return Buffer.concat([head, ...Array.from({ length: Math.min(count, 100) }, () => record)])
}

/** An announcement of our network by somebody with this word. */
function claim(word: string, port: number): Buffer {
  const name = (text: string) =>
    Buffer.concat([
      ...text.split('.').map((part) => Buffer.from(`${String.fromCharCode(part.length)}${part}`)),
      Buffer.of(0)
    ])
  const record = (owner: string, type: number, data: Buffer) =>
    Buffer.concat([name(owner), Buffer.of(0, type, 0, 1, 0, 0, 0, 60, data.length >> 8, data.length & 0xff), data])
  const service = '_p2prx._tcp.local'
  const text = `n=${OURS}`
  return Buffer.concat([
    Buffer.of(0, 0, 0x84, 0, 0, 0, 0, 3, 0, 0, 0, 0),
    record(service, 12, name(`${word}.${service}`)),
    record(
      `${word}.${service}`,
      33,
      Buffer.concat([Buffer.of(0, 0, 0, 0, port >> 8, port & 0xff), name(`${word}.local`)])
    ),
    record(`${word}.${service}`, 16, Buffer.from(`${String.fromCharCode(text.length)}${text}`))
  ])
}

/** Of an announcement: its first answer is the pointer to the service. */
function ttlOfFirstPointer(packet: Buffer): number | undefined {
  if (packet.length < 12 || packet.readUInt16BE(6) === 0 || packet.readUInt16BE(4) !== 0) return undefined
  const end = packet.indexOf(0, 12)
  return packet.readUInt32BE(end + 5)
}
