/** What a private peer needs from this machine: the networks of its user, and a key of its own. */
import { join } from 'node:path'
import { checkNetworkName } from './network-name.js'
import { home } from './state-dir.js'
import { type Networks, networksFolder, openNetworks } from './store/networks.js'
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
  return openNetworks(root())
}

/** The key kept in a state folder, as PEM text, made when there is none: the peer keeps its id. Errors with FOLDER or DISK. */
export function loadPeerKey(stateDir: string): Promise<string> {
  return keptPeerKey(stateDir, newPeerKey)
}

/** The key by which commands of this user that only ask are known in a network: another one in each, so that nobody can tell they are one. */
export function loadVisitorKey(network: string): Promise<string> {
  return keptPeerKey(join(networksFolder(root()), checkNetworkName(network)), newPeerKey)
}

function root(): string {
  return stateRoot(process.env, process.platform, home())
}
