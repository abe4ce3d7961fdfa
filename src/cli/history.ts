/** What was typed in earlier sessions, in the place the XDG rules give to such state. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'

/** Enough to find last week's command again, and a file of some tens of kilobytes. */
export const MAX_HISTORY_LINES = 500

function historyFile(): string {
  const { XDG_STATE_HOME = '' } = process.env
  // The XDG rules: a relative path there is to be ignored.
  const state = isAbsolute(XDG_STATE_HOME) ? XDG_STATE_HOME : join(homedir(), '.local', 'state')
  return join(state, 'p2p-rx', 'history')
}

/** The lines of earlier sessions, newest first, as node:readline keeps them. */
export async function loadHistory(): Promise<string[]> {
  try {
    const lines = (await readFile(historyFile(), 'utf8')).split('\n').filter((line) => line !== '')
    return lines.slice(-MAX_HISTORY_LINES).reverse()
  } catch {
    // No history, or one that cannot be read: the shell works without, and complaining at each start would only annoy.
    return []
  }
}

/** Keeps the lines, newest first, for later sessions; only the user may read them. */
export async function saveHistory(newestFirst: readonly string[]): Promise<void> {
  const text = newestFirst.slice(0, MAX_HISTORY_LINES).reverse().join('\n')
  try {
    await mkdir(dirname(historyFile()), { recursive: true, mode: 0o700 })
    await writeFile(historyFile(), `${text}\n`, { mode: 0o600 })
  } catch {
    // As above: a read-only home must not spoil the end of a session.
  }
}
