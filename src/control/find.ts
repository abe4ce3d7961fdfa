/** Which peers of this user run: those whose state folders have a socket that is answered. */
import { opendir } from 'node:fs/promises'
import { join } from 'node:path'
import { isAnswered, socketPathOf } from './socket.js'

/** State folders that are looked at: far more than anybody has, and enough for a moment's work. */
const MAX_STATE_FOLDERS = 1_000

/** The state folders below `root` whose peers run, in the order of their names. */
export async function findRunning(root: string): Promise<string[]> {
  const found: string[] = []
  const look = async (stateDir: string) => {
    if (await isAnswered(socketPathOf(stateDir))) found.push(stateDir)
  }
  const looks: Promise<void>[] = []
  try {
    for await (const entry of await opendir(root)) {
      if (looks.length >= MAX_STATE_FOLDERS) break
      if (entry.isDirectory()) looks.push(look(join(root, entry.name)))
    }
  } catch {
    // No folder, or none that can be read: then nobody runs that could be spoken to.
  }
  await Promise.all(looks)
  return found.sort()
}
