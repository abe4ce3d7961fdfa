/** What a private peer needs from this machine: the networks of its user, and a key of its own. */
import { homedir } from 'node:os'
import { type Networks, openNetworks } from './store/networks.js'
import { keptPeerKey } from './store/peer-key.js'
import { stateRoot } from './store/state-dir.js'
import { newPeerKey } from './transport/tls/identity.js'

/**
 * The private networks of this user, below `$XDG_STATE_HOME/p2p-rx`.
 *
 * @example
 * ```ts
 * const { secret } = await userNetworks().create('default')
 * const peer = createPeer({ dir: 'files', network: { secret, key: await loadPeerKey(stateDir) }, stateDir })
 * ```
 */
export function userNetworks(): Networks {
  return openNetworks(stateRoot(process.env, process.platform, homedir()))
}

/** The key kept in a state folder, as PEM text, made when there is none: the peer keeps its id. Errors with FOLDER or DISK. */
export function loadPeerKey(stateDir: string): Promise<string> {
  return keptPeerKey(stateDir, newPeerKey)
}
