/** `p2p-rx network`: the private networks of this user, and a new secret for one of them. */
import { randomBytes } from 'node:crypto'
import { lastValueFrom, toArray } from 'rxjs'
import { type Handed, P2pError, userNetworks } from '../index.js'
import { currentName, type NetworkFlags, requireNetwork } from './networks.js'
import { answer, say, shortId, writeJson } from './output.js'
import { orThrow, type RunningFlags, runningMembers } from './running.js'

const SECRET_BYTES = 32
/** Not everybody has it: the others need an invite. */
const PARTIAL_EXIT_CODE = 7

export interface NetworkListFlags {
  readonly json?: boolean
}

export async function listNetworks({ json = false }: NetworkListFlags): Promise<number> {
  const networks = userNetworks()
  const names = await networks.list()
  const current = await currentName({}).catch(() => undefined)
  for (const name of names) {
    const banned = await networks.folder(name).refused()
    const running = await runningMembers(name, {})
    const isCurrent = name === current
    if (json) writeJson({ name, current: isCurrent, running: running.map(({ url }) => url), banned })
    else {
      const details = [
        running.length === 0 ? 'not running' : `at ${running.map(({ url }) => url).join(' ')}`,
        ...(banned.length === 0 ? [] : [`${banned.length} banned`])
      ]
      answer(`${isCurrent ? '*' : ' '} ${name}  ${details.join(', ')}`)
    }
  }
  if (names.length === 0)
    say('You are in no private network yet: p2p-rx start --dir FOLDER makes one, p2p-rx join joins one.')
  return 0
}

export interface RotateFlags extends NetworkFlags, RunningFlags {
  readonly alone?: boolean
}

export async function rotate(flags: RotateFlags): Promise<number> {
  const { name } = await requireNetwork(flags)
  const [running] = await runningMembers(name, flags)
  if (running === undefined) {
    if (flags.alone !== true)
      throw new P2pError(
        'USAGE',
        `No peer of yours runs in the network ${name}, so nobody can be handed a new secret`,
        {
          advice: 'Start one first, or say --alone: then everybody else needs a new invite.'
        }
      )
    await userNetworks().replace(name, randomBytes(SECRET_BYTES))
    say(`The network ${name} has a new secret. Everybody else needs a new invite: p2p-rx invite.`)
    return 0
  }
  const handed = await lastValueFrom(orThrow(running.client.rotate()).pipe(toArray()))
  for (const row of handed) answer(...rowOf(row))
  const missed = handed.filter(({ taken }) => !taken).length
  say(`The network ${name} has a new secret; ${handed.length - missed} of ${handed.length} known members have it.`)
  if (missed === 0) return 0
  say(
    'Those without it are outside now. Whom you still trust needs a new invite (p2p-rx invite, then p2p-rx join --replace).'
  )
  return PARTIAL_EXIT_CODE
}

function rowOf({ url, id, taken, reason }: Handed): Parameters<typeof answer> {
  const text = [
    url,
    id === undefined ? undefined : shortId(id),
    taken ? 'has it' : `has it not: ${reason ?? 'declined'}`
  ]
  const row = text.filter((part) => part !== undefined).join('  ')
  return taken ? [row] : [row, 'yellow']
}
