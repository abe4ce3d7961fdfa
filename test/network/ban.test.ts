import { expect, test } from 'vitest'
import { annAndBob, person } from './people.js'

const PATIENT = { timeout: 10_000, interval: 100 }

test('a banned member is refused at once, and comes back when let in again', async () => {
  const { ann, bob } = await annAndBob()
  await expect.poll(async () => (await ann.peers())[0]?.state, PATIENT).toBe('up')
  expect((await bob.run(['get', 'notes.txt', '-o', '-'])).out).toBe('of ann')
  const id = (await ann.peers())[0]?.id ?? ''

  const banned = await ann.run(['ban', id.slice(0, 12)])
  expect(banned).toMatchObject({ code: 0, out: '' })
  expect(banned.err).toMatch(new RegExp(`^${id.slice(0, 12)} is banned: .*\n.*network rotate\\.\n$`))
  await expect.poll(async () => (await bob.run(['get', 'notes.txt', '-o', '-'])).code, PATIENT).not.toBe(0)
  await expect.poll(async () => (await bob.peers())[0]?.state, PATIENT).toBe('failing')
  expect((await ann.run(['network', '--json'])).out).toContain(id)
  expect((await ann.run(['get', 'bobs.txt', '-o', '-'])).code).not.toBe(0)

  expect((await ann.run(['ban', id])).err).toMatch(/was banned already/)
  expect((await ann.run(['unban', id.slice(0, 8)])).err).toMatch(/is let in again\.\n$/)
  await expect.poll(async () => (await bob.run(['get', 'notes.txt', '-o', '-'])).out, PATIENT).toBe('of ann')
})

test('what is being sent to whoever is banned stops in the middle', async () => {
  const { ann, bob } = await annAndBob({ 'large.bin': 'x'.repeat(8 * 1024 * 1024) }, ['--up', '500K'])
  await expect.poll(async () => (await ann.peers())[0]?.state, PATIENT).toBe('up')
  const getting = bob.launch(['get', 'large.bin', '-o', 'here', '--json'])
  await getting.seen('out', /transfer-started/)
  await ann.run(['ban', (await ann.peers())[0]?.id ?? ''])
  const { code, out } = await getting.ended
  expect(code).not.toBe(0)
  expect(out).not.toContain('transfer-completed')
})

test.each([
  ['a name', ['ban', 'bob'], /"bob" is not the id of a peer/],
  ['a part that nobody has', ['ban', 'abcdef0123'], /No known id begins with abcdef0123/],
  ['a part nobody banned has', ['unban', 'abcdef0123'], /No known id begins with abcdef0123/],
  ['a path', ['ban', '../../x'], /is not the id of a peer/]
])('%s is refused', async (_, args, message) => {
  const ann = await person()
  await ann.start()
  const refused = await ann.run(args)
  expect(refused).toMatchObject({ code: 2, out: '' })
  expect(refused.err).toMatch(message)
})

test('nobody bans a peer of his own, nor anybody where there is no network', async () => {
  const ann = await person()
  expect((await ann.run(['ban', 'a'.repeat(64)])).err).toMatch(/You are in no private network/)
  await ann.start()
  const { out } = await ann.run(['status', '--json'])
  const { network } = JSON.parse(out) as { network: { id: string } }
  expect((await ann.run(['ban', network.id])).err).toMatch(/is your own peer/)
})
