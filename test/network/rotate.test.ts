import { once } from 'node:events'
import { expect, test } from 'vitest'
import { createPeer } from '../../src/index.js'
import { testFolder } from '../cli/program.js'
import { credentials, outsider } from '../tls/private.js'
import { annAndBob, person } from './people.js'

const PATIENT = { timeout: 10_000, interval: 100 }

/** Whether whoever has this secret is let in there. */
async function isLetIn(url: string, secret: Buffer): Promise<boolean> {
  const socket = outsider(url, credentials(secret))
  await Promise.race([once(socket, 'secureConnect'), once(socket, 'close')])
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  let heard = 0
  socket.on('data', (chunk: Buffer) => (heard += chunk.length))
  if (!socket.closed) await once(socket, 'close')
  return heard > 0
}

test('the known members get the new secret and go on; the old one opens nothing any more', async () => {
  const { ann, bob, annsPeer, bobsPeer } = await annAndBob()
  await expect.poll(async () => (await ann.peers())[0]?.state, PATIENT).toBe('up')
  const before = await ann.secret()
  const old = Buffer.from(before, 'base64url')
  expect(await isLetIn(annsPeer.url, old)).toBe(true)
  const held = outsider(annsPeer.url, credentials(old))
  await once(held, 'secureConnect')

  const rotated = await ann.run(['network', 'rotate'])
  expect(rotated).toMatchObject({ code: 0 })
  expect(rotated.out).toMatch(new RegExp(`^${bobsPeer.url} {2}[0-9a-f]{12} {2}has it\\n$`))
  expect(rotated.err).toBe('The network default has a new secret; 1 of 1 known members have it.\n')
  expect(await ann.secret()).not.toBe(before)
  expect(await bob.secret()).toBe(await ann.secret())
  await bobsPeer.seen('err', /^The network default has a new secret, from the member [0-9a-f]{12}\.$/m)

  for (const { url } of [annsPeer, bobsPeer]) {
    expect(await isLetIn(url, old)).toBe(false)
    expect(await isLetIn(url, Buffer.from(await ann.secret(), 'base64url'))).toBe(true)
  }
  // What was open before is closed soon.
  if (!held.closed) await once(held, 'close')
  await expect.poll(async () => (await bob.run(['get', 'notes.txt', '-o', '-'])).out, PATIENT).toBe('of ann')
  await expect.poll(async () => (await ann.run(['get', 'bobs.txt', '-o', '-'])).out, PATIENT).toBe('of bob')
})

test('who was away needs a new invite, and is told so', async () => {
  const { ann, bob, annsPeer, bobsPeer } = await annAndBob()
  await expect.poll(async () => (await ann.peers())[0]?.state, PATIENT).toBe('up')
  bobsPeer.child.kill('SIGTERM')
  await bobsPeer.ended
  const rotated = await ann.run(['network', 'rotate'])
  expect(rotated.code).toBe(7)
  expect(rotated.out).toMatch(/has it not: /)
  expect(rotated.err).toMatch(/0 of 1 known members have it\.\nThose without it are outside now\. .*new invite/)

  await bob.start()
  await expect.poll(async () => (await bob.peers())[0]?.state, PATIENT).toBe('failing')
  // A peer that runs takes it in at once.
  expect((await bob.run(['join', '--replace'], await ann.invite())).code).toBe(0)
  await expect.poll(async () => (await bob.run(['get', 'notes.txt', '-o', '-'])).out, PATIENT).toBe('of ann')
  expect(annsPeer.child.exitCode).toBeNull()
})

test('a banned member is not handed it', async () => {
  const { ann, bob } = await annAndBob()
  await expect.poll(async () => (await ann.peers())[0]?.state, PATIENT).toBe('up')
  const before = await bob.secret()
  await ann.run(['ban', (await ann.peers())[0]?.id ?? ''])
  const rotated = await ann.run(['network', 'rotate'])
  expect(rotated.out).toMatch(/has it not: /)
  expect(await bob.secret()).toBe(before)
})

test('a secret is not taken from somebody who was never met', async () => {
  const { ann, annsPeer } = await annAndBob()
  const secret = Buffer.from(await ann.secret(), 'base64url')
  const stranger = createPeer({ dir: await testFolder(), visitor: true, network: { secret }, peers: [annsPeer.url] })
  await stranger.ready()
  await new Promise((met) => stranger.hello(annsPeer.url).subscribe({ complete: () => met(undefined) }))
  const handed: boolean[] = []
  await new Promise((over) =>
    stranger
      .handSecret(new Uint8Array(32).fill(1))
      .subscribe({ next: ({ taken }) => handed.push(taken), complete: () => over(undefined) })
  )
  await stranger.close()
  // A visitor knows ann; she has never met it at an address of its own.
  expect(handed).toEqual([false])
  expect(Buffer.from(await ann.secret(), 'base64url')).toEqual(secret)
})

test('without a peer that runs nobody could be handed it: that has to be wanted', async () => {
  const ann = await person()
  const running = await ann.start()
  running.child.kill('SIGTERM')
  await running.ended
  const before = await ann.secret()
  const refused = await ann.run(['network', 'rotate'])
  expect(refused).toMatchObject({ code: 2, out: '' })
  expect(refused.err).toMatch(/No peer of yours runs in the network default.*--alone/)
  expect(await ann.secret()).toBe(before)
  expect((await ann.run(['network', 'rotate', '--alone'])).code).toBe(0)
  expect(await ann.secret()).not.toBe(before)
})
