/** The names that the last find of this user brought, for the completion of a shell. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import type { FoundFile } from '../index.js'

/** More than anybody pages through with Tab. */
const MAX_KEPT_NAMES = 1_000

/** Where the scripts of completion look, too. */
function lastFindFile(): string {
  const { XDG_STATE_HOME = '' } = process.env
  // The XDG rules: a relative path there is to be ignored.
  const state = isAbsolute(XDG_STATE_HOME) ? XDG_STATE_HOME : join(homedir(), '.local', 'state')
  return join(state, 'p2p-rx', 'last-find')
}

/** The names that fit on a line each and cannot act on the terminal that shows them. */
export function completableNames(files: readonly Pick<FoundFile, 'name'>[]): readonly string[] {
  const names = files.map(({ name }) => name).filter((name) => !/[\p{Cc}\p{Bidi_Control}]/u.test(name))
  return [...new Set(names)].slice(0, MAX_KEPT_NAMES)
}

/** Only the user may read them. A find that brought nothing leaves those of the one before. */
export async function keepLastFind(files: readonly Pick<FoundFile, 'name'>[]): Promise<void> {
  const names = completableNames(files)
  if (names.length === 0) return
  try {
    const file = lastFindFile()
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    await writeFile(file, `${names.join('\n')}\n`, { mode: 0o600 })
    await chmod(file, 0o600)
  } catch {
    // A read-only home must not spoil a find.
  }
}

export async function loadLastFind(): Promise<readonly string[]> {
  try {
    const names = (await readFile(lastFindFile(), 'utf8')).split('\n').filter((name) => name !== '')
    return names.slice(0, MAX_KEPT_NAMES)
  } catch {
    return []
  }
}
