/** What makes a peer that is started a member of a private network, and keeps it one while bans and secrets change. */
import { randomBytes } from 'node:crypto'
import { concat, defer, ignoreElements, type Observable } from 'rxjs'
import type { ControlledNetwork } from '../control/server.js'
import {
  DEFAULT_NETWORK,
  type Handed,
  loadPeerKey,
  type Network,
  type NetworkOptions,
  P2pError,
  type Peer,
  passwordSecret,
  userNetworks
} from '../index.js'
import { readSecret } from './inputs.js'
import { currentName, type NetworkFlags } from './networks.js'
import { say, shortId } from './output.js'
import { askHidden, canAsk } from './secrets.js'

/** As many random bytes as a network begins with. */
const SECRET_BYTES = 32

export interface MembershipFlags extends NetworkFlags {
  readonly password?: boolean
  readonly passwordFile?: string
}

export interface Membership {
  readonly name: string
  readonly options: NetworkOptions
  /** Members met before. */
  readonly peers: readonly string[]
  /** Keeps the peer to what this user's commands change, until the returned function is called. */
  readonly follow: (peer: Peer) => () => void
  readonly control: (peer: Peer) => ControlledNetwork
  /** Where it is reached, once it listens; kept for `invite` when it does not run any more. */
  readonly keepAddresses: (peer: Peer) => Promise<void>
}

/** The network that is named, or by default the one there is; made when there is none. Errors with USAGE, EXISTS, FOLDER or DISK. */
export async function openMembership(flags: MembershipFlags, stateDir: string): Promise<Membership> {
  const { name, secret } = await networkOf(flags)
  const networks = userNetworks()
  const folder = networks.folder(name)

  const keepSecret: NetworkOptions['keepSecret'] = async (changed, from) => {
    await networks.replace(name, changed)
    say(`The network ${name} has a new secret, from the member ${shortId(from.id)}.`)
  }

  const rotate = (peer: Peer): Observable<Handed> =>
    defer(() => {
      const changed = randomBytes(SECRET_BYTES)
      const use$ = defer(async () => {
        await networks.replace(name, changed)
        peer.setSecret(changed)
      })
      return concat(peer.handSecret(changed), use$.pipe(ignoreElements()))
    })

  return {
    name,
    options: { secret, key: await loadPeerKey(stateDir), refused: await folder.refused(), keepSecret },
    peers: await folder.peers(),
    follow(peer) {
      const failed = (error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error)
        say(`Warning: bans and new secrets are taken in at the next start only: ${reason}`, 'yellow')
      }
      const reread = async () => {
        peer.setRefused(await folder.refused())
        const network = await networks.load(name)
        if (network !== undefined) peer.setSecret(network.secret)
      }
      return folder.follow(() => void reread().catch(failed), failed)
    },
    control: (peer) => ({
      about: () => ({ name, id: peer.id ?? '', addresses: peer.addresses() }),
      rotate: () => rotate(peer)
    }),
    keepAddresses: (peer) => folder.setAddresses(peer.addresses())
  }
}

async function networkOf(flags: MembershipFlags): Promise<Network> {
  const networks = userNetworks()
  if (flags.password === true || flags.passwordFile !== undefined) return networkOfPassword(flags)
  const name = (await currentName(flags)) ?? DEFAULT_NETWORK
  const known = await networks.load(name)
  if (known !== undefined) return known
  const made = await networks.create(name)
  say(`Made the private network ${name}.`)
  return made
}

async function networkOfPassword({ network: name, password, passwordFile }: MembershipFlags): Promise<Network> {
  if (name === undefined)
    throw new P2pError('USAGE', 'A network with a password needs a name', {
      advice: 'Say the same --network NAME and the same password everywhere.'
    })
  if (password === true && passwordFile !== undefined)
    throw new P2pError('USAGE', '--password and --password-file contradict each other', { advice: 'Say one of them.' })
  const isNew = !(await userNetworks().list()).includes(name)
  const text = passwordFile === undefined ? await askPassword(isNew) : await readSecret(passwordFile)
  const secret = await passwordSecret(name, text)
  try {
    return await userNetworks().create(name, secret)
  } catch (error) {
    if (!(error instanceof P2pError) || error.code !== 'EXISTS') throw error
    throw new P2pError('EXISTS', `You have a network ${name} already, with another secret than this password gives`, {
      advice: 'Leave the password out to use that one, or choose another name with --network.',
      cause: error
    })
  }
}

/** A new one twice: with a slip in it one would be alone in a network of its own. */
async function askPassword(isNew: boolean): Promise<string> {
  if (!canAsk())
    throw new P2pError('USAGE', 'There is nobody to ask for the password', {
      advice: 'Write it in a file and name it with --password-file.'
    })
  const password = await askHidden('Password: ')
  if (isNew && (await askHidden('The same again: ')) !== password)
    throw new P2pError('USAGE', 'These were two different passwords', { advice: 'Run the same command again.' })
  return password
}
