import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { formatInvite } from '../../src/index.js'
import { python } from '../cli/pty.js'
import { annAndBob, person } from './people.js'

/** One peer is told of another a little later. */
const PATIENT = { timeout: 10_000, interval: 100 }

const INVITE = formatInvite({
  addresses: ['https://127.0.0.1:1'],
  name: 'default',
  secret: new Uint8Array(32).fill(9)
})

describe('start, invite, join, get', () => {
  test('is all it takes between two people, in both directions', async () => {
    const { ann, bob } = await annAndBob()
    const got = await bob.run(['get', 'notes.txt', '-o', 'here'])
    expect(got.code, got.err).toBe(0)
    expect(await readFile(join(bob.home, 'here/notes.txt'), 'utf8')).toBe('of ann')
    await expect.poll(async () => (await ann.peers()).map(({ state }) => state), PATIENT).toEqual(['up'])
    expect((await ann.run(['get', 'bobs.txt', '-o', '-'])).out).toBe('of bob')
  })

  test('whoever has joined gets files and looks around without a peer of his own', async () => {
    const [ann, bob] = [await person({ 'notes.txt': 'of ann' }), await person()]
    const { url } = await ann.start()
    await bob.run(['join'], await ann.invite())
    expect((await bob.run(['get', 'notes.txt', '-o', '-'])).out).toBe('of ann')
    expect((await bob.run(['ls', '--peer', url])).out).toMatch(/notes\.txt/)
    expect((await bob.run(['peers', '--peer', url])).out).toMatch(/ up +p2prx .* [0-9a-f]{12}\n$/)
    expect((await bob.run(['get', 'notes.txt', '--peer', url, '-o', '-'])).out).toBe('of ann')
  })

  test('join --dir shares at once', async () => {
    const [ann, bob] = [await person(), await person({ 'bobs.txt': 'of bob' })]
    await ann.start()
    const running = bob.launch(['join', '--dir', 'files', '--host', '127.0.0.1', '--port', '0'])
    running.child.stdin.end(await ann.invite())
    await running.seen('err', /^Sharing files with the network default at https:/m)
    await expect.poll(async () => (await ann.run(['get', 'bobs.txt', '-o', '-'])).out, PATIENT).toBe('of bob')
  })

  test('a network of another name is joined under it, and is taken as the only one', async () => {
    const [ann, bob] = [await person(), await person()]
    const annsPeer = await ann.start(['--network', 'friends'])
    const joined = await bob.run(['join'], await ann.invite())
    expect(joined.err).toMatch(
      /^Joined the private network friends\.\nNext: p2p-rx start --network friends --dir FOLDER\n$/
    )
    await bob.start()
    await expect.poll(async () => (await bob.peers())[0]?.state, PATIENT).toBe('up')
    expect((await bob.run(['network'])).out).toMatch(/^\* friends {2}at https:\S+\n$/)
    annsPeer.child.kill('SIGTERM')
    expect((await annsPeer.ended).code).toBe(0)
  })

  test('several networks without a default have to be named', async () => {
    const bob = await person()
    for (const name of ['work', 'friends']) await bob.run(['join', '--network', name], INVITE)
    const refused = await bob.run(['invite'])
    expect(refused).toMatchObject({ code: 2, out: '' })
    expect(refused.err).toMatch(/several private networks: friends, work\. Name one with --network NAME\.\n$/)
    expect((await bob.run(['network'])).out).toBe('  friends  not running\n  work  not running\n')
  })

  test('an invite names where the peer is, or was last, or whoever invited us', async () => {
    const [ann, bob] = [await person(), await person()]
    const none = await ann.run(['invite'])
    expect(none).toMatchObject({ code: 2, out: '' })
    expect(none.err).toMatch(/no private network\. .*start --dir FOLDER.*join/)

    const annsPeer = await ann.start()
    const invite = await ann.invite()
    expect(invite.startsWith(annsPeer.url.replace('https:', 'p2prx:'))).toBe(true)
    annsPeer.child.kill('SIGTERM')
    await annsPeer.ended
    const later = await ann.run(['invite'])
    expect(later.out.trim()).toBe(invite)
    expect(later.err).toMatch(/Warning: no peer of yours runs .* those of the last time/)

    await bob.run(['join'], invite)
    expect(await bob.invite()).toBe(invite)
  })

  test('who joins again changes nothing; who has another network of that name is told what to do', async () => {
    const bob = await person()
    expect((await bob.run(['join'], INVITE)).code).toBe(0)
    const secret = await bob.secret()
    expect((await bob.run(['join'], INVITE)).code).toBe(0)

    const other = formatInvite({
      addresses: ['https://127.0.0.1:2'],
      name: 'default',
      secret: new Uint8Array(32).fill(3)
    })
    const refused = await bob.run(['join'], other)
    expect(refused).toMatchObject({ code: 13, out: '' })
    expect(refused.err).toMatch(/network default already, which is another one\. .*--network NAME.*--replace/)
    expect(await bob.secret()).toBe(secret)
    expect((await bob.run(['join', '--network', 'second'], other)).code).toBe(0)
    expect((await bob.run(['join', '--replace'], other)).code).toBe(0)
    expect(await bob.secret()).toBe(await bob.secret('second'))
  })
})

