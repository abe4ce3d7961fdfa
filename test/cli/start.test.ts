import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { jsonLines, launch, run, serve, testFolder } from './program.js'

/** A peer lists a file that was just written a little later. */
const PATIENT = { timeout: 10_000, interval: 200 }

describe('the shell over a pipe', () => {
  test('fetches from another peer, says nothing on stdout, and misses in the words of the book', async () => {
    const folder = await testFolder()
    await mkdir(join(folder, 'theirs/notes'), { recursive: true })
    await writeFile(join(folder, 'theirs/test.txt'), 'This is a test\n')
    await writeFile(join(folder, 'theirs/notes/two words.txt'), 'spaces')
    const other = await serve(folder, 'theirs')

    const input = `fetch fooo\nhello ${other.url}\nfetch test.txt\nfetch notes/two words.txt\nfetch fooo\nexit\n`
    const ended = await run(folder, ['start', '--dir', 'ours', '--port', '0'], { input })

    expect(ended.out).toBe("Couldn't find the file fooo\nCouldn't find the file fooo\n")
    expect(ended.err).toContain(`Met ${other.url}.\nFetched test.txt (15 B).\nFetched notes/two words.txt (6 B).\n`)
    expect(ended.code).toBe(0)
    expect(await readFile(join(folder, 'ours/test.txt'), 'utf8')).toBe('This is a test\n')
    expect(await readFile(join(folder, 'ours/notes/two words.txt'), 'utf8')).toBe('spaces')
  })

  test('lists files and peers on stdout', async () => {
    const folder = await testFolder()
    await mkdir(join(folder, 'theirs'))
    await writeFile(join(folder, 'theirs/a.txt'), 'a'.repeat(2048))
    await mkdir(join(folder, 'ours'))
    await writeFile(join(folder, 'ours/b b.txt'), 'b')
    const other = await serve(folder, 'theirs')

    await expect.poll(async () => (await run(folder, ['ls', '--peer', other.url])).out, PATIENT).toContain('a.txt')
    const input = `ls\nls ${other.url}\nhello ${other.url}\npeers\n`
    const ended = await run(folder, ['start', '--dir', 'ours', '--port', '0'], { input })

    const [own, theirs, peer, ...rest] = ended.out.split('\n')
    expect(own).toBe('       1 B  b b.txt')
    expect(theirs).toBe('   2.0 KiB  a.txt')
    expect(peer).toMatch(/^http:\/\/127\.0\.0\.1:\d+ {2}up {7}p2prx {2}\d+ ms$/)
    expect(rest).toEqual([''])
    expect(ended.code).toBe(0)
  })

  test('answers a wrong line with one sentence and goes on', async () => {
    const folder = await testFolder()
    const input = 'dance\nfetch\nhello htp:/x\nfetch ../secret\nhelp\n'
    const ended = await run(folder, ['start', '--dir', 'ours', '--port', '0'], { input })
    const talk = ended.err.split('\n')
    expect(talk).toContain('There is no command dance; help lists those there are.')
    expect(talk).toContain('Say which file: fetch NAME.')
    expect(talk).toContainEqual(expect.stringMatching(/^"htp:\/x" is not .* http:\/\/127\.0\.0\.1:4242\.$/))
    expect(talk).toContainEqual(expect.stringMatching(/^"\.\.\/secret" is not the name of a shared file\./))
    expect(ended.out).toMatch(/^fetch NAME .*\n(.+\n)*exit .*\n$/)
    expect(ended.code).toBe(0)
  })

  test('does not replace a file that is here already', async () => {
    const folder = await testFolder()
    await mkdir(join(folder, 'ours'))
    await writeFile(join(folder, 'ours/mine.txt'), 'mine')
    const ended = await run(folder, ['start', '--dir', 'ours', '--port', '0'], { input: 'fetch mine.txt\n' })
    expect(ended.err).toContain('You have mine.txt already. Move it away first to fetch it again.\n')
    expect(ended.out).toBe('')
  })

  test('ends at the end of file, also of one that is empty', async () => {
    const folder = await testFolder()
    const ended = await run(folder, ['start', '--dir', 'ours', '--port', '0'])
    expect(ended).toMatchObject({ code: 0, signal: null, out: '' })
    // The empty line of the book, where the next command would have stood.
    expect(ended.err).toMatch(/\n\n$/)
  })

  test('ends at exit while stdin is still open', async () => {
    const folder = await testFolder()
    const running = launch(folder, ['start', '--dir', 'ours', '--port', '0'])
    running.child.stdin.write('exit\nfetch fooo\n')
    expect(await running.ended).toMatchObject({ code: 0, out: '' })
  })

  test('runs a last line that has no line end', async () => {
    const folder = await testFolder()
    const ended = await run(folder, ['start', '--dir', 'ours', '--port', '0'], { input: 'fetch fooo' })
    expect(ended.out).toBe("Couldn't find the file fooo\n")
  })
})

