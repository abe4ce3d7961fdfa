/** `p2p-rx get`: one file from the network, without a running peer. */
import { createReadStream, rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { lastValueFrom, takeUntil, tap } from 'rxjs'
import { createPeer, P2pError } from '../index.js'
import { createMissingFolder, type PeerFlags, somePeersOf } from './inputs.js'
import { formatSize, say, writeJson } from './output.js'
import { createBar } from './progress.js'
import { type Stops, stoppedExitCode, watchStops } from './stop.js'

export interface GetFlags extends PeerFlags {
  readonly output: string
  readonly overwrite?: boolean
  readonly progress: boolean
  readonly json?: boolean
  readonly timeout?: number
}

export async function get(name: string, flags: GetFlags): Promise<number> {
  const stops = watchStops()
  const { output, overwrite, json = false, progress, timeout } = flags
  const toStdout = output === '-'
  if (toStdout && json)
    throw new P2pError('USAGE', 'Events and the file cannot both go to stdout', {
      advice: 'Leave out --json, or name a folder with -o.'
    })
  const peers = await somePeersOf(flags)
  const dir = toStdout ? await temporaryFolder() : output
  if (!toStdout) await createMissingFolder(dir)

  const peer = createPeer({
    dir,
    visitor: true,
    peers,
    queryTimeoutMs: timeout === undefined ? undefined : Math.ceil(timeout * 1_000)
  })
  if (json) peer.event$.subscribe(writeJson)
  const bar = await createBar(progress && !json)
  try {
    await peer.ready()
    const progress$ = peer.fetch(name, { ifExists: overwrite ? 'overwrite' : 'refuse' }).pipe(tap(bar.show), takeUntil(stops.stop$))
    const last = await lastValueFrom(progress$, { defaultValue: undefined })
    bar.stop()
    if (last?.path !== undefined) {
      if (toStdout) await copyToStdout(last.path, stops)
      else say(`Fetched ${name} (${formatSize(last.total)}) to ${last.path}`)
    }
    return stops.reason === undefined ? 0 : stoppedExitCode(stops.reason)
  } finally {
    bar.stop()
    await peer.close()
  }
}

/** A folder that is gone when this process ends, in whatever way it ends short of being killed. */
async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'p2p-rx-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Only now, when the file is whole and checked, does a reader see its first byte. */
async function copyToStdout(path: string, { stop$ }: Stops): Promise<void> {
  const interrupted = new AbortController()
  const subscription = stop$.subscribe(() => interrupted.abort())
  try {
    await pipeline(createReadStream(path), process.stdout, { end: false, signal: interrupted.signal })
  } catch (error) {
    // The reader has gone, or the user asked to stop: the exit code tells the latter.
    if (!interrupted.signal.aborted && (error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
  } finally {
    subscription.unsubscribe()
  }
}
