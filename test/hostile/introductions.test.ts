/** Where a peer can be sent by somebody who says hello (T16). */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { filter, firstValueFrom } from 'rxjs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { mayName } from '../../src/transport/http/caller-address.js'
import { encodeCall } from '../../src/transport/xmlrpc/codec.js'
import { folder, start } from '../peer/network.js'
import { pythonPost, raw, serverWith } from '../transport/http/peers.js'

const hello = (url: string, named: string) => raw(url, pythonPost(url, '/RPC2', encodeCall('hello', [named])))

/** Something that listens and is no peer; keeps what is said to it. */
async function service(): Promise<{ port: number; said: () => string; called: Promise<unknown> }> {
  let said = ''
  const server = createServer((socket: Socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      said += chunk.toString('latin1')
      socket.end('220 mail.example ESMTP\r\n')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { port: (server.address() as { port: number }).port, said: () => said, called: once(server, 'connection') }
}

describe('whoever says hello', () => {
  test('can make us send the calls of a greeting, with nothing of its own in them, and nothing else', async () => {
    const { port, said, called } = await service()
    const { url, peer } = await start()
    const failing = firstValueFrom(peer.peers$.pipe(filter((peers) => peers.some(({ state }) => state === 'failing'))))
    await hello(url, `http://127.0.0.1:${port}/RPC2`)
    await called
    await failing
    const lines = said().match(/[A-Z]+ \S+ HTTP\/1\.1\r\n/g) ?? []
    expect(new Set(lines)).toEqual(new Set(['POST /RPC2 HTTP/1.1\r\n']))
    expect(lines.length).toBeLessThanOrEqual(3)
    expect(said()).toContain('<methodName>p2prx.hello</methodName>')
  })

  test.each([
    'file:///etc/passwd',
    'gopher://127.0.0.1:70/_x',
    'ftp://127.0.0.1/x',
    'javascript:alert(1)',
    'http://user:password@127.0.0.1:9',
    'http://127.0.0.1:9/admin?delete=all',
    'http://127.0.0.1:9/RPC2#x',
    'http://127.0.0.1:9/RPC2\r\nX-Injected: 1',
    'http://127.0.0.1:99999',
    `http://${'a'.repeat(300)}:9`,
    ''
  ])('sends nobody to %j', async (named) => {
    const { url, peer } = await start()
    expect(await hello(url, named)).toMatch(/^HTTP\/1\.1 200/)
    expect(await firstValueFrom(peer.peers$)).toEqual([])
  })

  test('cannot send us on by a redirect', async () => {
    const canary = await service()
    const { url: redirecting } = await serverWith((request, response) => {
      request.resume()
      response.writeHead(307, { Location: `http://127.0.0.1:${canary.port}/RPC2` }).end()
    })
    const { url, peer } = await start()
    const failing = firstValueFrom(peer.peers$.pipe(filter((peers) => peers.some(({ state }) => state === 'failing'))))
    await hello(url, redirecting)
    await failing
    expect(canary.said()).toBe('')
  })

  test('has no file of ours sent anywhere: a peer that was greeted still has to ask', async () => {
    const { port, said, called } = await service()
    const { url, peer } = await start({}, { dir: await folder({ 'secret.txt': 'CANARY' }) })
    const failing = firstValueFrom(peer.peers$.pipe(filter((peers) => peers.some(({ state }) => state === 'failing'))))
    await hello(url, `http://127.0.0.1:${port}`)
    await called
    await failing
    expect(said()).not.toMatch(/CANARY|secret\.txt/)
  })
})

describe('a caller from another machine', () => {
  const afar = { remoteAddress: '192.0.2.7', localAddress: '192.0.2.1' }
  const inside = [
    'http://127.0.0.1:22',
    'http://127.1:22',
    'http://0x7f.1:22',
    'http://2130706433:22',
    'http://localhost:22',
    'http://LOCALHOST.:22',
    'http://a.localhost:22',
    'http://0.0.0.0:22',
    'http://[::1]:22',
    'http://[::]:22',
    'http://[::ffff:127.0.0.1]:22',
    'http://[::ffff:a9fe:a9fe]:80',
    'http://169.254.169.254:80',
    'http://[fe80::1]:80',
    'http://239.255.255.250:1900',
    'http://[ff02::c]:1900',
    'https://127.0.0.1:22'
  ]

  test.each(inside)('may not name %s', (url) => {
    expect(mayName(afar, url)).toBe(false)
    expect(mayName({ ...afar, remoteAddress: '::ffff:192.0.2.7' }, url)).toBe(false)
    expect(mayName(null, url)).toBe(false)
  })

  test.each([
    'http://192.0.2.9:4242',
    'http://10.0.0.1:4242',
    'http://[2001:db8::1]:4242',
    'http://nas.example:4242',
    ''
  ])('may name %j', (url) => {
    expect(mayName(afar, url)).toBe(true)
  })

  test('is told from one on this machine by its address', () => {
    for (const remoteAddress of ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1', '192.0.2.1', '::ffff:192.0.2.1'])
      for (const url of inside) expect(mayName({ ...afar, remoteAddress }, url)).toBe(true)
  })
})
