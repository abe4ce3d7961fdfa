/** Where the state of a share lies on this machine. */
import { realpathSync } from 'node:fs'
import { homedir, userInfo } from 'node:os'
import { isAbsolute, resolve } from 'node:path'
import { checkNetworkName } from './network-name.js'
import { DEFAULT_NETWORK } from './store/networks.js'
import { defaultStateDir as stateDirOf } from './store/state-dir.js'

/**
 * The folder for what outlives the process, for a share: `$XDG_STATE_HOME/p2p-rx/NAME-DIGEST`, one for each shared folder, and
 * `NAME-DIGEST-NETWORK` where it is shared with another network than the default one: so peers in several can run side by side.
 *
 * @example
 * ```ts
 * defaultStateDir('/srv/files') // '/home/ann/.local/state/p2p-rx/files-0f3d8a51'
 * defaultStateDir('/srv/files', 'work') // '/home/ann/.local/state/p2p-rx/files-0f3d8a51-work'
 * ```
 */
export function defaultStateDir(dir: string, network?: string): string {
  const folder = stateDirOf(real(dir), process.env, process.platform, home())
  return network === undefined || network === DEFAULT_NETWORK ? folder : `${folder}-${checkNetworkName(network)}`
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
