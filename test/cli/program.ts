/** Runs the built program as a process of its own, as somebody at a terminal or a script would. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

export const PROGRAM = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: run \`npm run build\` first.`)

/** Far more than anything here takes, so that only a real hang ends in it. */
const PATIENCE_MS = 15_000

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly err: string
  readonly outBytes: Buffer
}

export interface Running {
  readonly child: ChildProcessWithoutNullStreams
  /** What was written so far. */
  readonly text: { out: string; err: string }
  /** Resolves with the match once stdout or stderr holds it; rejects when the program ends without. */
  readonly seen: (stream: 'out' | 'err', pattern: RegExp) => Promise<RegExpExecArray>
  readonly ended: Promise<Ended>
}

/**
 * An environment in which nothing of this machine's user is read or written. Peers start in the open there, where a test can
 * look at what they say; the tests of private networks say `P2PRX_OPEN: ''`.
 */
export function environment(home: string, extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { PATH } = process.env
  return { PATH, HOME: home, TMPDIR: home, LANG: 'C.UTF-8', P2PRX_OPEN: '1', ...extra }
}

/** A folder of this test's own, gone after it. */
export async function testFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'p2p-rx-cli-'))
  // What ran on a terminal ends a moment after it, and may still write.
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }))
  return folder
}

/** Starts the program in `cwd`; it is killed when the test ends. */
export function launch(cwd: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
  const child = spawn(process.execPath, [PROGRAM, ...args], { cwd, env: environment(cwd, env) })
  return watch(child)
}

/** Collects what a process says. */
export function watch(child: ChildProcessWithoutNullStreams): Running {
  onTestFinished(() => void child.kill('SIGKILL'))
  const chunks: Buffer[] = []
  const text = { out: '', err: '' }
  const watchers = new Set<() => void>()
  child.stdout.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    text.out += chunk.toString()
    for (const look of watchers) look()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    text.err += chunk.toString()
    for (const look of watchers) look()
  })
  // Writing to a program that has just left is no failure of the test.
  child.stdin.on('error', () => undefined)
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, ...text, outBytes: Buffer.concat(chunks) }))
  })
  const seen = (stream: 'out' | 'err', pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const give = (found: RegExpExecArray | Error) => {
        watchers.delete(look)
        clearTimeout(timer)
        if (found instanceof Error) reject(found)
        else resolve(found)
      }
      const told = () => `${String(pattern)} was not seen.\nstdout: ${text.out}\nstderr: ${text.err}`
      const timer = setTimeout(() => give(new Error(told())), PATIENCE_MS)
      const look = () => {
        const found = pattern.exec(text[stream])
        if (found) give(found)
      }
      watchers.add(look)
      ended.then(
        () => give(pattern.exec(text[stream]) ?? new Error(told())),
        (error: unknown) => give(error instanceof Error ? error : new Error(String(error)))
      )
      look()
    })
  return { child, text, seen, ended }
}

/** Runs the program to its end with `input` on stdin. */
export async function run(
  cwd: string,
  args: readonly string[],
  { input = '', env = {} }: { input?: string; env?: NodeJS.ProcessEnv } = {}
): Promise<Ended> {
  const running = launch(cwd, args, env)
  running.child.stdin.end(input)
  return running.ended
}

/** Starts a peer on a free port and waits until it serves. */
export async function serve(
  cwd: string,
  dir: string,
  args: readonly string[] = []
): Promise<Running & { url: string }> {
  const running = launch(cwd, ['start', '--dir', dir, '--port', '0', '--no-shell', ...args])
  const [, url = ''] = await running.seen('err', /^Sharing .* at (http:\/\/\S+)$/m)
  return { ...running, url }
}

/** The lines of a JSON stream, each parsed. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}
