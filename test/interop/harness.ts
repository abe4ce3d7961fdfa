/** Starts the foreign peers and the folders they share, and ends them all. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Python } from './pythons.js'
import { call, post } from './raw.js'

export type Implementation = '27-1' | '27-2'
export const implementations: readonly Implementation[] = ['27-1', '27-2']

/** Every book node is started with it. */
export const SECRET = 'sesame'

/** With so many in its history a question is passed on to nobody. */
export const FULL_HISTORY = 6

const PROGRAMS = { '27-1': 'simple_node.py', '27-2': 'server.py' } as const
const PEERS = join(dirname(fileURLToPath(import.meta.url)), 'peers')

export type Files = Readonly<Record<string, string | Uint8Array>>

export interface BookNode {
  readonly url: string
  readonly dir: string
  readonly implementation: Implementation
  /** What the node has been asked so far, and whom it knows now. */
  readonly report: () => Promise<Report>
}

interface Asked {
  readonly name: unknown
  readonly history: unknown
}

interface Report {
  readonly known: ReadonlySet<string>
  /** The questions it could have passed on; one with a full history only tries how it says no. */
  readonly asked: readonly Asked[]
  /** Whom it dropped, and why. */
  readonly removed: readonly string[]
}

/** What Python's client made of a call. */
export interface Answer {
  readonly value?: unknown
  readonly fault?: number
  readonly http?: number
  readonly error?: string
  readonly saved?: number
}

export interface Client {
  readonly call: (url: string, method: string, ...params: unknown[]) => Promise<Answer>
  /** Writes the content of the answer to a file. */
  readonly save: (into: string, url: string, method: string, ...params: unknown[]) => Promise<Answer>
}

interface Line {
  readonly listening?: string
  readonly asked?: unknown
  readonly history?: unknown
  readonly knows?: string
  readonly removed?: string
  readonly why?: string
}

/** Somewhere below the range from which the system takes ports for outgoing connections, so that nobody gets it meanwhile. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 22_000)
    const probe = createServer()
    const free = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false))
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
    })
    if (free) return port
  }
}

/** Whatever is started in a field ends with `clear`. */
export class Field {
  readonly #endings: (() => unknown)[] = []

  /** Last in, first out; one that fails does not keep the others. */
  readonly clear = async (): Promise<void> => {
    const failures: unknown[] = []
    for (let end = this.#endings.pop(); end; end = this.#endings.pop())
      try {
        await end()
      } catch (error) {
        failures.push(error)
      }
    if (failures.length > 0) throw new AggregateError(failures, 'not everything ended well')
  }

  /** Adds something that has to end with the field. */
  atEnd(end: () => unknown): void {
    this.#endings.push(end)
  }

  async folder(files: Files = {}): Promise<string> {
    const dir = await realpath(await mkdtemp(join(tmpdir(), 'p2p-rx-interop-')))
    this.atEnd(() => rm(dir, { recursive: true, force: true }))
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(dir, name)), { recursive: true })
      await writeFile(join(dir, name), content)
    }
    return dir
  }

  async node(
    python: Python,
    implementation: Implementation,
    files: Files = {},
    { dir, spelling = (url) => url }: { dir?: string; spelling?: (url: string) => string } = {}
  ): Promise<BookNode> {
    const share = dir ?? (await this.folder(files))
    for (let tries = 1; ; tries++) {
      const port = await freePort()
      const url = spelling(`http://127.0.0.1:${port}`)
      const child = this.#python(python, PROGRAMS[implementation], url, share, SECRET)
      const { lines, until } = follow(child)
      if (!(await until(({ listening }) => listening === url))) {
        // Somebody else may have taken the port in between.
        if (tries < 3) continue
        throw new Error(`${PROGRAMS[implementation]} ended before it listened`)
      }
      const report = async () => {
        // The node tells of a call before it answers: once it has told of this one, everything earlier is here.
        const marker = `marker ${lines.length}`
        await post(`http://127.0.0.1:${port}/RPC2`, call('query', marker, Array(FULL_HISTORY).fill('nobody')))
        await until(({ asked }) => asked === marker)
        return summary(lines)
      }
      return { url, dir: share, implementation, report }
    }
  }

  client(python: Python): Client {
    let child: ChildProcessWithoutNullStreams | undefined
    const waiting: ((answer: Answer) => void)[] = []
    const ask = (request: object) => {
      if (!child) {
        child = this.#python(python, 'client.py')
        createInterface(child.stdout).on('line', (line) => waiting.shift()?.(JSON.parse(line) as Answer))
      }
      child.stdin.write(`${JSON.stringify(request)}\n`)
      return new Promise<Answer>((resolve) => waiting.push(resolve))
    }
    return {
      call: (url, method, ...params) => ask({ url, method, params }),
      save: (into, url, method, ...params) => ask({ url, method, params, into })
    }
  }

  #python(python: Python, program: string, ...args: string[]): ChildProcessWithoutNullStreams {
    const child = spawn(python.command, ['-B', join(PEERS, program), ...args])
    child.stderr.pipe(process.stderr, { end: false })
    child.stdin.on('error', () => {}) // it was killed before it had read everything
    const exited = once(child, 'exit')
    this.atEnd(async () => {
      child.kill('SIGKILL')
      await exited
    })
    return child
  }
}

/** What a node tells; `until` is false when it ended before it told that. */
function follow(child: ChildProcessWithoutNullStreams) {
  const lines: Line[] = []
  const told = createInterface(child.stdout)
  told.on('line', (line) => lines.push(JSON.parse(line) as Line))
  const until = async (found: (line: Line) => boolean): Promise<boolean> => {
    while (!lines.some(found)) {
      if (child.exitCode !== null) return false
      await Promise.race([once(told, 'line'), once(child, 'exit')])
    }
    return true
  }
  return { lines, until }
}

function summary(lines: readonly Line[]): Report {
  const known = new Set<string>()
  const asked: Asked[] = []
  const removed: string[] = []
  for (const line of lines) {
    if (line.knows !== undefined) known.add(line.knows)
    if (line.removed !== undefined) {
      known.delete(line.removed)
      removed.push(`${line.removed} ${line.why ?? ''}`)
    }
    const full = Array.isArray(line.history) && line.history.length >= FULL_HISTORY
    if ('asked' in line && !full) asked.push({ name: line.asked, history: line.history })
  }
  return { known, asked, removed }
}

/** What `query` found, whichever implementation answered; `missed` is fault 100 or `[2, '']`. */
export function found({ value, fault, ...otherwise }: Answer): Buffer | 'missed' {
  if (fault === 100) return 'missed'
  if (Array.isArray(value) && value[0] === 2 && value[1] === '') return 'missed'
  const content: unknown = Array.isArray(value) && value[0] === 1 ? value[1] : value
  if (typeof content === 'string') return Buffer.from(content)
  if (typeof content === 'object' && content !== null && 'base64' in content)
    return Buffer.from(String(content.base64), 'base64')
  throw new Error(`neither found nor missed: ${JSON.stringify({ value, fault, ...otherwise })}`)
}
