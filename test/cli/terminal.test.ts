import { spawn, spawnSync } from 'node:child_process'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { environment, PROGRAM, type Running, serve, testFolder, watch } from './program.js'

const python = spawnSync('python3', ['-c', 'import pty']).status === 0 ? 'python3' : undefined
if (python === undefined) console.warn('No python3 with a pty module: the tests on a pseudo-terminal are skipped.')

/** Runs its arguments on a pseudo-terminal of its own, which it joins to stdin and stdout. */
const ON_A_TERMINAL = `
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
`

/** The program on a terminal: what it writes, to stdout or stderr, is in `out`. */
function onTerminal(cwd: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
  const command = ['-c', ON_A_TERMINAL, process.execPath, PROGRAM, ...args]
  const child = spawn(python ?? '', command, { cwd, env: environment(cwd, { TERM: 'xterm-256color', ...env }) })
  return watch(child)
}

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
