import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:tls'
import { lastValueFrom } from 'rxjs'
import { expect, onTestFinished, test } from 'vitest'
import { newPeerKey, peerIdOf, readPeerKey } from '../../src/transport/tls/identity.js'
import { createMember } from '../../src/transport/tls/member.js'
import { visitor } from '../transport/http/peers.js'
import { type Credentials, credentials, OTHER_SECRET, SECRET, selfMade } from './private.js'

/** Takes everybody in, writes down what is said to it, and answers nothing. */
async function listener(shown: Credentials) {
  const chunks: Buffer[] = []
  let tell: (chunk: Buffer) => void
  const said = new Promise<Buffer>((resolve) => (tell = resolve))
  const server = createServer({ ...shown, requestCert: true, rejectUnauthorized: false }, (socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      tell(chunk)
    })
  }).listen(0, '127.0.0.1')
  server.on('tlsClientError', () => undefined)
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
  })
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, said, heard: () => Buffer.concat(chunks).toString('latin1') }
}

/** A member that met somebody with this id wherever it calls. */
function caller(refused: readonly string[] = [], pinnedId?: string) {
  const ours = createMember({ secret: SECRET, key: newPeerKey() })
  ours.setRefused(refused)
  const transport = visitor({
    network: {
      member: ours,
      pins: { get: () => pinnedId, set: () => undefined, forget: () => undefined },
      onIdChange: () => undefined
    }
  })
  onTestFinished(() => transport.close())
  return transport
}

/** All that a member does with a peer it was told of. */
async function approach(url: string, ...how: Parameters<typeof caller>): Promise<string[]> {
  const transport = caller(...how)
  const question = { name: 'secret-name', history: [], asking: [], deadlineMs: 5_000 }
  const outcomes = [
    await lastValueFrom(transport.hello(url)),
    await lastValueFrom(transport.ask(url, question)),
    await lastValueFrom(transport.read(url, { name: 'secret-name', start: 0 })),
    await lastValueFrom(transport.rootOf(url, 'secret-name', 0)),
    await lastValueFrom(transport.list(url, 'secret-name'))
  ]
  return outcomes.map((outcome) => ('reason' in outcome ? outcome.reason : 'none'))
}

test('not a byte is said to who is no member', async () => {
  for (const shown of [
    credentials(OTHER_SECRET),
    selfMade(),
    credentials(SECRET, { notAfter: new Date(Date.now() - 1) })
  ]) {
    const { url, heard } = await listener(shown)
    expect(new Set(await approach(url))).toEqual(new Set(['other-network']))
    expect(heard()).toBe('')
  }
})

test('not a byte is said to a member in the place of another', async () => {
  const { url, heard } = await listener(credentials(SECRET))
  expect(new Set(await approach(url, [], 'ab'.repeat(32)))).toEqual(new Set(['other-id']))
  expect(heard()).toBe('')
})

test('not a byte is said to a member we refuse', async () => {
  const key = newPeerKey()
  const { url, heard } = await listener(credentials(SECRET, { key }))
  expect(new Set(await approach(url, [peerIdOf(readPeerKey(key))]))).toEqual(new Set(['unwanted']))
  expect(heard()).toBe('')
})

test('a member who is who he was hears us', async () => {
  const key = newPeerKey()
  const { url, said } = await listener(credentials(SECRET, { key }))
  const greeting = caller([], peerIdOf(readPeerKey(key)))
    .hello(url)
    .subscribe()
  expect((await said).toString('latin1')).toContain('POST /RPC2')
  greeting.unsubscribe()
})
