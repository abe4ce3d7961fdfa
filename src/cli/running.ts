/** The peer that runs already, for commands that are not told whom to ask. */
import { dirname } from 'node:path'
import { firstValueFrom, map, type Observable, throwError, timeout } from 'rxjs'
import { type ControlClient, createControlClient } from '../control/client.js'
import { isFailure } from '../control/failure.js'
import { findRunning } from '../control/find.js'
import type { Failure, Status } from '../control/messages.js'
import { isAnswered, socketPathOf } from '../control/socket.js'
import { defaultStateDir, type ErrorCode, P2pError } from '../index.js'
import type { Engine } from './fetching.js'

/** Of several peers that run, as many as one sentence bears. */
const MAX_NAMED = 5

export interface RunningFlags {
  readonly stateDir?: string
  readonly dir?: string
}

/** The peer of the state folder, else that of the shared folder, else the only one of this user. Errors with USAGE. */
export async function findRunningPeer(flags: RunningFlags): Promise<ControlClient | undefined> {
  const found = await runningFolders(flags)
  const [only, ...others] = found
  if (only === undefined) return undefined
  if (others.length === 0) return createControlClient(socketPathOf(only))
  const named = found.slice(0, MAX_NAMED).join(', ')
  const more = found.length > MAX_NAMED ? ` and ${found.length - MAX_NAMED} more` : ''
  throw new P2pError('USAGE', `${found.length} peers of yours run, with the state folders ${named}${more}`, {
    advice: 'Name one with --state-dir FOLDER.'
  })
}

/** The state folders of those that run and are meant: of one shared folder there may be several, each in another network. */
async function runningFolders({ stateDir, dir }: RunningFlags): Promise<readonly string[]> {
  if (stateDir !== undefined) return (await isAnswered(socketPathOf(stateDir))) ? [stateDir] : []
  const running = await findRunning(dirname(defaultStateDir('.')))
  if (dir === undefined) return running
  const ofDir = defaultStateDir(dir)
  return running.filter((folder) => folder === ofDir || folder.startsWith(`${ofDir}-`))
}

/** A peer of this user that runs in a private network. */
export type RunningMember = Status & {
  readonly client: ControlClient
  readonly network: NonNullable<Status['network']>
}

/** Those that run in this network: the one that is named, or all that are found. */
export async function runningMembers(name: string, flags: RunningFlags): Promise<RunningMember[]> {
  const members: RunningMember[] = []
  for (const folder of await runningFolders(flags)) {
    const client = createControlClient(socketPathOf(folder))
    const status = await firstValueFrom(client.status(), { defaultValue: undefined })
    if (status === undefined || isFailure(status) || status.network?.name !== name) continue
    members.push({ ...status, client, network: status.network })
  }
  return members
}

/** As above, where nothing can be done without. Errors with USAGE. */
export async function requireRunningPeer(flags: RunningFlags): Promise<ControlClient> {
  const found = await findRunningPeer(flags)
  return found ?? nobodyToAsk(flags)
}

export function nobodyToAsk({ stateDir, dir }: RunningFlags): never {
  const where =
    stateDir !== undefined
      ? `: no peer runs with the state folder ${stateDir}`
      : dir !== undefined
        ? `: no peer runs for ${dir}`
        : ''
  throw new P2pError('USAGE', `There is nobody to ask${where}`, {
    advice:
      'Name a peer with --peer URL, or a file of them with --peers FILE, or start a peer of your own with `p2p-rx start --dir FOLDER`.'
  })
}

/** What the running peer fetches for us. `timeoutMs` is how long it may look for somebody. */
export function engineOf(client: ControlClient, timeoutMs?: number): Engine {
  return {
    fetch: (name, options = {}) => {
      const progress$ = orThrow(client.fetch(name, options))
      if (timeoutMs === undefined || options.wait === true) return progress$
      const late = () => new P2pError('TIMEOUT', `Nobody offered ${name} in time`)
      return progress$.pipe(timeout({ first: timeoutMs, with: () => throwError(late) }))
    },
    fetchAll: (pattern, options) => orThrow(client.fetchAll(pattern, options))
  }
}

/** Failures, which are values on the wire, as errors. */
export function orThrow<T extends object>(answer$: Observable<T | Failure>): Observable<T> {
  return answer$.pipe(
    map((answer) => {
      if (isFailure(answer)) throw errorOf(answer)
      return answer
    })
  )
}

/** The error of a failure; a code that only another version knows becomes OTHER. */
export function errorOf({ code, message, advice }: Pick<Failure, 'code' | 'message'> & { advice?: string }): P2pError {
  const options = advice === undefined ? {} : { advice }
  try {
    const error = new P2pError(code as ErrorCode, message, options)
    // Throws for a code that is in no row.
    return error.exitCode > 0 ? error : new P2pError('OTHER', message, options)
  } catch {
    return new P2pError('OTHER', message, options)
  }
}
