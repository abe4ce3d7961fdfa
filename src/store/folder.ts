/** The folder a peer works in, made ready or refused with a clear word. */
import { constants } from 'node:fs'
import { access, mkdir, stat } from 'node:fs/promises'
import { P2pError } from '../errors.js'

/** Creates the folder when it is missing. Errors with FOLDER when it cannot be used. */
export async function prepareFolder(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true })
  } catch (cause) {
    const file = await stat(dir).catch(() => undefined)
    const why = file?.isDirectory() === false ? 'there is a file of that name' : reason(cause)
    throw new P2pError('FOLDER', `The folder ${dir} cannot be created: ${why}`, { cause })
  }
  try {
    await access(dir, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw new P2pError('FOLDER', `The folder ${dir} cannot be read and written: ${reason(cause)}`, { cause })
  }
}

function reason(cause: unknown): string {
  const { code } = cause as NodeJS.ErrnoException
  return (code === undefined ? undefined : REASONS[code]) ?? (cause instanceof Error ? cause.message : String(cause))
}

const REASONS: Partial<Record<string, string>> = {
  EACCES: 'you have no right to',
  EPERM: 'you have no right to',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a part of its path is a file'
}
