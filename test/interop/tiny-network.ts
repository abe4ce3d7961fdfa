/** Members of TinyP2P networks for tests: servers and clients in Python, and servers that say what a test wants. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Field, type Files, freePort } from './harness.js'
import type { Python } from './pythons.js'
import { type Canned, callOf, canned, post, reply } from './raw.js'

const TINY = join(dirname(fileURLToPath(import.meta.url)), 'peers', 'tiny.py')

export const PASSWORD = 'drei Wörter'
export const ORIGINAL_PASSWORD = 'sesame'

export interface TinyServer {
  readonly url: string
  readonly dir: string
}

export interface TinySettings {
  readonly files?: Files
  /** Whom it joins. */
  readonly other?: string
  readonly password?: string
  /** Does not count itself among the servers. */
  readonly lonely?: boolean
  readonly program?: string
}

function start(field: Field, python: Python, dir: string, program: string, args: readonly string[], lonely = false) {
  const child = spawn(python.command, ['-B', program, ...args], {
    cwd: dir,
    env: { ...process.env, TINY_LONELY: lonely ? '1' : '', LC_ALL: 'C.UTF-8' }
  })
  const exited = once(child, 'exit')
  field.atEnd(async () => {
    child.kill('SIGKILL')
    await exited
  })
  return { child, exited }
}

/** A server that listens, and has joined before. Rejects with what it said when it ends before. */
export async function tinyServer(
  field: Field,
  python: Python,
  { files = {}, other, password = PASSWORD, lonely, program = TINY }: TinySettings = {}
): Promise<TinyServer> {
  const dir = await field.folder(files)
  const port = await freePort()
  const joining = other === undefined ? [] : [other]
  const { child } = start(
    field,
    python,
    dir,
    program,
    [password, 'server', '127.0.0.1', String(port), ...joining],
    lonely
  )
  const complaints = text(child.stderr)
  for await (const line of createInterface(child.stdout)) {
    if (!line.includes('"listening"')) continue
    child.stdout.resume()
    return { url: `http://127.0.0.1:${port}`, dir }
  }
  throw new Error(await complaints)
}

/** The author's own program as a server: it does not tell when it listens. */
export async function originalServer(
  field: Field,
  python: Python,
  program: string,
  { files = {}, other }: Pick<TinySettings, 'files' | 'other'>
): Promise<TinyServer> {
  const dir = await field.folder(files)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const joining = other === undefined ? [] : [other]
  const { child } = start(field, python, dir, program, [
    ORIGINAL_PASSWORD,
    'server',
    '127.0.0.1',
    String(port),
    ...joining
  ])
  const complaints = text(child.stderr)
  while (child.exitCode === null) {
    const answers = await post(`${url}/RPC2`, callOf('f')).catch(() => undefined)
    if (answers !== undefined) return { url, dir }
    await setTimeout(50)
  }
  throw new Error(await complaints)
}

/** Runs a client in a folder to its end. */
export async function tinyClient(
  field: Field,
  python: Python,
  dir: string,
  {
    server,
    pattern = '',
    password = PASSWORD,
    program = TINY
  }: { server: string; pattern?: string; password?: string; program?: string }
): Promise<{ code: unknown; complaints: string }> {
  const { child, exited } = start(field, python, dir, program, [password, 'client', server, pattern])
  child.stdout.resume()
  const complaints = await text(child.stderr)
  const [code] = (await exited) as unknown[]
  return { code, complaints }
}

/** What a server said, as XML, to a question of that kind. */
export type TinyAnswer = (n: number, argument: string) => string | Buffer

/** A server that takes every password and answers what a test wants. */
export async function cannedTiny(field: Field, answer: TinyAnswer): Promise<Canned> {
  const server = await canned(({ text: call }) => {
    const [, n = ''] = /<int>(\d+)<\/int>/.exec(call) ?? []
    const strings = [...call.matchAll(/<string>([^<]*)<\/string>/g)].map(([, value = '']) => value)
    return answer(Number(n), strings[1] ?? '')
  })
  field.atEnd(server.close)
  return server
}

export const list = (...values: string[]): string => `<value><array><data>${values.join('')}</data></array></value>`

export const string = (value: string): string => `<value><string>${value}</string></value>`

/** A server with these names, each of which has its own name for content. */
export const withNames =
  (url: () => string, ...names: string[]): TinyAnswer =>
  (n, argument) => {
    if (n === 0) return reply(list(string(url())))
    return reply(n === 1 ? list(list(...names.map(string))) : string(argument))
  }
