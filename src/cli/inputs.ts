/** What the flags point at: peers, a folder, a secret. Every refusal is one P2pError. */
import { createReadStream } from 'node:fs'
import { mkdir, stat } from 'node:fs/promises'
import { P2pError, parsePeerUrl } from '../index.js'
import { say } from './output.js'
import { parsePeersFile } from './peers-file.js'

/** A hundred thousand lines of some forty characters and to spare; more is another file given by mistake. */
const MAX_PEERS_FILE_BYTES = 8 * 1024 * 1024
/** Secrets are words or keys; this is 64 times a 512-bit one in hex. */
const MAX_SECRET_BYTES = 8 * 1024
const READABLE_BY_OTHERS = 0o077

export interface PeerFlags {
  readonly peer?: readonly string[]
  readonly peers?: string
}

/** The peers of `--peer` and those of `--peers`. */
export async function peersOf({ peer = [], peers }: PeerFlags): Promise<{ typed: string[]; listed: string[] }> {
  const typed = peer.map((url) => parsePeerUrl(url))
  const listed =
    peers === undefined ? [] : parsePeersFile((await readSmall(peers, MAX_PEERS_FILE_BYTES, true)).text, peers)
  return { typed, listed }
}

/** The secret in a file, without the line end an editor leaves; warns when others can read it too. */
export async function readSecret(file: string): Promise<string> {
  const { text, mode } = await readSmall(file, MAX_SECRET_BYTES)
  const secret = text.replace(/\r?\n$/, '')
  if (secret === '')
    throw new P2pError('USAGE', `The secret file ${file} is empty`, { advice: 'Write the secret in it.' })
  // Windows has no such bits: there all files look readable by all.
  if (process.platform !== 'win32' && (mode & READABLE_BY_OTHERS) !== 0)
    say(`Warning: others can read the secret in ${file}; run: chmod 600 ${file}`, 'yellow')
  return secret
}

async function readSmall(file: string, maxBytes: number, regular = false): Promise<{ text: string; mode: number }> {
  try {
    const about = await stat(file)
    // A pipe that nobody writes to would be read for ever, and not even a signal ends that.
    if (regular && !about.isFile() && !about.isDirectory())
      throw new P2pError('USAGE', `${file} is not a regular file`, { advice: 'Name another file.' })
    const { mode } = about
    const chunks: Buffer[] = []
    // `end` is inclusive: one byte more than allowed tells a file that is too long. Read as a stream, since
    // `--secret-file <(command)` is a pipe, whose size nobody knows.
    for await (const chunk of createReadStream(file, { end: maxBytes })) chunks.push(chunk as Buffer)
    const bytes = Buffer.concat(chunks)
    if (bytes.length > maxBytes)
      throw new P2pError('USAGE', `${file} is longer than ${maxBytes} bytes`, { advice: 'Name another file.' })
    return { text: bytes.toString(), mode }
  } catch (error) {
    if (error instanceof P2pError) throw error
    const advice = 'Check its name and its rights.'
    throw new P2pError('USAGE', `Cannot read ${file}: ${reasonOf(error)}`, { advice, cause: error })
  }
}

/** Creates a missing folder, and says so: a slip in its name is seen at once. */
export async function createMissingFolder(dir: string): Promise<void> {
  // What goes wrong here goes wrong again when the peer takes the folder, and it has the words for it.
  const created = await mkdir(dir, { recursive: true }).catch(() => undefined)
  if (created !== undefined) say(`Created the folder ${dir}.`)
}

/** For commands that only look: they do not create what is missing. Errors with FOLDER. */
export async function requireFolder(dir: string): Promise<void> {
  const about = await stat(dir).catch((error: unknown) => {
    throw new P2pError('FOLDER', `Cannot read the folder ${dir}: ${reasonOf(error)}`, { cause: error })
  })
  if (!about.isDirectory()) throw new P2pError('FOLDER', `${dir} is a file, not a folder`)
}

const REASONS: Partial<Record<string, string>> = {
  ENOENT: 'it is not there',
  EACCES: 'its rights do not allow it',
  EPERM: 'its rights do not allow it',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of its path is a file',
  ENAMETOOLONG: 'its name is too long',
  ELOOP: 'its links go round in a circle'
}

function reasonOf(thrown: unknown): string {
  const { code, message } = thrown as NodeJS.ErrnoException
  return REASONS[code ?? ''] ?? message
}
