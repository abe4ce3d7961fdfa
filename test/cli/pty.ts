/** Runs the program on a pseudo-terminal, with the help of Python. */
import { spawn, spawnSync } from 'node:child_process'
import { environment, PROGRAM, type Running, watch } from './program.js'

export const python = spawnSync('python3', ['-c', 'import pty']).status === 0 ? 'python3' : undefined
if (python === undefined) console.warn('No python3 with a pty module: the tests on a pseudo-terminal are skipped.')

/** Runs its arguments on a pseudo-terminal of its own, which it joins to stdin and stdout. */
const ON_A_TERMINAL = `
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
`

/** The program on a terminal: what it writes, to stdout or stderr, is in `out`. */
export function onTerminal(cwd: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
  const command = ['-c', ON_A_TERMINAL, process.execPath, PROGRAM, ...args]
  const child = spawn(python ?? '', command, { cwd, env: environment(cwd, { TERM: 'xterm-256color', ...env }) })
  return watch(child)
}
