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
    throw new P2pError('FOLDER', `The folder ${dir} cannot be created: ${why}.`, { cause })
  }
  try {
    await access(dir, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw new P2pError('FOLDER', `The folder ${dir} cannot be read and written: ${reason(cause)}.`, { cause })
  }
}

function reason(cause: unknown): string {
  const { code } = cause as NodeJS.ErrnoException
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return 'you have no right to'
    case 'EROFS':
      return 'the file system is read-only'
    case 'ENOTDIR':
      return 'a part of its path is a file'
    default:
      return cause instanceof Error ? cause.message : String(cause)
  }
}
