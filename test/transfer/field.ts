/** What tests of transfers are made of: folders, peers as processes, and a wire that counts, paces and can be watched. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, mkdtemp, readdir, realpath, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { environment, PROGRAM } from '../cli/program.js'

export const MIB = 1024 * 1024

/** Whatever ends: the context of a test, also of one that runs beside others, or a whole file of them. */
export interface Scope {
  readonly onTestFinished: (cleanUp: () => Promise<void> | void) => void
}

/** A scope for what all tests of a file share; `end` belongs into `afterAll`. */
export function sharedScope(): Scope & { readonly end: () => Promise<void> } {
  const cleanUps: (() => Promise<void> | void)[] = []
  return {
    onTestFinished: (cleanUp) => void cleanUps.push(cleanUp),
    async end() {
      for (const cleanUp of cleanUps.reverse()) await cleanUp()
    }
  }
}

/** A fresh folder with these files. */
export async function folder(scope: Scope, files: Record<string, string | Uint8Array> = {}): Promise<string> {
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'p2p-rx-')))
  scope.onTestFinished(() => rm(dir, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(files)) await writeFile(join(dir, name), content)
  return dir
}

export const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** Bytes in a folder and below that belong to no file of this name. */
export async function bytesBeside(dir: string, name: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(dir, { recursive: true })) {
    const stat = await lstat(join(dir, entry))
    if (stat.isFile() && entry !== name) bytes += stat.size
  }
  return bytes
}

export async function shaOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

/** Asks a holder until it knows the root of a file; gives that. */
export async function rootOnceHashed(url: string, name: string): Promise<string> {
  for (;;) {
    const response = await fetch(`${url}/files/${name}`, { method: 'HEAD' }).catch(() => undefined)
    const [, root] = /^"([0-9a-f]{64})"$/.exec(response?.headers.get('etag') ?? '') ?? []
    if (root !== undefined) return root
    await pause(20)
  }
}

interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly err: string
}

export interface Process {
  readonly child: ChildProcess
  readonly text: { out: string; err: string }
  readonly ended: Promise<Ended>
  /** Resolves once what it said on either stream so far matches; never when it ends without. */
  readonly said: (pattern: RegExp) => Promise<RegExpExecArray>
}

/** Starts the built program; it is killed when the scope ends. Its home is a folder of its own unless one is given. */
export function program(scope: Scope, home: string, args: readonly string[]): Process {
  const child = spawn(process.execPath, [PROGRAM, ...args], { cwd: home, env: environment(home) })
  const text = { out: '', err: '' }
  const looks = new Set<() => void>()
  const take = (stream: 'out' | 'err') => (chunk: Buffer) => {
    text[stream] += chunk.toString()
    for (const look of looks) look()
  }
  child.stdout.on('data', take('out'))
  child.stderr.on('data', take('err'))
  child.stdin.end()
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal, ...text }))
  })
  scope.onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const said = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve) => {
      const look = () => {
        const found = pattern.exec(text.out) ?? pattern.exec(text.err)
        if (found === null) return
        looks.delete(look)
        resolve(found)
      }
      looks.add(look)
      look()
    })
  return { child, text, ended, said }
}

/** An event as a line of `--json`, as far as these tests look at it. */
interface Told {
  readonly type: string
  readonly name?: string
  readonly code?: string
  readonly bytes?: number
  readonly holder?: string
}

/** The events so far; a last line that is cut off, as that of a killed process, is none. */
function eventsOf({ out }: { readonly out: string }): Told[] {
  return out
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Told)
}

/** The files that a `get` had said are done. */
export function completedNames(text: { readonly out: string }): string[] {
  return eventsOf(text).flatMap(({ type, name }) => (type === 'transfer-completed' && name !== undefined ? [name] : []))
}

/** The bytes that a `get` had verified at the least, by its last word on its progress: that counts no others. */
export function verifiedBytes(text: { readonly out: string }): number {
  const reports = eventsOf(text).filter(({ type }) => type === 'transfer-progressed')
  return reports.at(-1)?.bytes ?? 0
}

/** Below what the system gives to whoever asks for any: among tests side by side, such a port would soon be another's. */
const OWN_PORTS = { first: 10_000, count: 20_000 }
let nextPort = Math.floor(Math.random() * OWN_PORTS.count)

/** A port that nobody has, for a peer that is to come back to it. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = OWN_PORTS.first + (nextPort++ % OWN_PORTS.count)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!isFree) continue
    await new Promise((closed) => server.close(closed))
    return port
  }
}

export function listening(server: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}

export interface HolderProcess extends Process {
  readonly port: number
}

/** A holder as a process, announced under `url`, that has hashed `name`. */
export async function holderProcess(
  scope: Scope,
  { dir, name, port, url }: { dir: string; name: string; port: number; url?: string }
): Promise<HolderProcess> {
  const home = await folder(scope)
  const announced = url === undefined ? [] : ['--url', url]
  const args = ['start', '--dir', dir, '--port', `${port}`, '--no-shell', ...announced]
  const holder = program(scope, home, args)
  await rootOnceHashed(`http://127.0.0.1:${port}`, name)
  return { ...holder, port }
}

export interface Wire {
  readonly url: string
  /** Bytes that went to whoever called, heads included. */
  readonly bytes: () => number
  /** Calls back, once and at the very moment, when so many bytes have gone. */
  readonly when: (bytes: number, act: () => void) => void
}

/** A way to a port that counts what comes from there, and lets it through at a pace. */
export async function wireTo(
  scope: Scope,
  port: () => number,
  { bytesPerSecond = Infinity }: { bytesPerSecond?: number } = {}
): Promise<Wire> {
  let bytes = 0
  let paidUntilMs = 0
  const sockets = new Set<Socket>()
  const alarms = new Set<{ readonly bytes: number; readonly act: () => void }>()

  const count = (length: number) => {
    bytes += length
    for (const alarm of alarms) {
      if (bytes < alarm.bytes) continue
      alarms.delete(alarm)
      alarm.act()
    }
  }

  const server = createServer((caller) => {
    const holder = connect(port(), '127.0.0.1')
    for (const [one, other] of [
      [caller, holder],
      [holder, caller]
    ] as const) {
      sockets.add(one)
      one.setNoDelay()
      one.on('error', () => undefined)
      one.once('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
    caller.pipe(holder)
    let isFull = false
    let isWaiting = false
    const goOn = () => {
      if (!isFull && !isWaiting) holder.resume()
    }
    caller.on('drain', () => {
      isFull = false
      goOn()
    })
    holder.on('data', (chunk: Buffer) => {
      isFull = !caller.write(chunk)
      count(chunk.length)
      const nowMs = performance.now()
      paidUntilMs = Math.max(nowMs, paidUntilMs) + (chunk.length * 1_000) / bytesPerSecond
      // What is less than a timer can tell is owed until later.
      isWaiting = paidUntilMs - nowMs > 4
      if (isWaiting)
        setTimeout(() => {
          isWaiting = false
          goOn()
        }, paidUntilMs - nowMs)
      if (isFull || isWaiting) holder.pause()
    })
    holder.once('end', () => caller.end())
  })
  const own = await listening(server)
  scope.onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { url: `http://127.0.0.1:${own}`, bytes: () => bytes, when: (at, act) => void alarms.add({ bytes: at, act }) }
}
