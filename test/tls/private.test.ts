import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { filter, firstValueFrom, lastValueFrom, map, toArray } from 'rxjs'
import { expect, test } from 'vitest'
import { createPeer, type KnownPeer, loadPeerKey } from '../../src/index.js'
import { folder, start } from '../peer/network.js'
import { freePort } from '../transport/http/peers.js'
import { member, OTHER_SECRET, recorded, SECRET } from './private.js'

const LARGE = randomBytes(5 * 1024 * 1024 + 123)
const PIECES = { 'large.bin': LARGE, 'small.txt': 'a small one', 'empty.txt': '' }

test('members share and fetch: a file of many pieces, a small one and an empty one', async () => {
  const holder = await member(PIECES)
  const reader = await member({}, { peers: [holder.url] })
  expect(holder.url).toMatch(/^https:/)
  for (const [name, content] of Object.entries(PIECES)) {
    const { path } = await lastValueFrom(reader.peer.fetch(name))
    expect(Buffer.from(content).equals(await readFile(path ?? ''))).toBe(true)
  }
})

test('a file comes from two members at once', async () => {
  const [one, other] = [await member(PIECES), await member(PIECES)]
  const reader = await member({}, { peers: [one.url, other.url] })
  await lastValueFrom(reader.peer.fetch('large.bin'))
  expect(LARGE.equals(await readFile(join(reader.dir, 'large.bin')))).toBe(true)
})

test('bytes come no faster than allowed, and arrive whole', async () => {
  const holder = await member(PIECES)
  const rates = { downloadBytesPerSecond: 16 * 1024 * 1024 }
  const reader = await member({}, { peers: [holder.url], rates })
  await lastValueFrom(reader.peer.fetch('large.bin'))
  expect(LARGE.equals(await readFile(join(reader.dir, 'large.bin')))).toBe(true)
})

test('a query goes on from member to member, and a visitor lists and fetches', async () => {
  const holder = await member({ 'far.txt': 'far away' })
  const middle = await member({}, { peers: [holder.url] })
  const asker = await member({}, { peers: [middle.url], visitor: true })
  expect(await firstValueFrom(asker.peer.query('far.txt'))).toMatchObject({ name: 'far.txt', holders: [holder.url] })
  await lastValueFrom(asker.peer.fetch('far.txt'))
  const files = await lastValueFrom(asker.peer.list(holder.url).pipe(toArray()))
  expect(files.flat().map(({ name }) => name)).toEqual(['far.txt'])
})

test('members know each other by the ids of their keys', async () => {
  const key = await loadPeerKey(await folder())
  const known = await member({}, { network: { secret: SECRET, key } })
  const other = await member()
  const met = await firstValueFrom(other.peer.hello(known.url))
  expect(met.id).toBe(known.peer.id)
  expect(known.peer.id).toMatch(/^[0-9a-f]{64}$/)
  const back = await firstValueFrom(
    known.peer.peers$.pipe(
      map((peers) => peers.find(({ state }) => state === 'up')),
      filter((peer) => peer !== undefined)
    )
  )
  expect(back).toMatchObject({ url: other.url, id: other.peer.id })
})

test('a peer of another network is told apart from one that is not there', async () => {
  const stranger = await start({}, { network: { secret: OTHER_SECRET } })
  const ours = await member()
  await expect(firstValueFrom(ours.peer.hello(stranger.url))).rejects.toMatchObject({ code: 'OTHER_NETWORK' })
  await expect(firstValueFrom(ours.peer.hello('https://127.0.0.1:1'))).rejects.toMatchObject({ code: 'NETWORK' })
})

test('an open peer that answers at a private URL is none of ours', async () => {
  const open = await start()
  const ours = await member()
  const url = open.url.replace('http:', 'https:')
  await expect(firstValueFrom(ours.peer.hello(url))).rejects.toMatchObject({ code: 'OTHER_NETWORK' })
})

test('nothing is ever said in the clear by a private peer, nor by an open one to a private peer', async () => {
  const [open, ours] = [await start(), await member()]
  await expect(firstValueFrom(ours.peer.hello(open.url))).rejects.toMatchObject({ code: 'BAD_URL' })
  await expect(firstValueFrom(open.peer.hello(ours.url))).rejects.toMatchObject({ code: 'BAD_URL' })
  const dir = await folder()
  const network = { secret: SECRET }
  expect(() => createPeer({ dir, network, peers: [open.url] })).toThrow(expect.objectContaining({ code: 'BAD_URL' }))
  expect(() => createPeer({ dir, network, url: open.url })).toThrow(expect.objectContaining({ code: 'BAD_URL' }))
  expect(() => createPeer({ dir, url: ours.url })).toThrow(expect.objectContaining({ code: 'BAD_URL' }))
  expect(() => createPeer({ dir, network: { secret: Buffer.alloc(4) } })).toThrow(
    expect.objectContaining({ code: 'USAGE' })
  )
})

test('who listens in on a whole session learns neither names, nor content, nor the secret', async () => {
  const [name, content] = ['very-private-name.txt', 'very private content '.repeat(200_000)]
  const [holderPort, readerPort] = [await freePort(), await freePort()]
  const line = await recorded(`https://127.0.0.1:${holderPort}`)
  const backLine = await recorded(`https://127.0.0.1:${readerPort}`)
  // They know each other by the lines alone.
  const holder = await member({ [name]: content }, { url: line.url, port: holderPort })
  const keepSecret = () => Promise.resolve()
  const network = { secret: SECRET, keepSecret }
  const reader = await member({}, { network, url: backLine.url, port: readerPort, peers: [line.url] })
  await lastValueFrom(reader.peer.fetch(name))
  const { root } = await firstValueFrom(reader.peer.query(name))
  await lastValueFrom(reader.peer.list(line.url))
  await firstValueFrom(holder.peer.hello(backLine.url))
  // Whoever comes later is told of the reader by the holder, and then handed another secret.
  const third = await member({}, { network, peers: [line.url] })
  const isKnown = map((known: readonly KnownPeer[]) =>
    known.some(({ id, state }) => id === reader.peer.id && state === 'up')
  )
  await firstValueFrom(third.peer.peers$.pipe(isKnown, filter(Boolean)))
  const handed = await lastValueFrom(holder.peer.handSecret(OTHER_SECRET).pipe(toArray()))
  expect(handed).toContainEqual({ url: backLine.url, id: reader.peer.id, taken: true })
  const bytes = Buffer.concat([line.bytes(), backLine.bytes()])
  expect(bytes.length).toBeGreaterThan(content.length)
  const hidden = [
    name,
    'very private',
    'p2prx',
    'methodCall',
    root ?? 'no root',
    holder.peer.id,
    reader.peer.id,
    third.peer.id
  ]
  for (const text of hidden) expect(bytes.includes(text ?? ''), text).toBe(false)
  for (const secret of [SECRET, OTHER_SECRET, Buffer.from(root ?? '', 'hex')])
    for (const form of ['hex', 'base64', 'base64url', 'latin1'] as const)
      expect(bytes.includes(secret.toString(form).replace(/=+$/, ''), 0, 'latin1'), form).toBe(false)
  expect(bytes.includes(Buffer.from(holder.peer.id ?? '', 'hex'))).toBe(false)
})
