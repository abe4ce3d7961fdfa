/** `p2p-rx join`: becomes a member of the private network of an invite. */
import { type Invite, P2pError, parseInvite, userNetworks } from '../index.js'
import { say } from './output.js'
import { askHidden, canAsk, readPiped } from './secrets.js'
import { type StartFlags, start } from './start.js'

export interface JoinFlags extends StartFlags {
  readonly replace?: boolean
}

export async function join(argument: string | undefined, flags: JoinFlags): Promise<number> {
  const { text, isPiped } = await textOf(argument)
  const invite = parseInvite(text)
  const name = flags.network ?? invite.name
  await keep(invite, name, flags.replace === true)
  say(`Joined the private network ${name}.`)
  if (flags.dir === undefined) {
    const which = name === 'default' ? '' : ` --network ${name}`
    say(`Next: p2p-rx start${which} --dir FOLDER`)
    return 0
  }
  // The shell would read on from a pipe that has ended, and leave at once.
  return start({ ...flags, network: name, open: false, shell: flags.shell && !isPiped })
}

/** The invite from where it is seen by the fewest. Errors with USAGE. */
async function textOf(argument: string | undefined): Promise<{ text: string; isPiped: boolean }> {
  if (argument !== undefined && argument !== '-') {
    const advice = 'next time leave it out and paste it when asked'
    say(
      `Warning: others on this machine can see arguments, and the history of the shell keeps them; ${advice}.`,
      'yellow'
    )
    return { text: argument, isPiped: false }
  }
  if (argument === undefined && canAsk())
    return { text: await askHidden('Paste the invite (it is not shown): '), isPiped: false }
  return { text: await readPiped(), isPiped: true }
}

async function keep({ secret, addresses }: Invite, name: string, replace: boolean): Promise<void> {
  const networks = userNetworks()
  // Made where it is missing, so that a change of its secret has something to change.
  try {
    await networks.create(name, secret)
  } catch (error) {
    if (!(error instanceof P2pError) || error.code !== 'EXISTS' || !replace) throw error
    await networks.replace(name, secret)
  }
  await networks.folder(name).addPeers(addresses)
}