describe('start', () => {
  test('creates the folder, says so once, and serves in a moment', async () => {
    const folder = await testFolder()
    const startedAtMs = Date.now()
    const running = launch(folder, ['start', '--dir', 'a/b', '--port', '0', '--no-shell'])
    const [, url] = await running.seen('err', /^Sharing a\/b at (http:\/\/127\.0\.0\.1:\d+)$/m)
    expect(Date.now() - startedAtMs).toBeLessThan(5_000)
    expect(running.text.err).toMatch(/^Created the folder a\/b\.$/m)
    expect((await stat(join(folder, 'a/b'))).isDirectory()).toBe(true)
    expect((await fetch(`${url}/nothing-here`)).status).toBe(404)
    running.child.kill('SIGINT')
    await running.ended

    const again = await run(folder, ['start', '--dir', 'a/b', '--port', '0'])
    expect(again.err).not.toContain('Created')
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 0]
  ] as const)('closes cleanly on %s and ends with %i', async (signal, code) => {
    const folder = await testFolder()
    const running = launch(folder, ['start', '--dir', 'ours', '--port', '0', '--no-shell', '--json'])
    await running.seen('out', /"listening"/)
    running.child.kill(signal)
    const ended = await running.ended
    expect(ended).toMatchObject({ code, signal: null })
    expect(jsonLines(ended.out).at(-1)).toMatchObject({ type: 'closed' })
  })

  test('closes cleanly on Ctrl-C while the shell waits for a line', async () => {
    const folder = await testFolder()
    const running = launch(folder, ['start', '--dir', 'ours', '--port', '0'])
    await running.seen('err', /Sharing/)
    running.child.kill('SIGINT')
    expect(await running.ended).toMatchObject({ code: 130, signal: null })
  })

  test('goes on without a shell when stdin is at its end', async () => {
    const folder = await testFolder()
    const running = launch(folder, ['start', '--dir', 'ours', '--port', '0', '--no-shell'])
    running.child.stdin.end()
    const [, url] = await running.seen('err', /at (http:\S+)$/m)
    expect((await fetch(`${url}/nothing-here`)).status).toBe(404)
    expect(running.child.exitCode).toBeNull()
  })

  test('with --json writes events and nothing else on stdout, shell and all', async () => {
    const folder = await testFolder()
    await mkdir(join(folder, 'theirs'))
    await writeFile(join(folder, 'theirs/test.txt'), 'x'.repeat(300_000))
    const other = await serve(folder, 'theirs')
    const input = `ls\npeers\nfetch test.txt\nfetch fooo\npeers\nhelp\n`
    const args = ['start', '--dir', 'ours', '--port', '0', '--json', '--peer', other.url]
    const ended = await run(folder, args, { input })

    const events = jsonLines(ended.out)
    for (const event of events) expect([event.v, typeof event.at, typeof event.type]).toEqual([1, 'string', 'string'])
    const types = events.map(({ type }) => type)
    expect(types).toContain('listening')
    expect(types).toContain('transfer-completed')
    expect(types).toContain('query-missed')
    expect(types.at(-1)).toBe('closed')
    expect(ended.err).toContain("Couldn't find the file fooo\n")
    expect(ended.err).not.toContain('\x1b')
  })

  test('with --json stops when nobody reads the events any more', async () => {
    const folder = await testFolder()
    const running = launch(folder, ['start', '--dir', 'ours', '--port', '0', '--json'])
    await running.seen('out', /"listening"/)
    running.child.stdout.destroy()
    // Whatever makes a next event will do.
    running.child.stdin.write('fetch fooo\n')
    expect(await running.ended).toMatchObject({ code: 0, signal: null })
  })

  test('takes every flag from the environment too', async () => {
    const folder = await testFolder()
    await mkdir(join(folder, 'theirs'))
    await writeFile(join(folder, 'theirs/test.txt'), 'x')
    const [one, two] = [await serve(folder, 'theirs'), await serve(folder, 'more')]
    await writeFile(join(folder, 'secret'), 'open sesame\n', { mode: 0o600 })
    const env = {
      P2PRX_DIR: 'ours',
      P2PRX_PORT: '0',
      P2PRX_HOST: '127.0.0.1',
      P2PRX_PEER: `${one.url} ${two.url}`,
      P2PRX_SECRET_FILE: 'secret',
      P2PRX_JSON: '0',
      P2PRX_PEERS: ''
    }
    const ended = await run(folder, ['start'], { input: `fetch test.txt\nhello ${two.url}\npeers\n`, env })
    expect(ended.out).toContain(one.url)
    expect(ended.out).toContain(two.url)
    expect(ended.err).not.toContain('Warning')
    expect(ended.code).toBe(0)
  })

  test('knows the peers of a file', async () => {
    const folder = await testFolder()
    await mkdir(join(folder, 'theirs'))
    await writeFile(join(folder, 'theirs/test.txt'), 'x')
    const other = await serve(folder, 'theirs')
    await writeFile(join(folder, 'urls.txt'), `# all the others\n\n${other.url}\n`)
    const args = ['start', '--dir', 'ours', '--port', '0', '--peers', 'urls.txt']
    const ended = await run(folder, args, { input: 'fetch test.txt\n' })
    expect(ended.err).toContain('Fetched test.txt (1 B).')
  })

  test.skipIf(process.platform === 'win32')('warns of a secret others can read', async () => {
    const folder = await testFolder()
    await writeFile(join(folder, 'secret'), 'open sesame\n', { mode: 0o644 })
    const ended = await run(folder, ['start', '--dir', 'ours', '--port', '0', '--secret-file', 'secret'])
    expect(ended.err).toContain('Warning: others can read the secret in secret; run: chmod 600 secret\n')
    expect(ended.code).toBe(0)
  })

  test('warns of a URL that nobody can reach', async () => {
    const folder = await testFolder()
    const args = ['start', '--dir', 'ours', '--port', '0', '--url', 'http://192.0.2.1:4242']
    const ended = await run(folder, args)
    expect(ended.err).toContain('Warning: others cannot reach http://192.0.2.1:4242 while only 127.0.0.1 listens')
    const loopback = await run(folder, ['start', '--dir', 'ours', '--port', '0', '--url', 'http://localhost:4242'])
    expect(loopback.err).not.toContain('Warning')
  })

  test('shows the names of others without their control characters', async () => {
    const folder = await testFolder()
    await mkdir(join(folder, 'ours'))
    // Legal in a folder here, and a terminal would be cleared by it.
    await writeFile(join(folder, 'ours/bell\u009b2J.txt'), 'x')
    const input = 'ls\nfetch no\u009b2J\nfetch no\x1b[2J\n'
    const ended = await run(folder, ['start', '--dir', 'ours', '--port', '0'], { input })
    expect(ended.out).toBe("       1 B  bell\\x9b2J.txt\nCouldn't find the file no\\x9b2J\n")
    expect(ended.err).not.toMatch(/[\x1b\u009b]/)
  })
})
