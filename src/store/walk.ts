import { isUtf8 } from 'node:buffer'
import type { Dirent } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isPlainName } from '../streams/names.js'

/** Files told of at a time, so that those who look at them have a break. */
const NAMES_AT_ONCE = 512

interface Walk {
  readonly root: string
  /** Where to begin, a folder's name below the root; the root itself is ''. */
  readonly from: string
  /** Called before a folder is read, so that who watches it from here on misses nothing. */
  readonly enter: (folder: string) => Promise<void>
  readonly visit: (names: readonly string[]) => Promise<void>
  /** A folder that cannot be read is a problem, not the end of the walk. */
  readonly skipped: (folder: string, cause: unknown) => void
  readonly signal: AbortSignal
}

/** Visits every regular file with a plain name, at any depth; links are not followed. */
export async function walk({ root, from, enter, visit, skipped, signal }: Walk): Promise<void> {
  const folders = [from]
  for (let folder = folders.pop(); folder !== undefined && !signal.aborted; folder = folders.pop()) {
    const files: string[] = []
    try {
      await enter(folder)
      for (const entry of await readdir(join(root, folder), { withFileTypes: true, encoding: 'buffer' })) {
        const name = nameBelow(folder, entry.name)
        if (name === undefined) continue
        if (entry.isDirectory()) folders.push(name)
        else if (entry.isFile()) files.push(name)
      }
    } catch (error) {
      skipped(folder, error)
    }
    for (let at = 0; at < files.length; at += NAMES_AT_ONCE) {
      await visit(files.slice(at, at + NAMES_AT_ONCE))
    }
  }
}

/** The name of a folder's entry; nothing when it could not be asked for: not UTF-8, or not a plain name. */
export function nameBelow(folder: string, entry: Dirent<Buffer>['name']): string | undefined {
  if (!isUtf8(entry)) return undefined
  const name = folder === '' ? entry.toString('utf8') : `${folder}/${entry.toString('utf8')}`
  return isPlainName(name) ? name : undefined
}