describe('where the invite comes from', () => {
  test('as an argument it is taken, with a warning', async () => {
    const bob = await person()
    const joined = await bob.run(['join', INVITE])
    expect(joined).toMatchObject({ code: 0, out: '' })
    expect(joined.err).toMatch(/^Warning: others on this machine can see arguments, and the history of the shell/)
    expect(joined.err).not.toContain(INVITE.split('#')[1])
  })

  test.each([[['join']], [['join', '-']]])('%j reads it from a pipe, without a warning', async (args) => {
    const bob = await person()
    expect(await bob.run(args, `\n${INVITE}\n`)).toMatchObject({
      code: 0,
      out: '',
      err: 'Joined the private network default.\nNext: p2p-rx start --dir FOLDER\n'
    })
    const file = join(bob.home, 'state/p2p-rx/networks/default/secret')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
  })

  test.skipIf(python === undefined)('on a terminal it is asked for, and not shown', async () => {
    const bob = await person()
    const running = bob.onTerminal(['join'])
    await running.seen('out', /Paste the invite \(it is not shown\): /)
    running.child.stdin.write(`${INVITE}\r`)
    await running.seen('out', /Joined the private network default\./)
    expect((await running.ended).code).toBe(0)
    expect(running.text.out).not.toContain(INVITE.slice(0, 20))
  })

  test.each([
    ['nothing', '', /There is no invite/],
    ['a URL', 'https://127.0.0.1:4242', /does not begin with p2prx:/],
    ['half of it', INVITE.slice(0, -20), /damaged or cut off/],
    ['only the beginning', INVITE.slice(0, 30), /cut off/],
    ['a file', 'x'.repeat(100_000), /bytes were piped in/]
  ])('%s is refused in one sentence, and nothing is kept', async (_, input, message) => {
    const bob = await person()
    const refused = await bob.run(['join'], input)
    expect(refused).toMatchObject({ code: 2, out: '' })
    expect(refused.err).toMatch(message)
    expect(refused.err).toMatch(/^p2p-rx: [^\n]+\n$/)
    expect(await readdir(join(bob.home, 'state')).catch(() => [])).toEqual([])
  })
})

test.each([
  ['a peer', ['get', 'x', '--peer', INVITE], /That is an invite, not the URL of a peer\. Run `p2p-rx join`/],
  ['a command', [INVITE], /unknown command/],
  ['one argument too many', ['status', INVITE], /too many arguments/]
])('an invite given as %s is not repeated', async (_, args, message) => {
  const refused = await (await person()).run(args)
  expect(refused).toMatchObject({ code: 2, out: '' })
  expect(refused.err).toMatch(message)
  expect(refused.err).not.toContain(INVITE.split('#')[1])
})

describe('in the open', () => {
  test('a network that is typed is meant, whatever the environment says; typed both, it is refused', async () => {
    const ann = await person()
    const args = ['start', '--dir', 'files', '--host', '127.0.0.1', '--port', '0', '--network', 'friends']
    expect((await ann.run(args, 'exit\n', { P2PRX_OPEN: '1' })).err).toMatch(/with the network friends at https:/)
    const refused = await ann.run([...args, '--open'])
    expect(refused).toMatchObject({ code: 2, out: '' })
    expect(refused.err).toMatch(/leave out --open or the network/)
  })

  test('peers of the other kind are refused in one sentence that says what to do', async () => {
    const ann = await person()
    const open = await ann.run(['start', '--dir', 'files', '--port', '0', '--peer', 'http://127.0.0.1:1'])
    expect(open).toMatchObject({ code: 2, out: '' })
    expect(open.err).toMatch(/http:\/\/127\.0\.0\.1:1 is in the open, and this peer is private\. Add --open /)
    await writeFile(join(ann.home, 'urls.txt'), 'http://127.0.0.1:1\nhttps://127.0.0.1:1\n')
    const listed = await ann.run(
      ['start', '--dir', 'files', '--host', '127.0.0.1', '--port', '0', '--peers', 'urls.txt'],
      'peers\n'
    )
    expect(listed.err).toMatch(/^Warning: 1 of the peers in urls\.txt left out: they are in the open/m)
    expect(listed.out).toMatch(/^https:\/\/127\.0\.0\.1:1 [^\n]*\n$/)
    const visitor = await (await person()).run(['get', 'x', '--peer', 'https://127.0.0.1:1'])
    expect(visitor).toMatchObject({ code: 2, out: '' })
    expect(visitor.err).toMatch(/You are in no private network\. .*p2p-rx join/)
  })

  test('--open makes no network, and its peers are asked in the clear', async () => {
    const [ann, bob] = [await person({ 'notes.txt': 'of ann' }), await person()]
    const running = ann.launch(['start', '--open', '--dir', 'files', '--port', '0', '--no-shell'])
    const [, url = ''] = await running.seen('err', /^Sharing files at (http:\/\/127\.0\.0\.1:\d+)$/m)
    expect((await bob.run(['get', 'notes.txt', '--peer', url, '-o', '-'])).out).toBe('of ann')
    expect(await (await fetch(`${url}/files/notes.txt`)).text()).toBe('of ann')
    expect(await readdir(join(ann.home, 'state/p2p-rx'))).not.toContain('networks')
  })
})
