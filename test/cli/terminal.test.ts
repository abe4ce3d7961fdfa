import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { serve, testFolder } from './program.js'
import { onTerminal, python } from './pty.js'

const START = ['start', '--dir', 'ours', '--port', '0']

describe.skipIf(python === undefined)('on a terminal', () => {
  test('the shell prompts, completes, and leaves at Ctrl-D', async () => {
    const folder = await testFolder()
    const running = onTerminal(folder, START)
    await running.seen('out', /> /)
    running.child.stdin.write('fetch fooo\r')
    await running.seen('out', /\nCouldn't find the file fooo\r\n/)
    running.child.stdin.write('he')
    running.child.stdin.write('l')
    running.child.stdin.write('p\t\r')
    await running.seen('out', /hello URL +introduce/)
    running.child.stdin.write('\x04')
    expect((await running.ended).code).toBe(0)
  })

  test('the shell remembers what was typed, for this user only', async () => {
    const folder = await testFolder()
    const env = { XDG_STATE_HOME: join(folder, 'state') }
    const first = onTerminal(folder, START, env)
    await first.seen('out', /> /)
    first.child.stdin.write('peers\rfetch fooo\rexit\r')
    expect((await first.ended).code).toBe(0)
    const file = join(folder, 'state/p2p-rx/history')
    expect(await readFile(file, 'utf8')).toBe('peers\nfetch fooo\nexit\n')
    expect((await stat(file)).mode & 0o777).toBe(0o600)

    const second = onTerminal(folder, START, env)
    await second.seen('out', /> /)
    second.child.stdin.write('\x1b[A')
    await second.seen('out', /> .*exit/)
    second.child.stdin.write('\r')
    expect((await second.ended).code).toBe(0)
  })

  test('Ctrl-C in the shell ends with 130', async () => {
    const folder = await testFolder()
    const running = onTerminal(folder, START)
    await running.seen('out', /> /)
    running.child.stdin.write('\x03')
    expect((await running.ended).code).toBe(130)
  })

  test('get draws a bar, and none with --no-progress', async () => {
    const folder = await testFolder()
    await mkdir(join(folder, 'theirs'))
    await writeFile(join(folder, 'theirs/big.bin'), Buffer.alloc(8_000_000, 7))
    const { url } = await serve(folder, 'theirs')
    const get = ['get', 'big.bin', '--peer', url, '--overwrite']
    const drawn = await onTerminal(folder, get).ended
    expect(drawn.out).toMatch(/big\.bin .*100%.*of 7\.6 MiB/)
    expect(drawn.out).toMatch(/Fetched big\.bin \(7\.6 MiB\)/)
    // The cursor was hidden, and is there again.
    expect(drawn.out.lastIndexOf('\x1b[?25h')).toBeGreaterThan(drawn.out.lastIndexOf('\x1b[?25l'))
    const plain = await onTerminal(folder, [...get, '--no-progress']).ended
    expect(plain.out).toMatch(/^Fetched big\.bin .*\r\n$/)
  })

  test('get draws a bar for each of several files', async () => {
    const folder = await testFolder()
    await mkdir(join(folder, 'theirs'))
    for (const name of ['one.bin', 'two.bin'])
      await writeFile(join(folder, 'theirs', name), Buffer.alloc(60_000_000, name.charCodeAt(0)))
    const { url } = await serve(folder, 'theirs')
    const { out, code } = await onTerminal(folder, ['get', 'one.bin', 'two.bin', '--peer', url, '-v']).ended
    for (const name of ['one.bin', 'two.bin']) {
      expect(out).toMatch(new RegExp(`${name} .*\\d+%.*of 57\\.2 MiB`))
      expect(out).toMatch(new RegExp(`Fetched ${name} \\(57\\.2 MiB\\) to `))
    }
    expect(out.lastIndexOf('\x1b[?25h')).toBeGreaterThan(out.lastIndexOf('\x1b[?25l'))
    expect(code).toBe(0)
  })

  describe('what is here already is asked about', () => {
    const asked = async (...args: string[]) => {
      const folder = await testFolder()
      await mkdir(join(folder, 'theirs'))
      for (const name of ['a.txt', 'b.txt']) {
        await writeFile(join(folder, 'theirs', name), 'new')
        await writeFile(join(folder, name), 'old')
      }
      const { url } = await serve(folder, 'theirs')
      const running = onTerminal(folder, ['get', 'a.txt', 'b.txt', '--peer', url, ...args])
      const contents = () => Promise.all(['a.txt', 'b.txt'].map((name) => readFile(join(folder, name), 'utf8')))
      return { running, contents }
    }
    const question = (name: string) => new RegExp(`${name} is here already: \\(o\\)verwrite`)

    test('one by one', async () => {
      const { running, contents } = await asked()
      const [, first = ''] = await running.seen('out', /([ab]\.txt) is here already: \(o\)verwrite/)
      running.child.stdin.write('x\r')
      running.child.stdin.write('overwrite\r')
      await running.seen('out', question(first === 'a.txt' ? 'b.txt' : 'a.txt'))
      running.child.stdin.write('s\r')
      expect((await running.ended).code).toBe(0)
      expect((await contents()).sort()).toEqual(['new', 'old'])
    })

    test('once for all with a capital letter', async () => {
      const { running, contents } = await asked()
      await running.seen('out', /is here already/)
      running.child.stdin.write('O\r')
      const ended = await running.ended
      expect(ended.code).toBe(0)
      expect(ended.out.match(/\(o\)verwrite/g)?.length).toBe(1)
      expect(await contents()).toEqual(['new', 'new'])
    })

    test('and an abort, Ctrl-D or Ctrl-C leaves all as it was', async () => {
      for (const [key, code] of [
        ['a\r', 13],
        ['\x04', 13],
        ['\x03', 130]
      ] as const) {
        const { running, contents } = await asked()
        await running.seen('out', /is here already/)
        running.child.stdin.write(key)
        expect((await running.ended).code).toBe(code)
        expect(await contents()).toEqual(['old', 'old'])
      }
    })

    test('but not with --no-input', async () => {
      const { running, contents } = await asked('--no-input')
      const ended = await running.ended
      expect(ended.code).toBe(13)
      expect(ended.out).not.toContain('(o)verwrite')
      expect(await contents()).toEqual(['old', 'old'])
    })
  })

  test.each([
    ['in colour', {}, true],
    ['without, where NO_COLOR is set', { NO_COLOR: '1' }, false],
    ['without, where the terminal is dumb', { TERM: 'dumb' }, false]
  ])('an error is told %s', async (_, env, coloured) => {
    const folder = await testFolder()
    const { out, code } = await onTerminal(folder, ['get', 'x'], env).ended
    expect(out).toContain('p2p-rx: There is nobody to ask.')
    expect(out.includes('\x1b[31m')).toBe(coloured)
    expect(code).toBe(2)
  })
})
