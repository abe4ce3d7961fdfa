import { closeSync, linkSync, openSync, renameSync } from 'node:fs'

/** What file systems without hard links say: FAT says EPERM, others one of the rest. */
export const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EACCES'])

/** Gives a file its name unless the name is taken, in one step, on a thread that may wait. Errors with EEXIST. */
export function putBesideSync(from: string, goal: string): void {
  try {
    linkSync(from, goal)
    return
  } catch (error) {
    if (!NO_LINKS.has((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
  // Takes the name first, so that the rename goes over nothing but our own empty file.
  closeSync(openSync(goal, 'wx'))
  renameSync(from, goal)
}
