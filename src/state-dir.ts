/** Where the state of a share lies on this machine. */
import { realpathSync } from 'node:fs'
import { homedir, userInfo } from 'node:os'
import { isAbsolute, resolve } from 'node:path'
import { defaultStateDir as stateDirOf } from './store/state-dir.js'

/**
 * The folder for what outlives the process, for a share: `$XDG_STATE_HOME/p2p-rx/NAME-DIGEST`, one for each shared folder.
 *
 * @example
 * ```ts
 * defaultStateDir('/srv/files') // '/home/ann/.local/state/p2p-rx/files-0f3d8a51'
 * ```
 */
export function defaultStateDir(dir: string): string {
  return stateDirOf(real(dir), process.env, process.platform, home())
}

/** What $HOME says need not be a folder; a relative one would be another in each working directory. */
export function home(): string {
  return isAbsolute(homedir()) ? homedir() : userInfo().homedir
}

function real(dir: string): string {
  try {
    return realpathSync.native(dir)
  } catch {
    // It will be made there.
    return resolve(dir)
  }
}
