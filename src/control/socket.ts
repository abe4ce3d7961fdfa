/** Where the control socket of a peer lies, and how it is taken: for its user only, and only if nobody else has it. */
import { createHash } from 'node:crypto'
import { chmod, lstat, mkdir, readlink, stat, symlink, unlink } from 'node:fs/promises'
import { connect, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { failure, isFailure } from './failure.js'
import type { Failure } from './messages.js'

export const SOCKET_NAME = 'control.sock'
/** A socket's path has 108 bytes on Linux and 104 on macOS. */
export const MAX_SOCKET_PATH_BYTES = 100
/** A peer that is there takes a connection at once; one that hangs must not hold up whoever looks around. */
const CONNECT_TIMEOUT_MS = 2_000
const OPEN_TO_OTHERS = 0o077
const WRITABLE_TO_OTHERS = 0o022

/** The socket of the peer with this state folder: what `listenOn` takes, and what a client connects to. */
export function socketPathOf(stateDir: string): string {
  // Windows has no files for it; whoever knows the folder finds the pipe.
  return process.platform === 'win32'
    ? `\\\\.\\pipe\\p2p-rx-${digestOf(stateDir)}`
    : join(resolve(stateDir), SOCKET_NAME)
}

const digestOf = (path: string) => createHash('sha256').update(resolve(path)).digest('hex').slice(0, 16)
const isPipe = (socketPath: string) => socketPath.startsWith('\\\\')

/** What to connect to: for a path that is too long the place its link names. Nothing if somebody else could have made it. */
export async function reachable(socketPath: string): Promise<string | undefined> {
  if (!(await isOurs(socketPath))) return undefined
  if (fits(socketPath)) return socketPath
  const target = await readlink(socketPath).catch(() => undefined)
  return target !== undefined && fits(target) && (await isPrivate(dirname(target))) ? target : undefined
}

/** Whether somebody takes connections there. */
export async function isAnswered(socketPath: string): Promise<boolean> {
  const path = await reachable(socketPath)
  if (path === undefined) return false
  return new Promise((resolve_) => {
    const socket = connect(path)
    const end = (answered: boolean) => {
      socket.destroy()
      resolve_(answered)
    }
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => end(false))
    socket.on('connect', () => end(true))
    // A full backlog is somebody's, too.
    socket.on('error', ({ code }: NodeJS.ErrnoException) => end(code === 'EAGAIN'))
  })
}

/** Lets `server` listen at `socketPath`, in place of a socket that a dead process left. */
export async function listenOn(server: Server, socketPath: string): Promise<Failure | undefined> {
  try {
    if (!isPipe(socketPath)) await mkdir(dirname(socketPath), { recursive: true, mode: 0o700 })
    if (!(await isOurs(socketPath))) {
      const detail = `${dirname(socketPath)} is no place for a socket: it is not yours, or others can write to it`
      return failure('FOLDER', detail, 'Take that right from them, or choose another folder with --state-dir.')
    }
    if (await isAnswered(socketPath)) return inUse(socketPath)
    await removeStale(socketPath)
    if (fits(socketPath)) await bind(server, socketPath)
    else {
      const short = await shortPath(socketPath)
      if (isFailure(short)) return short
      await removeStale(short.path)
      await bind(server, short.path)
      await symlink(short.path, socketPath)
    }
    return undefined
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'EADDRINUSE') return failure('FOLDER', message, ELSEWHERE)
    // Somebody came between our look and our try; or what is there is no socket at all.
    if (await isAnswered(socketPath)) return inUse(socketPath)
    return failure('FOLDER', `${socketPath} is in the way`, ELSEWHERE)
  }
}

/** A place for the socket whose own path is too long: in a folder of this user's in the one for temporary files. */
async function shortPath(socketPath: string): Promise<{ readonly path: string } | Failure> {
  const folder = join(tmpdir(), `p2p-rx-${process.getuid?.() ?? 'user'}`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, `${digestOf(socketPath)}.sock`)
  if (fits(path) && (await isPrivate(folder))) return { path }
  return failure('FOLDER', `${folder} is no place for a socket: it is too deep or not yours alone`, ELSEWHERE)
}

const ELSEWHERE = 'Choose another folder with --state-dir.'
const inUse = (socketPath: string) =>
  failure('STATE_IN_USE', `Another peer runs with the state folder ${dirname(socketPath)}`, ELSEWHERE)

/** The socket itself goes with its server; this is for the link that stands for one. */
export async function letGoOf(socketPath: string): Promise<void> {
  if (!isPipe(socketPath) && !fits(socketPath)) await unlink(socketPath).catch(() => undefined)
}

async function bind(server: Server, path: string): Promise<void> {
  await new Promise<void>((listening, failed) => {
    server.once('error', failed)
    // The file is made in this very call: nobody else can open it, not even before the next line.
    const before = isPipe(path) ? undefined : process.umask(0o177)
    server.listen(path, () => {
      server.off('error', failed)
      listening()
    })
    if (before !== undefined) process.umask(before)
  })
  if (!isPipe(path)) await chmod(path, 0o600)
}

/** Only what is a socket or our link to one: nothing else is ours to remove. */
async function removeStale(path: string): Promise<void> {
  const about = isPipe(path) ? undefined : await lstat(path).catch(() => undefined)
  if (about?.isSocket() || about?.isSymbolicLink()) await unlink(path)
}

/** Whether nobody but this user can put anything there. */
async function isPrivate(folder: string): Promise<boolean> {
  const about = await lstat(folder).catch(() => undefined)
  return about?.isDirectory() === true && about.uid === process.getuid?.() && (about.mode & OPEN_TO_OTHERS) === 0
}

/** Whether nobody but this user can put a socket there. Where nothing is, there is nobody's. */
async function isOurs(socketPath: string): Promise<boolean> {
  const about = isPipe(socketPath) ? undefined : await stat(dirname(socketPath)).catch(() => undefined)
  return about === undefined || (about.uid === process.getuid?.() && (about.mode & WRITABLE_TO_OTHERS) === 0)
}

function fits(path: string): boolean {
  return isPipe(path) || Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES
}
