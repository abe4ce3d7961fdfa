import { createPublicKey, randomBytes } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createSecureContext, type SecureContextOptions, type TLSSocket } from 'node:tls'
import { firstValueFrom, lastValueFrom } from 'rxjs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createCertificate } from '../../src/transport/tls/certificate.js'
import { newPeerKey, peerIdOf, readPeerKey } from '../../src/transport/tls/identity.js'
import { networkCa } from '../../src/transport/tls/network-ca.js'
import type { StartedPeer } from '../peer/network.js'
import { connectTo, raw, untilClosed } from '../transport/http/peers.js'
import { credentials, member, OTHER_SECRET, outsider, SECRET, selfMade } from './private.js'

const STARTED = 'http.server.request.start'

/** Requests of which a server of this process has seen the first byte of a head. */
function requestsAt({ url }: StartedPeer): () => number {
  let count = 0
  const count1 = (message: unknown) => {
    const { request } = message as { request: IncomingMessage }
    if (request.socket.localPort === Number(new URL(url).port)) count++
  }
  subscribe(STARTED, count1)
  onTestFinished(() => {
    unsubscribe(STARTED, count1)
  })
  return () => count
}

/** All that comes back until the other side hangs up, after a request that was sent as early as can be. */
function answerTo(socket: TLSSocket, request: string): Promise<string> {
  socket.write(request)
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    // That the handshake broke is an error to some of them, and silence to others.
    socket.once('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
  })
}

const GET = (name: string, headers = '') => `GET /files/${name} HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}\r\n`
const CALL = (method: string, members: string) => {
  const xml = `<?xml version="1.0"?><methodCall><methodName>${method}</methodName><params><param><value><struct>${members}</struct></value></param></params></methodCall>`
  return `POST /RPC2 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/xml\r\nConnection: close\r\nContent-Length: ${xml.length}\r\n\r\n${xml}`
}
const hello = (id: string) =>
  CALL(
    'p2prx.hello',
    `<member><name>url</name><value></value></member><member><name>id</name><value>${id}</value></member><member><name>v</name><value><int>1</int></value></member>`
  )

/** A certificate for a new key, signed by somebody who is a member, but no authority. */
function signedByMember() {
  const [memberKey, key] = [newPeerKey(), newPeerKey()]
  const ours = credentials(SECRET, { key: memberKey })
  const cert = createCertificate({
    kind: 'member',
    publicKey: createPublicKey(key),
    signingKey: readPeerKey(memberKey)
  })
  return { key, cert: `${cert}\n${ours.cert}\n${networkCa(SECRET).certificate}` }
}

describe('refused in the handshake, without a byte that reaches the peer:', () => {
  const outsiders: Record<string, () => SecureContextOptions> = {
    'a member of another network': () => credentials(OTHER_SECRET),
    'one without a certificate': () => ({}),
    'one with a certificate that has expired': () => credentials(SECRET, { notAfter: new Date(Date.now() - 1_000) }),
    'one with a certificate of his own making': () => selfMade(),
    'one whose certificate was signed by a member, not by the network': () => signedByMember(),
    'a member who wants an older TLS': () => ({ ...credentials(SECRET), maxVersion: 'TLSv1.2' })
  }
  test.each(Object.entries(outsiders))('%s', async (_, shows) => {
    const peer = await member({ 'secret.txt': 'secret' })
    const requests = requestsAt(peer)
    expect(await answerTo(outsider(peer.url, shows()), GET('secret.txt'))).toBe('')
    expect(await answerTo(outsider(peer.url, shows()), hello('x'))).toBe('')
    expect(requests()).toBe(0)
    // The way is open for whoever belongs here.
    const ours = await answerTo(outsider(peer.url, credentials(SECRET)), GET('secret.txt', 'Connection: close\r\n'))
    expect(ours).toContain('secret')
    expect(requests()).toBe(1)
  })

  test('one who speaks in the clear', async () => {
    const peer = await member({ 'secret.txt': 'secret' })
    const requests = requestsAt(peer)
    expect(await raw(peer.url, GET('secret.txt'))).not.toContain('HTTP')
    expect(await raw(peer.url, randomBytes(4_096))).not.toContain('HTTP')
    expect(requests()).toBe(0)
  })

  test('a member we refuse', async () => {
    const banned = credentials(SECRET)
    const peer = await member(
      { 'secret.txt': 'secret' },
      { network: { secret: SECRET, refused: [peerIdOf(readPeerKey(banned.key))] } }
    )
    const requests = requestsAt(peer)
    expect(await answerTo(outsider(peer.url, banned), GET('secret.txt'))).toBe('')
    expect(requests()).toBe(0)
  })
})

