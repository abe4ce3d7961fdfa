/** `p2p-rx get --tiny`: the client of a TinyP2P network. */
import { resolve } from 'node:path'
import { lastValueFrom, scan, takeUntil, tap } from 'rxjs'
import { fetchTiny, P2pError, type TinyEvent } from '../index.js'
import { createMissingFolder, readSecret } from './inputs.js'
import { formatSize, say, sentenceOf, writeJson } from './output.js'
import { askHidden, canAsk } from './secrets.js'
import { stoppedExitCode, watchStops } from './stop.js'

export interface GetTinyFlags {
  readonly tiny: string
  readonly tinyPasswordFile?: string
  readonly output: string
  readonly timeout?: number
  readonly json?: boolean
}

export async function getTiny(patterns: readonly string[], flags: GetTinyFlags): Promise<number> {
  const { tiny: url, output, timeout, json = false } = flags
  const [pattern = '', ...others] = patterns
  if (others.length > 0)
    throw new P2pError('USAGE', 'A TinyP2P network is asked for one pattern', {
      advice: "Put it in quotes; 'this|that' is both."
    })
  if (output === '-')
    throw new P2pError('USAGE', 'Several files cannot go to stdout', { advice: 'Name a folder with -o.' })
  const password = await passwordOf(flags)
  await createMissingFolder(output)
  const stops = watchStops()
  const timeoutMs = timeout === undefined ? {} : { timeoutMs: Math.ceil(timeout * 1_000) }
  const event$ = fetchTiny({ url, password, pattern, dir: resolve(output), ...timeoutMs }).pipe(
    tap(json ? tellJson : tell),
    scan(added, NOTHING),
    takeUntil(stops.stop$)
  )
  const sum = await lastValueFrom(event$, { defaultValue: NOTHING })
  if (stops.reason !== undefined) return stoppedExitCode(stops.reason)
  return exitCodeOf(sum, pattern)
}

async function passwordOf({ tinyPasswordFile: file }: GetTinyFlags): Promise<string> {
  if (file !== undefined) return await readSecret(file)
  if (!canAsk())
    throw new P2pError('USAGE', 'There is nobody to ask for the password', {
      advice: 'Write it in a file and name it with --tiny-password-file.'
    })
  return await askHidden('Password: ')
}

function tell(event: TinyEvent): void {
  switch (event.type) {
    case 'listed':
      return
    case 'fetched':
      say(`Fetched ${event.name} (${formatSize(event.size)}) to ${event.path}`)
      return
    case 'skipped':
      say(`Skipped ${event.name}: it is here already.`)
      return
    case 'failed':
      say(`p2p-rx: ${sentenceOf(errorOf(event))}`, 'red')
  }
}

/** As the events that a peer has for the same. */
function tellJson(event: TinyEvent): void {
  const stamp = { at: new Date().toISOString(), v: 1 }
  if (event.type === 'fetched') {
    const { name, size, path, root, url } = event
    writeJson({ type: 'transfer-completed', name, size, path, root, url, ...stamp })
  } else if (event.type === 'failed') {
    const { name, code, message, url } = event
    writeJson({ type: name === undefined ? 'problem-found' : 'transfer-failed', name, code, message, url, ...stamp })
  }
}

type Failed = Extract<TinyEvent, { type: 'failed' }>

interface Sum {
  /** Whether a server has told what it has. */
  readonly met: boolean
  /** Whether anything that fits is here now. */
  readonly here: boolean
  /** The first that failed. */
  readonly failed: Failed | undefined
}

const NOTHING: Sum = { met: false, here: false, failed: undefined }

function added(sum: Sum, event: TinyEvent): Sum {
  if (event.type === 'listed') return { ...sum, met: true }
  return event.type === 'failed' ? { ...sum, failed: sum.failed ?? event } : { ...sum, here: true }
}

/** Whoever got something, or met somebody, can go on another time. */
function exitCodeOf({ met, here, failed }: Sum, pattern: string): number {
  if (failed !== undefined) return (met ? new P2pError('UNFINISHED', '') : errorOf(failed)).exitCode
  if (here) return 0
  const nothing = new P2pError('NOT_FOUND', `Nobody has a file that fits ${pattern}`, {
    advice: "The pattern is one of Python's re.search, not one of a shell."
  })
  say(`p2p-rx: ${sentenceOf(nothing)}`, 'red')
  return nothing.exitCode
}

/** A file that its server does not give may well be a folder: there is nothing to do about it. */
const errorOf = ({ code, message }: Failed): P2pError =>
  new P2pError(code, message, code === 'NOT_FOUND' ? { advice: '' } : {})
