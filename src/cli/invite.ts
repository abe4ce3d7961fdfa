/** `p2p-rx invite`: one line that makes whoever has it a member of a private network. */
import { renderUnicodeCompact } from 'uqr'
import { formatInvite, MAX_INVITE_ADDRESSES, P2pError, userNetworks } from '../index.js'
import { type NetworkFlags, requireNetwork } from './networks.js'
import { answer, say } from './output.js'
import { isLoopback } from './reach.js'
import { type RunningFlags, runningMembers } from './running.js'

export interface InviteFlags extends NetworkFlags, RunningFlags {}

export async function invite(flags: InviteFlags): Promise<number> {
  const { name, secret } = await requireNetwork(flags)
  const addresses = await addressesOf(name, flags)
  const text = formatInvite({ addresses, name, secret })
  answer(text)
  if (addresses.every((url) => isLoopback(new URL(url).hostname)))
    say(
      'Warning: only this machine can reach that address: the peer was started with --host, or there is no network.',
      'yellow'
    )
  // For somebody who looks at it: a script has no use for pictures.
  if (process.stderr.isTTY) {
    process.stderr.write(`${picture(text)}\n`)
    say('On the other computer: p2p-rx join, and paste that line when it asks.')
    say('Whoever has it is a member, and can invite others.')
  }
  return 0
}

/** Where members can be met: peers of this user that run, or the places where they were last, or those who invited us. */
async function addressesOf(name: string, flags: RunningFlags): Promise<readonly string[]> {
  const running = (await runningMembers(name, flags)).flatMap(({ network }) => network.addresses)
  if (running.length > 0) return [...new Set(running)].slice(0, MAX_INVITE_ADDRESSES)
  const folder = userNetworks().folder(name)
  const last = await folder.addresses()
  const known = last.length > 0 ? last : await folder.peers()
  if (known.length === 0)
    throw new P2pError('USAGE', `No peer of yours runs in the network ${name}, and none ever has`, {
      advice: `Start one with \`p2p-rx start --network ${name} --dir FOLDER\`, then invite others.`
    })
  const whose =
    last.length > 0 ? 'the addresses are those of the last time' : 'the addresses are those of your own invite'
  say(`Warning: no peer of yours runs in the network ${name}; ${whose}.`, 'yellow')
  return known.slice(0, MAX_INVITE_ADDRESSES)
}

/** A QR code, black on white whatever the colours of the terminal are: readers want it so. */
function picture(text: string): string {
  const lines = renderUnicodeCompact(text, { border: 2 }).split('\n')
  return lines.map((line) => `\u001b[97;40m${line}\u001b[0m`).join('\n')
}
