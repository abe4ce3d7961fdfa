import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { python } from '../cli/pty.js'
import { type Person, person } from './people.js'

const PASSWORD = 'correct horse battery staple'
const PATIENT = { timeout: 10_000, interval: 100 }

const withPassword = async (who: Person, password: string) => {
  await writeFile(join(who.home, 'password'), `${password}\n`, { mode: 0o600 })
  return ['--network', 'family', '--password-file', 'password']
}

test('the same name and password make one network, also without an invite', async () => {
  const [ann, bob, eve] = [await person({ 'notes.txt': 'of ann' }), await person(), await person()]
  const { url } = await ann.start(await withPassword(ann, PASSWORD))
  const bobsPeer = await bob.start([...(await withPassword(bob, PASSWORD)), '--peer', url])
  expect(await bob.secret('family')).toBe(await ann.secret('family'))
  await expect.poll(async () => (await bob.peers())[0]?.state, PATIENT).toBe('up')
  expect((await bob.run(['get', 'notes.txt', '-o', '-'])).out).toBe('of ann')

  await eve.start([...(await withPassword(eve, `${PASSWORD}!`)), '--peer', url])
  await expect.poll(async () => (await eve.peers())[0], PATIENT).toMatchObject({ state: 'failing' })
  expect((await eve.run(['get', 'notes.txt', '-o', '-'])).code).not.toBe(0)

  // Kept like any secret: the password is not needed again.
  bobsPeer.child.kill('SIGTERM')
  await bobsPeer.ended
  await bob.start(['--network', 'family', '--peer', url])
  await expect.poll(async () => (await bob.peers())[0]?.state, PATIENT).toBe('up')
})

test.each([
  ['too short', 'elevenchars', /A password has 12 to 1024 characters/, 2],
  ['empty', '', /password is empty/, 2]
])('a password that is %s is refused', async (_, password, message, code) => {
  const ann = await person()
  const args = await withPassword(ann, password)
  const refused = await ann.run(['start', '--dir', 'files', '--port', '0', ...args])
  expect(refused).toMatchObject({ code, out: '' })
  expect(refused.err).toMatch(message)
})

test.each([
  ['without a name', ['--password-file', 'password'], /A network with a password needs a name/],
  ['in the open', ['--open', '--password-file', 'password'], /leave out --open or the network/],
  ['asked for where nobody can be asked', ['--network', 'family', '--password'], /nobody to ask for the password/]
])('a password %s is refused', async (_, args, message) => {
  const ann = await person()
  await withPassword(ann, PASSWORD)
  const refused = await ann.run(['start', '--dir', 'files', '--port', '0', ...args])
  expect(refused).toMatchObject({ code: 2, out: '' })
  expect(refused.err).toMatch(message)
})

test('another password for a network that is there is refused', async () => {
  const ann = await person()
  const running = await ann.start(await withPassword(ann, PASSWORD))
  running.child.kill('SIGTERM')
  await running.ended
  const args = await withPassword(ann, 'another password altogether')
  const refused = await ann.run(['start', '--dir', 'files', '--port', '0', ...args])
  expect(refused).toMatchObject({ code: 13, out: '' })
  expect(refused.err).toMatch(/with another secret than this password gives\. Leave the password out/)
})

test.skipIf(python === undefined)('on a terminal it is asked for twice, and not shown', async () => {
  const ann = await person()
  const args = ['start', '--dir', 'files', '--host', '127.0.0.1', '--port', '0', '--network', 'family', '--password']
  const running = ann.onTerminal(args)
  await running.seen('out', /Password: /)
  running.child.stdin.write(`${PASSWORD}\r`)
  await running.seen('out', /The same again: /)
  running.child.stdin.write(`${PASSWORD}\r`)
  await running.seen('out', /Sharing files with the network family/)
  await running.seen('out', /> /)
  running.child.stdin.write('exit\r')
  expect((await running.ended).code).toBe(0)
  expect(running.text.out).not.toContain(PASSWORD)
})
