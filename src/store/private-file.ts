/** Small files that nobody else may read: written whole or not at all, in a folder of their own. */
import { randomBytes } from 'node:crypto'
import { chmod, link, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { asP2pError, P2pError } from '../errors.js'

const MAX_BYTES = 16_384
const OWNER_ONLY = 0o600
const FOLDER_OF_OWNER = 0o700
const FOR_OTHERS = 0o077

/** The text of a file, or nothing when there is none. Rights that others have are taken away. Errors with FOLDER or DISK. */
export async function readPrivateFile(file: string): Promise<string | undefined> {
  try {
    const handle = await open(file, 'r')
    try {
      const { mode, size } = await handle.stat()
      if (size > MAX_BYTES) throw new P2pError('FOLDER', `${file} is longer than ${MAX_BYTES} bytes`)
      // A backup that was restored may have lost them. Some file systems have no rights, which is for their owner to know.
      if ((mode & FOR_OTHERS) !== 0) await handle.chmod(OWNER_ONLY).catch(() => undefined)
      return await handle.readFile('utf8')
    } finally {
      await handle.close()
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw unusable('read', file, error)
  }
}

/** In place of what was there before. Errors with FOLDER or DISK. */
export async function writePrivateFile(file: string, text: string): Promise<void> {
  await written(file, text, (beside) => rename(beside, file))
}

/** Tells whether it was made: not when there is one already, also by somebody who was quicker. Errors with FOLDER or DISK. */
export async function createPrivateFile(file: string, text: string): Promise<boolean> {
  if (await exists(file)) return false
  try {
    await written(file, text, async (beside) => {
      await link(beside, file).catch(async (error: unknown) => {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw error
        // A file system without links: the moment between is too short to matter.
        if (await exists(file)) throw Object.assign(new Error('It is there already'), { code: 'EEXIST' })
        await rename(beside, file)
      })
    })
    return true
  } catch (error) {
    if (error instanceof P2pError && (error.cause as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Writes beside the file and syncs, since a key that is lost cannot be made again; then `place` gives it its name. */
async function written(file: string, text: string, place: (beside: string) => Promise<void>): Promise<void> {
  const beside = `${file}.${randomBytes(6).toString('hex')}.new`
  try {
    const folder = dirname(file)
    await mkdir(folder, { recursive: true, mode: FOLDER_OF_OWNER })
    // The mode counts only for folders that were missing.
    if (((await stat(folder)).mode & FOR_OTHERS) !== 0) await chmod(folder, FOLDER_OF_OWNER).catch(() => undefined)
    const handle = await open(beside, 'wx', OWNER_ONLY)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await place(beside)
  } catch (error) {
    throw unusable('write', file, error)
  } finally {
    await rm(beside, { force: true }).catch(() => undefined)
  }
}

const exists = (file: string) =>
  stat(file).then(
    () => true,
    () => false
  )

function unusable(what: 'read' | 'write', file: string, cause: unknown): P2pError {
  if (cause instanceof P2pError) return cause
  const { code, message } = asP2pError(cause, 'FOLDER')
  return new P2pError(code === 'DISK' ? 'DISK' : 'FOLDER', `Cannot ${what} ${file}: ${message}`, { cause })
}
