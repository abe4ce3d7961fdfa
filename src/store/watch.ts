import { type FSWatcher, watch } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { nameBelow } from './walk.js'

/** Folders with a watch of their own: what older kernels allow a user altogether. The others wait for the rescan. */
const MAX_WATCHED_FOLDERS = 8192

interface FolderWatchInit {
  readonly root: string
  /** Something happened to a name; what, is for the listener to see. */
  readonly onHint: (name: string) => void
  readonly onProblem: (message: string, cause?: unknown) => void
}

/**
 * Watches folders one by one, each as it is entered by a walk.
 *
 * One watch a folder and a look at the very name that changed: a watcher that also watches every file, or reads the
 * folder again at each event, needs a second to notice one new file among 20,000.
 */
export function createFolderWatch({ root, onHint, onProblem }: FolderWatchInit) {
  const watchers = new Map<string, { watcher: FSWatcher; identity: string }>()

  async function enter(folder: string): Promise<void> {
    const path = join(root, folder)
    const { dev, ino } = await stat(path, { bigint: true })
    const identity = `${dev}-${ino}`
    // Another folder may have taken the place of one that was moved away, and a watch goes with the folder.
    if (watchers.get(folder)?.identity === identity) return
    drop(folder)
    if (watchers.size >= MAX_WATCHED_FOLDERS) {
      onProblem(`Only ${MAX_WATCHED_FOLDERS} folders are watched; changes in the others are seen within a minute`)
      return
    }
    try {
      const watcher = watch(path, { encoding: 'buffer', persistent: false }, (_, entry) => {
        const name = entry === null ? folder : nameBelow(folder, entry)
        if (name !== undefined) onHint(name)
      })
      watcher.on('error', (error) => {
        drop(folder)
        onProblem(`Cannot watch ${path}; changes are seen within a minute: ${error.message}`, error)
      })
      watchers.set(folder, { watcher, identity })
    } catch (error) {
      onProblem(`Cannot watch ${path}; changes are seen within a minute: ${(error as Error).message}`, error)
    }
  }

  function drop(folder: string): void {
    watchers.get(folder)?.watcher.close()
    watchers.delete(folder)
  }

  return {
    enter,
    /** Whether a name was a folder when last seen. */
    knows: (folder: string) => watchers.has(folder),
    leave: (folder: string) => {
      for (const known of [...watchers.keys()]) if (known === folder || known.startsWith(`${folder}/`)) drop(known)
    },
    close: () => {
      for (const folder of [...watchers.keys()]) drop(folder)
    }
  }
}
