import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { python } from '../cli/pty.js'
import { annAndBob, person } from './people.js'

const PATIENT = { timeout: 10_000, interval: 100 }

test('no secret stands in what is written for programs and logs, nor in the list of processes', async () => {
  const [ann, bob] = [await person({ 'notes.txt': 'of ann' }), await person()]
  const annsPeer = await ann.start(['--json'])
  const joining = bob.launch(['join', '--dir', 'files', '--host', '127.0.0.1', '--port', '0', '--json'])
  const invite = await ann.invite()
  joining.child.stdin.end(invite)
  await joining.seen('out', /"listening"/)
  await expect.poll(async () => (await ann.peers())[0]?.state, PATIENT).toBe('up')

  const secrets = [await ann.secret(), invite.split('#')[1] ?? '']
  const lines: string[] = []
  for (const who of [ann, bob])
    for (const args of [
      ['status'],
      ['status', '--json'],
      ['peers', '--json'],
      ['network', '--json'],
      ['get', 'notes.txt', '-o', 'here', '--json'],
      ['network', 'rotate'],
      ['ban', 'a'.repeat(64)]
    ]) {
      const { out, err } = await who.run(args)
      lines.push(out, err)
    }
  secrets.push(await ann.secret(), await bob.secret())
  if (process.platform === 'linux')
    for (const { child } of [annsPeer, joining])
      for (const file of ['cmdline', 'environ']) lines.push(await readFile(`/proc/${child.pid}/${file}`, 'utf8'))
  for (const { child, ended } of [annsPeer, joining]) {
    child.kill('SIGTERM')
    const { out, err } = await ended
    lines.push(out, err)
  }
  const said = lines.join('\n')
  expect(said).toContain('"listening"')
  expect(said).toContain('"secret-changed"')
  for (const secret of secrets) expect(said).not.toContain(secret.slice(0, 16))
})

test('a peer whose words go to a file says how to invite, and not the invite', async () => {
  const { annsPeer } = await annAndBob()
  expect(annsPeer.text.err).toMatch(/^Others join with an invite: p2p-rx invite prints one\.$/m)
  expect(annsPeer.text.err).not.toContain('p2prx://')
  expect(annsPeer.text.out).toBe('')
})

test.skipIf(python === undefined)('on a terminal the invite is shown, and its picture by invite', async () => {
  const ann = await person()
  const running = ann.onTerminal(['start', '--dir', 'files', '--host', '127.0.0.1', '--port', '0'])
  const [invite] = await running.seen('out', /p2prx:\/\/127\.0\.0\.1:\d+\/default#[A-Za-z0-9_-]{48}/)
  const inviting = ann.onTerminal(['invite'])
  await inviting.ended
  expect(inviting.text.out).toContain(invite)
  // A QR code of 37 or more columns, between the marks that make it black and white.
  expect(inviting.text.out).toMatch(/\x1b\[97;40m[█▀▄ ]{37,}\x1b\[0m/)
  const json = ann.onTerminal(['start', '--dir', 'others', '--host', '127.0.0.1', '--port', '0', '--json'])
  await json.seen('out', /p2p-rx invite prints one/)
  expect(json.text.out).not.toContain('p2prx://')
})
