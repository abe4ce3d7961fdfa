/** `p2p-rx get`: files from the network, through the peer that runs or one of its own for the moment. */

import { createReadStream, rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setFlagsFromString } from 'node:v8'
import { lastValueFrom, tap, toArray } from 'rxjs'
import { createPeer, P2pError, type PeerEvent, type Progress } from '../index.js'
import { capOf } from './amounts.js'
import { createAskExists, type ExistsFlags, ifExistsOf } from './ask-exists.js'
import { createBoard } from './board.js'
import { type Engine, fetchNames, isPattern, type Outcome } from './fetching.js'
import { createMissingFolder, type PeerFlags, peersOf } from './inputs.js'
import { asVisitor, firstPeers, type NetworkFlags } from './networks.js'
import { say, writeJson } from './output.js'
import { exitCodeOf, tellOutcome } from './results.js'
import { engineOf, findRunningPeer, nobodyToAsk, type RunningFlags } from './running.js'
import { type Stops, stoppedExitCode, watchStops } from './stop.js'
import { worded } from './words.js'

export interface GetFlags extends PeerFlags, RunningFlags, ExistsFlags, NetworkFlags {
  readonly output: string
  readonly wait?: boolean
  readonly up?: number
  readonly down?: number
  /** Whether a cap was typed, and is not one of the environment that is meant for `start`. */
  readonly capTyped: boolean
  readonly input: boolean
  readonly progress: boolean
  readonly verbose?: number
  readonly json?: boolean
  readonly timeout?: number
}

/**
 * One file takes seconds, which gain nothing from V8's optimizing compiler, whose threads would take the cores that receive and
 * hash: for 1 GiB a tenth of the time on two cores. TLS comes in 65,536 records a GiB, and there it pays.
 */
const SHORT_LIVED = '--no-opt'

export async function get(names: readonly string[], flags: GetFlags): Promise<number> {
  const stops = watchStops()
  const { output, json = false, progress, wait = false, verbose = 0 } = flags
  const ifExists = ifExistsOf(flags)
  const toStdout = output === '-'
  if (toStdout && json)
    throw new P2pError('USAGE', 'Events and the file cannot both go to stdout', {
      advice: 'Leave out --json, or name a folder with -o.'
    })
  if (toStdout && names.length > 1)
    throw new P2pError('USAGE', 'Only one file can go to stdout', { advice: 'Name a folder with -o.' })

  const { source, isPrivate } = await sourceOf(flags)
  if (!isPrivate && names.length === 1 && !names.some(isPattern)) setFlagsFromString(SHORT_LIVED)
  const into = toStdout ? await temporaryFolder() : resolve(output)
  if (!toStdout) await createMissingFolder(output)
  const { engine, ready, close } = source(into)
  const board = await createBoard(progress && !json)
  const asks = ifExists === 'refuse' && flags.input && !json && !toStdout && process.stdin.isTTY && process.stderr.isTTY
  const unfinished = new Set<string>()
  try {
    await ready()
    const outcome$ = fetchNames(names, {
      engine: json ? engine : worded(engine, board.say, progress && process.stderr.isTTY),
      board,
      stop$: stops.stop$,
      ifExists,
      askExists: asks ? createAskExists(board, stops) : undefined,
      into,
      wait,
      verbose,
      patterns: !toStdout,
      onBegun: (name) => unfinished.add(name)
    })
    const told$ = outcome$.pipe(
      tap((outcome) => {
        unfinished.delete(outcome.name)
        if (!(toStdout && outcome.type === 'here')) tellOutcome(outcome, board.say, into)
      })
    )
    const outcomes = await lastValueFrom(told$.pipe(toArray()))
    board.stop()
    if (toStdout) await copyToStdout(outcomes[0], stops)
    if (stops.reason === undefined) return exitCodeOf(outcomes)
    if (stops.reason !== 'nobody reads' && unfinished.size > 0 && !toStdout)
      say('Stopped; what has come so far is kept. Run the same command again to go on.')
    return stoppedExitCode(stops.reason)
  } finally {
    board.stop()
    await close()
  }
}

interface Opened {
  readonly engine: Engine
  readonly ready: () => Promise<unknown>
  readonly close: () => Promise<void>
}

interface Origin {
  /** Nothing is started before the folder to put the files in is known. */
  readonly source: (into: string) => Opened
  readonly isPrivate: boolean
}

