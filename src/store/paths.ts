/**
 * From a name that a peer said to a place on the disk: the one way in, and the one way out.
 *
 * Looking at a path and using it are two moments, and a folder may have become a link in between. So nothing is believed
 * before it is open: an open file or folder is asked where it lies, and what is made in a folder is made through its handle.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  statSync
} from 'node:fs'
import { type FileHandle, lstat, mkdir, open, readdir, readlink, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { asP2pError, P2pError } from '../errors.js'
import { isPlainName } from '../streams/names.js'

// Not on Windows, where links are seen by lstat and realpath alone.
const NO_FOLLOW = (constants.O_NOFOLLOW as number | undefined) ?? 0
const DIRECTORY = (constants.O_DIRECTORY as number | undefined) ?? 0
// A pipe put in the place of a file must not hang the open that finds it.
const NON_BLOCK = (constants.O_NONBLOCK as number | undefined) ?? 0

// Linux tells where an open file lies, and lets a path start at an open folder. Elsewhere the path is looked at once
// more after the open, which narrows the gap but does not close it.
const HAS_PROC = existsSync('/proc/self/fd')

/** A folder as its true path, which is what all names are joined to. Throws FOLDER when it is none. */
export function rootOf(dir: string): string {
  try {
    const root = realpathSync.native(dir)
    if (statSync(root).isDirectory()) return root
  } catch (error) {
    throw new P2pError('FOLDER', `Cannot use the folder ${dir}: ${asP2pError(error).message}`, { cause: error })
  }
  throw new P2pError('FOLDER', `Cannot use ${dir}: it is not a folder`)
}

/** The path of a name below `root` (as {@link rootOf} gives it). Throws BAD_NAME. */
export function locate(root: string, name: string, platform: NodeJS.Platform = process.platform): string {
  if (!isPlainName(name) || (platform === 'win32' && !isWindowsName(name))) {
    throw new P2pError('BAD_NAME', `${JSON.stringify(name)} is not the name of a file inside a share`)
  }
  const between = platform === 'win32' ? '\\' : '/'
  return (root.endsWith(between) ? root : root + between) + name.replaceAll('/', between)
}

// Drives and streams (`:`), wildcards, separators; devices in any folder and with any ending; what Windows would cut off.
const WINDOWS_FORBIDS = /[\\:*?"<>|]|\p{Cc}/u
const WINDOWS_DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3]) *(?:\.|$)/i

function isWindowsName(name: string): boolean {
  if (WINDOWS_FORBIDS.test(name)) return false
  return name.split('/').every((part) => !WINDOWS_DEVICE.test(part) && !/[. ]$/.test(part))
}

/**
 * Opens a regular file of the share for reading. Nothing, rather than an error, when there is no such file: also when the
 * name is a bad one, or a link, something special, or a file that may not be read stands in its place. Throws BUSY when
 * there are no descriptors left.
 */
export async function openInside(root: string, name: string): Promise<FileHandle | undefined> {
  let handle: FileHandle | undefined
  try {
    const path = locate(root, name)
    // Before the open, because opening a device can do something.
    if (!(await lstat(path)).isFile()) return undefined
    handle = await open(path, constants.O_RDONLY | NO_FOLLOW | NON_BLOCK)
    if ((await handle.stat()).isFile() && (await liesAt(handle, path))) return handle
  } catch (error) {
    await handle?.close()
    const { code } = error as { code?: unknown }
    if (code === 'EMFILE' || code === 'ENFILE') throw new P2pError('BUSY', 'Too many files are open', { cause: error })
    return undefined
  }
  await handle.close()
  return undefined
}

/** As {@link openInside}, for threads that may wait: a descriptor. */
export function openInsideSync(root: string, name: string): number | undefined {
  let fd: number | undefined
  try {
    const path = locate(root, name)
    if (!lstatSync(path).isFile()) return undefined
    fd = openSync(path, constants.O_RDONLY | NO_FOLLOW | NON_BLOCK)
    if (fstatSync(fd).isFile() && liesAtSync(fd, path)) return fd
  } catch {
    // Nothing, as below.
  }
  if (fd !== undefined) closeSync(fd)
  return undefined
}

