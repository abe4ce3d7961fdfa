/** Which private network is meant, and what it takes to speak in it. */
import {
  checkNetworkName,
  DEFAULT_NETWORK,
  loadVisitorKey,
  type Network,
  type NetworkOptions,
  P2pError,
  userNetworks
} from '../index.js'

export interface NetworkFlags {
  readonly network?: string | undefined
}

/** The network that is named, else `default`, else the only one; nothing when there is none. Errors with USAGE. */
export async function currentName({ network }: NetworkFlags): Promise<string | undefined> {
  if (network !== undefined) return checkNetworkName(network)
  const names = await userNetworks().list()
  if (names.includes(DEFAULT_NETWORK) || names.length === 0) return names.length === 0 ? undefined : DEFAULT_NETWORK
  if (names.length === 1) return names[0]
  throw new P2pError('USAGE', `You are in several private networks: ${names.join(', ')}`, {
    advice: 'Name one with --network NAME.'
  })
}

/** The same, where nothing can be done without. Errors with USAGE. */
export async function requireNetwork(flags: NetworkFlags): Promise<Network> {
  const name = await currentName(flags)
  const network = name === undefined ? undefined : await userNetworks().load(name)
  if (network !== undefined) return network
  throw new P2pError(
    'USAGE',
    name === undefined ? 'You are in no private network' : `You are in no private network called ${name}`,
    { advice: 'Make one with `p2p-rx start --dir FOLDER`, or join one with `p2p-rx join`.' }
  )
}

/** How to ask these peers: as a member where they are private, in the clear where they are not. Errors with USAGE. */
export async function asVisitor(urls: readonly string[], flags: NetworkFlags): Promise<NetworkOptions | undefined> {
  if (!urls.some((url) => url.startsWith('https:'))) return undefined
  const { name, secret } = await requireNetwork(flags)
  return { secret, key: await loadVisitorKey(name), refused: await userNetworks().folder(name).refused() }
}

/** The members an invite named, to be asked where no peer of this user runs; nothing where there is no network. */
export async function firstPeers(flags: NetworkFlags): Promise<string[]> {
  const name = await currentName(flags)
  return name === undefined ? [] : userNetworks().folder(name).peers()
}
