/** `p2p-rx ban` and `unban`: whom the peers of this user refuse in a private network. */
import { catchError, EMPTY, lastValueFrom, toArray } from 'rxjs'
import { P2pError, userNetworks } from '../index.js'
import { type NetworkFlags, requireNetwork } from './networks.js'
import { say, shortId } from './output.js'
import { orThrow, runningMembers } from './running.js'

const WHOLE_ID = /^[0-9a-f]{64}$/
/** Shorter ones are not clear for long. */
const PART_OF_ID = /^[0-9a-f]{8,63}$/

export async function changeBans(
  verb: 'ban' | 'unban',
  given: readonly string[],
  flags: NetworkFlags
): Promise<number> {
  const { name } = await requireNetwork(flags)
  const folder = userNetworks().folder(name)
  const running = await runningMembers(name, {})
  const own = running.map(({ network }) => network.id)
  const candidates = verb === 'unban' ? folder.refused : () => knownIds(running)
  const ids = await wholeIds(given, candidates)
  const self = ids.find((id) => own.includes(id))
  if (verb === 'ban' && self !== undefined)
    throw new P2pError('USAGE', `${shortId(self)} is your own peer`, { advice: 'Name another one.' })
  for (const id of ids) {
    const changed = verb === 'ban' ? await folder.refuse(id) : await folder.allow(id)
    say(verb === 'ban' ? banned(id, changed) : `${shortId(id)} ${changed ? 'is let in again' : 'was not banned'}.`)
  }
  if (verb === 'ban')
    say(
      'Whoever has the secret can come back under another id, and other members decide for themselves. To keep them out: p2p-rx network rotate.'
    )
  return 0
}

const banned = (id: string, changed: boolean) =>
  changed ? `${shortId(id)} is banned: your peers refuse it from now on.` : `${shortId(id)} was banned already.`

/** What was typed, as whole ids. Errors with USAGE. */
async function wholeIds(given: readonly string[], candidates: () => Promise<readonly string[]>): Promise<string[]> {
  let known: readonly string[] | undefined
  const whole: string[] = []
  for (const text of given) {
    const id = text.trim().toLowerCase()
    if (WHOLE_ID.test(id)) {
      whole.push(id)
      continue
    }
    if (!PART_OF_ID.test(id))
      throw new P2pError('USAGE', `${JSON.stringify(text.slice(0, 64))} is not the id of a peer`, {
        advice: 'An id is 64 hex digits, or the first 8 of them or more, as `p2p-rx peers` shows them.'
      })
    known ??= await candidates()
    const [only, ...others] = new Set(known.filter((one) => one.startsWith(id)))
    if (only === undefined || others.length > 0)
      throw new P2pError('USAGE', `${others.length > 0 ? 'Several ids begin' : 'No known id begins'} with ${id}`, {
        advice: 'Say all of its 64 digits.'
      })
    whole.push(only)
  }
  return whole
}

async function knownIds(running: Awaited<ReturnType<typeof runningMembers>>): Promise<string[]> {
  const ids: string[] = []
  for (const { client } of running) {
    const known = await lastValueFrom(
      orThrow(client.peers()).pipe(
        catchError(() => EMPTY),
        toArray()
      )
    )
    ids.push(...known.flatMap(({ id }) => id ?? []))
  }
  return ids
}