function liesAtSync(fd: number, path: string): boolean {
  if (HAS_PROC) return readlinkSync(`/proc/self/fd/${fd}`) === path
  if (realpathSync.native(path) !== path) return false
  const [opened, found] = [fstatSync(fd, { bigint: true }), lstatSync(path, { bigint: true })]
  return opened.dev === found.dev && opened.ino === found.ino
}

/** Whether what is open is `path` itself, reached through no link and spelt as on the disk. */
async function liesAt(handle: FileHandle, path: string): Promise<boolean> {
  if (HAS_PROC) return (await readlink(`/proc/self/fd/${handle.fd}`)) === path
  if ((await realpath(path)) !== path) return false
  const [opened, found] = await Promise.all([handle.stat({ bigint: true }), lstat(path, { bigint: true })])
  return opened.dev === found.dev && opened.ino === found.ino
}

/**
 * Whether the disk spells a name as it was asked for: byte for byte, also where `A` and `a` are one file. Only for names
 * that were not read from the disk.
 */
export async function isSpeltSo(root: string, name: string, { dev, ino }: BigIntStats): Promise<boolean> {
  const other = name.replace(/\p{L}/gu, (letter) =>
    letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()
  )
  const found = await lstat(join(root, other), { bigint: true }).catch(() => undefined)
  if (other === name || found?.dev !== dev || found.ino !== ino) return true
  let folder = root
  for (const part of name.split('/')) {
    if (!(await readdir(folder)).includes(part)) return false
    folder = join(folder, part)
  }
  return true
}

/** A folder that is held open while something is put into it, so that it stays the same folder. */
export interface Place {
  /** What to hand to the file system for an entry of the folder. */
  at: (entry: string) => string
  /** Whether it still lies where it was opened. */
  isThere: () => Promise<boolean>
  /** Makes what was put there outlive a power cut. */
  sync: () => Promise<void>
  close: () => Promise<void>
}

/**
 * Opens the folder below `root` that the parts lead to, and makes what is missing on the way. Throws FOLDER when
 * something else, or a link, is in the way.
 */
export async function openPlace(root: string, parts: readonly string[]): Promise<Place> {
  let path = root
  let handle = await openFolder(path)
  for (const part of parts) {
    const entry = through(handle, path, part)
    try {
      await mkdir(entry).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw folderError(join(path, part), error)
      })
      path = join(path, part)
      const next = await openFolder(path)
      await handle.close()
      handle = next
    } catch (error) {
      await handle.close()
      throw error
    }
  }
  return {
    at: (entry) => through(handle, path, entry),
    isThere: () => liesAt(handle, path),
    // Windows cannot sync a folder, and some network file systems will not; the file itself is safe by then.
    sync: () => handle.sync().catch(() => undefined),
    close: () => handle.close()
  }
}

async function openFolder(path: string): Promise<FileHandle> {
  let handle: FileHandle | undefined
  try {
    handle = await open(path, constants.O_RDONLY | DIRECTORY | NO_FOLLOW)
    if ((await handle.stat()).isDirectory() && (await liesAt(handle, path))) return handle
  } catch (error) {
    await handle?.close()
    throw folderError(path, error)
  }
  await handle.close()
  throw folderError(path)
}

function folderError(path: string, cause?: unknown): P2pError {
  const { code, message } = asP2pError(cause ?? new Error('it is a link, or not a folder'), 'FOLDER')
  return new P2pError(code === 'DISK' ? 'DISK' : 'FOLDER', `Cannot put files into ${path}: ${message}`, { cause })
}

function through(handle: FileHandle, path: string, entry: string): string {
  return HAS_PROC ? `/proc/self/fd/${handle.fd}/${entry}` : `${path}${sep}${entry}`
}