/** Where the files come from. */
async function sourceOf(flags: GetFlags): Promise<Origin> {
  const { timeout, json = false, up, down } = flags
  const timeoutMs = timeout === undefined ? undefined : Math.ceil(timeout * 1_000)
  const { typed, listed } = await peersOf(flags)
  const named = [...new Set([...typed, ...listed])]
  const client = named.length === 0 ? await findRunningPeer(flags) : undefined
  const peers = named.length === 0 && client === undefined ? await thoseWhoInvited(flags) : named
  if (client !== undefined) {
    if (flags.capTyped)
      throw new P2pError('USAGE', 'The peer that runs has caps of its own', {
        advice: 'Change them in its shell, like: down 2M.'
      })
    const engine = engineOf(client, timeoutMs)
    const nothing = () => Promise.resolve()
    return {
      source: () => ({ engine: json ? telling(engine) : engine, ready: nothing, close: nothing }),
      isPrivate: false
    }
  }
  const network = await asVisitor(peers, flags)
  const source = (into: string): Opened => {
    const peer = createPeer({
      dir: into,
      visitor: true,
      peers,
      network,
      rates: { uploadBytesPerSecond: capOf(up), downloadBytesPerSecond: capOf(down) },
      queryTimeoutMs: timeoutMs
    })
    if (json) peer.event$.subscribe(writeJson)
    // Its folder is where the files go: that need not be said with each.
    const engine: Engine = {
      fetch: (name, options) => peer.fetch(name, { ...options, into: undefined }),
      fetchAll: (pattern, options) => peer.fetchAll(pattern, { ...options, into: undefined })
    }
    return { engine, ready: peer.ready, close: peer.close }
  }
  return { source, isPrivate: network !== undefined }
}

/** Whoever has just joined a network need not start a peer to get a file. Errors with USAGE. */
async function thoseWhoInvited(flags: GetFlags): Promise<readonly string[]> {
  const isNamed = flags.dir !== undefined || flags.stateDir !== undefined
  const peers = isNamed ? [] : await firstPeers(flags)
  return peers.length > 0 ? peers : nobodyToAsk(flags)
}

/** Tells the transfers ordered here as the events they are; those of others through the same peer are not ours to tell. */
function telling(engine: Engine): Engine {
  const begun = new Set<string>()
  const tell = (happening: DistributiveOmit<PeerEvent, 'at' | 'v'>) =>
    writeJson({ ...happening, at: new Date().toISOString(), v: 1 })
  const tellProgress = ({ path, root, state, code: _, resumed: __, ...progress }: Progress) => {
    const { name, total } = progress
    if (state !== 'running') return
    if (!begun.has(name)) {
      begun.add(name)
      tell({ type: 'transfer-started', name, size: total })
    }
    if (path === undefined) tell({ type: 'transfer-progressed', ...progress })
    else {
      begun.delete(name)
      tell({ type: 'transfer-completed', name, size: total, path, root: root ?? '' })
    }
  }
  const tellError = (name: string) => (error: unknown) => {
    if (error instanceof P2pError) tell({ type: 'transfer-failed', name, code: error.code })
  }
  return {
    fetch: (name, options) => engine.fetch(name, options).pipe(tap({ next: tellProgress, error: tellError(name) })),
    fetchAll: (pattern, options) => {
      let failures = 0
      let told = ''
      return engine.fetchAll(pattern, options).pipe(
        tap(({ latest, failed }) => {
          // The progress of a folder repeats that of its latest file.
          const state = latest && JSON.stringify([latest.name, latest.bytes, latest.path])
          if (latest !== undefined && state !== told) tellProgress(latest)
          told = state ?? ''
          for (const { name, code } of failed.slice(failures)) tell({ type: 'transfer-failed', name, code })
          failures = failed.length
        })
      )
    }
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never

/** A folder that is gone when this process ends, in whatever way it ends short of being killed. */
async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'p2p-rx-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Only now, when the file is whole and checked, does a reader see its first byte. */
async function copyToStdout(outcome: Outcome | undefined, { stop$ }: Stops): Promise<void> {
  if (outcome?.type !== 'here') return
  const interrupted = new AbortController()
  const subscription = stop$.subscribe(() => interrupted.abort())
  try {
    await pipeline(createReadStream(outcome.path), process.stdout, { end: false, signal: interrupted.signal })
  } catch (error) {
    // The reader has gone, or the user asked to stop: the exit code tells the latter.
    if (!interrupted.signal.aborted && (error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
  } finally {
    subscription.unsubscribe()
  }
}
