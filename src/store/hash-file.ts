import { constants } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { asP2pError, P2pError } from '../errors.js'
import { createRootHasher } from './merkle.js'
import { identityOf } from './source.js'

const READ_BYTES = 1024 * 1024

// A pipe must not hang the open that finds it.
const NON_BLOCK = (constants.O_NONBLOCK as number | undefined) ?? 0

/**
 * Computes the root of any file. Errors with NOT_FOUND, DENIED, USAGE when it is no regular file, INTEGRITY when it
 * changes meanwhile, or DISK.
 *
 * @example
 * ```ts
 * console.log(await hashFile('notes.txt'))
 * // { size: 3, root: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad' }
 * ```
 */
export async function hashFile(path: string): Promise<{ readonly size: number; readonly root: string }> {
  const handle = await open(path, constants.O_RDONLY | NON_BLOCK).catch((cause: unknown) => {
    throw unreadable(path, cause)
  })
  try {
    const before = await handle.stat({ bigint: true })
    if (!before.isFile()) {
      const what = before.isDirectory() ? 'a folder' : 'no regular file'
      throw new P2pError('USAGE', `${path} is ${what}`, { advice: 'Name files.' })
    }
    const hasher = createRootHasher()
    // One is read while the other is hashed.
    const memory = [Buffer.allocUnsafeSlow(READ_BYTES), Buffer.allocUnsafeSlow(READ_BYTES)] as const
    let size = 0
    let ahead = handle.read(memory[0], 0, READ_BYTES, 0)
    for (let turn = 1; ; turn = 1 - turn) {
      const { bytesRead, buffer } = await ahead
      if (bytesRead === 0) break
      size += bytesRead
      ahead = handle.read(memory[turn === 0 ? 0 : 1], 0, READ_BYTES, size)
      // Whoever awaits it next hears of it.
      ahead.catch(() => undefined)
      hasher.update(buffer.subarray(0, bytesRead))
    }
    if (identityOf(await handle.stat({ bigint: true })) !== identityOf(before)) {
      throw new P2pError('INTEGRITY', `${path} was changed while it was read`, { advice: 'Try again.' })
    }
    return { size, root: hasher.digest() }
  } catch (error) {
    throw unreadable(path, error)
  } finally {
    await handle.close()
  }
}

/** Whether there is a file with this very content. */
export async function hasContent(
  path: string,
  content: { readonly size: number; readonly root: string }
): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isFile() !== true || found.size !== content.size) return false
  return await hashFile(path).then(
    ({ root }) => root === content.root,
    () => false
  )
}

function unreadable(path: string, cause: unknown): P2pError {
  if (cause instanceof P2pError) return cause
  const { code } = cause as NodeJS.ErrnoException
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new P2pError('NOT_FOUND', `There is no file ${path}`, { advice: 'Check the spelling.', cause })
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new P2pError('DENIED', `${path} may not be read`, { advice: 'Check its rights.', cause })
  }
  const known = asP2pError(cause)
  return new P2pError(known.code, `Cannot read ${path}: ${known.message}`, { cause })
}
