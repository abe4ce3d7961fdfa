import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { environment, PROGRAM } from '../cli/program.js'
import { type Computer, type Running, twoComputers } from '../discovery/namespaces.js'
import { folder } from '../peer/network.js'

/** The figure that is asked for: how long it may take until two are found again whose addresses have changed. */
const FOUND_AGAIN_MS = 5_000

interface Owner {
  readonly home: string
  readonly start: (more?: readonly string[]) => Running
  /** What a command that ends says on stdout. */
  readonly said: (args: readonly string[], stdin?: string) => Promise<string>
}

/** Somebody with a computer of his own, and a folder on it. */
async function ownerOf(computer: Computer, files: Record<string, string> = {}): Promise<Owner> {
  const home = await mkdtemp(join(tmpdir(), 'p2p-rx-owner-'))
  onTestFinished(() => rm(home, { recursive: true, force: true }))
  const dir = await folder(files)
  const env = Object.entries(environment(home, { P2PRX_OPEN: '' })).map(([name, value = '']) => `${name}=${value}`)
  // The environment as words, since a computer of these tests has that of the test.
  const program = [...env, process.execPath, PROGRAM]
  return {
    home,
    start: (more = []) =>
      computer.run('env', ['-i', ...program, 'start', '--dir', dir, '--no-shell', '--json', ...more]),
    async said(args, stdin) {
      const piped = stdin === undefined ? [] : ['sh', '-c', 'printf %s "$0" | "$@"', stdin]
      const running = computer.run('env', ['-i', ...env, ...piped, process.execPath, PROGRAM, ...args])
      await running.ended
      return running.lines.join('\n')
    }
  }
}

const joined = (peer: Running) => peer.line((line) => line.includes('"type":"peer-joined"'))
const listening = (peer: Running) => peer.line((line) => line.includes('"type":"listening"'))

/** Two people on two computers: one began, the other was invited. */
async function annAndBob(one: Computer, other: Computer) {
  one.address('10.78.0.1')
  other.address('10.78.0.2')
  const [ann, bob] = [await ownerOf(one, { 'a.txt': 'of ann' }), await ownerOf(other, { 'b.txt': 'of bob' })]
  const annsPeer = ann.start()
  await listening(annsPeer)
  const invite = await ann.said(['invite'])
  expect(invite).toMatch(/^p2prx:\/\/10\.78\.0\.1:4242\/default#/)
  return { ann, bob, annsPeer, invite }
}

test('start, invite, join, get; then both have other addresses, and find each other without a hand', async (context) => {
  const [one, other] = twoComputers(context)
  const { ann, bob, annsPeer, invite } = await annAndBob(one, other)
  await bob.said(['join', '-'], invite)
  const bobsPeer = bob.start()
  await joined(bobsPeer)
  await bob.said(['get', 'a.txt', '-o', bob.home])
  expect(await readFile(join(bob.home, 'a.txt'), 'utf8')).toBe('of ann')
  for (const peer of [annsPeer, bobsPeer]) await peer.stop()

  one.address('10.78.0.11')
  other.address('10.78.0.12')
  const again = [ann.start(), bob.start()] as const
  const startedMs = performance.now()
  const lines = await Promise.all(again.map(joined))
  const tookMs = performance.now() - startedMs
  expect(lines.join('\n')).toContain('https://10.78.0.11:4242')
  expect(lines.join('\n')).toContain('https://10.78.0.12:4242')
  console.log(`found again after ${Math.round(tookMs)} ms, from the start of both processes`)
  expect(tookMs).toBeLessThan(FOUND_AGAIN_MS)
  expect(await ann.said(['get', 'b.txt', '-o', '-'])).toBe('of bob')
})

test('after its secret was changed a network is found by those who have the new one', async (context) => {
  const [one, other] = twoComputers(context)
  const { ann, bob, annsPeer } = await annAndBob(one, other)
  await ann.said(['network', 'rotate'])
  await annsPeer.line((line) => line.includes('"type":"secret-changed"'))
  // Where the invite leads nobody is any more.
  await bob.said(['join', '-'], (await ann.said(['invite'])).replace('10.78.0.1:', '10.78.0.99:'))
  expect(await joined(bob.start())).toContain('https://10.78.0.1:4242')
})

test('with --no-lan nobody is looked for nearby', async (context) => {
  const [one, other] = twoComputers(context)
  const { ann, bob, annsPeer, invite } = await annAndBob(one, other)
  await annsPeer.stop()
  const hidden = ann.start(['--no-lan'])
  await listening(hidden)
  expect(await ann.said(['status', '--json'])).toContain('"nearby":false')
  // By its address he is met all the same.
  await bob.said(['join', '-'], invite)
  expect(await joined(bob.start(['--no-lan']))).toContain('https://10.78.0.1:4242')
})