test('a member refused in the middle of a connection loses it at once, and finds no way back', async () => {
  const [holder, banned] = [await member({ 'a.txt': 'a' }), await member()]
  await firstValueFrom(banned.peer.hello(holder.url))
  const key = newPeerKey()
  const idle = outsider(holder.url, credentials(SECRET, { key }))
  await once(idle, 'secureConnect')
  idle.write(GET('a.txt'))
  await once(idle, 'data')
  holder.peer.setRefused([banned.peer.id ?? '', peerIdOf(readPeerKey(key))])
  await untilClosed(idle)
  await expect(lastValueFrom(banned.peer.fetch('a.txt'))).rejects.toMatchObject({ code: 'NETWORK' })
})

test('what is no id is never taken for one that is refused', async () => {
  const { peer } = await member()
  expect(() => peer.setRefused(['somebody'])).toThrow(expect.objectContaining({ code: 'USAGE' }))
})

test('nor do we call a member we refuse', async () => {
  const [ours, other] = [await member(), await member()]
  ours.peer.setRefused([other.peer.id ?? ''])
  const requests = requestsAt(other)
  await expect(firstValueFrom(ours.peer.hello(other.url))).rejects.toMatchObject({ code: 'DENIED' })
  expect(requests()).toBe(0)
})

describe("a member who takes another's id", () => {
  test('cannot show its certificate, since the key is not his', () => {
    const [victim, ours] = [credentials(SECRET), credentials(SECRET)]
    expect(() => createSecureContext({ cert: victim.cert, key: ours.key })).toThrow('key values mismatch')
  })

  test('is refused when he claims it in a greeting', async () => {
    const [peer, victim] = [await member(), await member()]
    const key = newPeerKey()
    const greeting = (id: string) => answerTo(outsider(peer.url, credentials(SECRET, { key })), hello(id))
    expect(await greeting(victim.peer.id ?? '')).toContain('<int>200</int>')
    expect(await greeting(peerIdOf(readPeerKey(key)))).toContain(`<string>${peer.peer.id ?? ''}</string>`)
  })

  test('is refused when he claims it for a download', async () => {
    const [peer, victim] = [await member({ 'a.txt': 'a' }), await member()]
    const key = newPeerKey()
    const download = (id: string) =>
      answerTo(
        outsider(peer.url, credentials(SECRET, { key })),
        GET('a.txt', `P2prx-Peer: ${id}\r\nConnection: close\r\n`)
      )
    expect(await download(victim.peer.id ?? '')).toMatch(/^HTTP\/1.1 403/)
    expect(await download(peerIdOf(readPeerKey(key)))).toMatch(/^HTTP\/1.1 200/)
  })
})

test('no connection continues an earlier one, so nobody is let in unseen', async () => {
  const peer = await member({ 'a.txt': 'a' })
  const key = newPeerKey()
  const shown = credentials(SECRET, { key })
  const sessions: Buffer[] = []
  const first = outsider(peer.url, shown)
  first.on('session', (session: Buffer) => sessions.push(session))
  expect(await answerTo(first, GET('a.txt', 'Connection: close\r\n'))).toMatch(/^HTTP\/1.1 200/)
  const session = sessions[0] ?? first.getSession()
  const again = outsider(peer.url, { ...shown, ...(session === undefined ? {} : { session }) })
  await once(again, 'secureConnect')
  expect(again.isSessionReused()).toBe(false)
  peer.peer.setRefused([peerIdOf(readPeerKey(key))])
  const requests = requestsAt(peer)
  const withSession = outsider(peer.url, { ...shown, ...(session === undefined ? {} : { session }) })
  expect(await answerTo(withSession, GET('a.txt'))).toBe('')
  // Nor without the certificate that was shown the first time.
  const bare = outsider(peer.url, session === undefined ? {} : { session })
  expect(await answerTo(bare, GET('a.txt'))).toBe('')
  expect(requests()).toBe(0)
})

test('a peer that ends waits for nobody who is still in the handshake', async () => {
  const peer = await member()
  const silent = await connectTo(peer.url)
  const closed = once(silent, 'close')
  await peer.peer.destroy()
  await closed
})
