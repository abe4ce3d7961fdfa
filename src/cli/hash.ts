/** `p2p-rx hash`: the roots of files, as peers offer them. */
import { hashFile } from '../index.js'
import { answer, reportError, writeJson } from './output.js'

export interface HashFlags {
  readonly json?: boolean
}

/** One line a file; goes on after one that cannot be read, and ends with the code of the first. */
export async function hash(files: readonly string[], { json = false }: HashFlags): Promise<number> {
  let exitCode = 0
  for (const file of files) {
    try {
      const { size, root } = await hashFile(file)
      if (json) writeJson({ file, size, root })
      else answer(`${root}  ${file}`)
    } catch (error) {
      const code = reportError(error)
      if (exitCode === 0) exitCode = code
    }
  }
  return exitCode
}
