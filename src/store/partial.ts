/**
 * Partial files: what has come of a file that is not whole yet, kept in the private folder for the next try.
 *
 * A partial is named after the name of its file, its content, and the process that works on it. So one left by a process
 * that is gone is found again and taken over, and one that somebody works on is left alone.
 */
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type FileHandle, lstat, open, readdir, rename, unlink } from 'node:fs/promises'
import { PRIVATE_FOLDER } from '../streams/names.js'
import { diskError } from './gather.js'
import { PIECE_BYTES } from './merkle.js'
import type { Place } from './paths.js'
import type { Places } from './places.js'

/** A partial nobody went on with for this long is removed when another download begins. */
const MAX_AGE_MS = 30 * 24 * 60 * 60 * 1_000

/** What a block is in the answer of `stat`, whatever it is on the disk. */
const STAT_BLOCK_BYTES = 512

/** A partial file that is ours. */
export interface Partial {
  readonly handle: FileHandle
  /** Runs work with the path to hand to the file system. */
  readonly withPath: <T>(work: (path: string) => Promise<T>) => Promise<T>
  /** What lay there before: bytes, and whether they belong to another content. */
  readonly remains: { readonly bytes: number; readonly changed: boolean } | undefined
  /** What that takes of the disk: a file whose last piece came first is long, and mostly a hole. */
  readonly takenBytes: number
  /** Lets go of it; the file stays unless `forget`. */
  readonly close: (forget: boolean) => Promise<void>
}

interface Wanted {
  readonly root: string
  readonly name: string
  readonly sizeBytes: number
  readonly contentRoot: string | undefined
}

/** Stands for the content of a file that is there for a moment only. */
const TEMPORARY = '0'.repeat(32)

/** A temporary file this old, whose process is gone, is one it left: it takes milliseconds from there to a name. */
const LEFT_MS = 10_000

/** A name in the private folder for a file that is there for a moment only. */
export function temporaryEntry(name: string): string {
  return `${digest(name)}-${TEMPORARY}-${OWNER}-${randomBytes(4).toString('hex')}.part`
}

/** Removes the temporary files that killed processes left: nobody goes on with them. */
export async function removeTemporary(place: Place): Promise<void> {
  for (const found of await readdir(place.at('.'))) {
    // Another machine, or a container, may have processes we do not see: what is young may be theirs.
    if (!found.endsWith('.part') || contentOf(found) !== TEMPORARY) continue
    if (ownerOf(found) === OWNER || isAlive(ownerOf(found))) continue
    if (await isOlder(place.at(found), LEFT_MS)) await unlink(place.at(found)).catch(() => undefined)
  }
}

/** Names that this process works on: its own token is in each of them, so a second look tells nothing. */
const ours = new Set<string>()

/** Opens the partial of a file: the one an earlier try left, else a new one. */
export async function openPartial(places: Places, { root, name, sizeBytes, contentRoot }: Wanted): Promise<Partial> {
  const prefix = digest(name)
  // Until the root is known, the size stands for the content.
  const unknown = digest(`${sizeBytes} bytes`)
  const content = contentRoot === undefined ? unknown : digest(contentRoot)
  const entry = `${prefix}-${content}-${OWNER}-${randomBytes(4).toString('hex')}.part`
  const inFolder = <T>(work: (place: Place) => Promise<T>) => places.within(root, [PRIVATE_FOLDER], work)
  ours.add(entry)
  try {
    const { handle, old } = await inFolder(async (place) => {
      // Of a file of one piece nothing is left but nothing.
      const found = sizeBytes > PIECE_BYTES ? await claim(place, prefix, entry, [content, unknown]) : undefined
      return { old: found, handle: await open(place.at(entry), found === undefined ? 'wx+' : 'r+') }
    })
    const { size: bytes, blocks } = old === undefined ? { size: 0, blocks: 0 } : await handle.stat()
    const changed = old !== undefined && ![content, unknown].includes(contentOf(old))
    return {
      handle,
      withPath: (work) => inFolder((place) => work(place.at(entry))),
      remains: bytes === 0 ? undefined : { bytes, changed },
      takenBytes: Math.min(bytes, blocks * STAT_BLOCK_BYTES),
      async close(forget) {
        await handle.close()
        // A folder that is gone has taken it along.
        if (forget) await inFolder((place) => unlink(place.at(entry))).catch(() => undefined)
        ours.delete(entry)
      }
    }
  } catch (error) {
    ours.delete(entry)
    throw diskError(name, error)
  }
}

/**
 * Takes over what an earlier try left under a name of ours, the likeliest `contents` first; of many who try, one succeeds.
 * What is of another content is taken as well: blocks of it may be right.
 */
async function claim(
  place: Place,
  prefix: string,
  entry: string,
  contents: readonly string[]
): Promise<string | undefined> {
  const left: string[] = []
  for (const found of await readdir(place.at('.'))) {
    if (!found.endsWith('.part') || ours.has(found)) continue
    if (await isUseless(place.at(found))) await unlink(place.at(found)).catch(() => undefined)
    else if (found.startsWith(`${prefix}-`) && !isAlive(ownerOf(found))) left.push(found)
  }
  const rank = (found: string) => [...contents, contentOf(found)].indexOf(contentOf(found))
  for (const found of left.sort((one, other) => rank(one) - rank(other))) {
    const taken = await rename(place.at(found), place.at(entry)).then(
      () => true,
      () => false
    )
    if (taken) return found
  }
  return undefined
}

/** Too old, or no partial: a process that ended just after it gave a file its name leaves it under both names. */
async function isUseless(path: string): Promise<boolean> {
  const stat = await lstat(path).catch(() => undefined)
  return stat !== undefined && (!stat.isFile() || stat.nlink > 1 || Date.now() - stat.mtimeMs > MAX_AGE_MS)
}

async function isOlder(path: string, ms: number): Promise<boolean> {
  const stat = await lstat(path).catch(() => undefined)
  return stat !== undefined && Date.now() - stat.mtimeMs > ms
}

const digest = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 32)

/** Number and start of a process: numbers come again, in a container at every start. */
const OWNER = `${process.pid}.${startOf(process.pid)}`

function contentOf(entry: string): string {
  return entry.split('-')[1] ?? ''
}

function ownerOf(entry: string): string {
  return entry.split('-')[2] ?? ''
}

function isAlive(owner: string): boolean {
  const pid = Number(owner.split('.')[0])
  if (!Number.isInteger(pid) || pid <= 0) return false
  // Ours that are worked on are in `ours`, which has been looked at.
  if (owner === OWNER) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  return owner === `${pid}.${startOf(pid)}`
}

/** When a process was started, in the ticks of Linux; 0 where the system does not tell. */
function startOf(pid: number): string {
  try {
    // Behind the name in brackets, which may hold anything, it is the 20th field.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '0'
  } catch {
    return '0'
  }
}
