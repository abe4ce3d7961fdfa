/** What each command of the shell does with the peer. */
import { firstValueFrom, lastValueFrom, type Observable, takeUntil, tap } from 'rxjs'
import { P2pError, type Peer, type SharedFile } from '../index.js'
import { fileRow, formatSize, peerRow, type Say, say, sentenceOf } from './output.js'
import { createBar } from './progress.js'
import { HELP, type ShellCommand } from './shell-line.js'

export interface ShellCommandsInit {
  readonly peer: Peer
  readonly stop$: Observable<unknown>
  /** Where the answers go: stdout, or stderr while stdout belongs to JSON events. */
  readonly tell: Say
  /** Whether a transfer may draw a bar. */
  readonly progress: boolean
  /** Told of the files another peer listed. */
  readonly listed: (files: readonly SharedFile[]) => void
}

/** Runs a command; what goes wrong is told, and only what nobody expected is thrown. */
export function createShellCommands(init: ShellCommandsInit): (command: ShellCommand) => Promise<void> {
  return async (command) => {
    try {
      await run(command, init)
    } catch (error) {
      if (!(error instanceof P2pError)) throw error
      // The book's wording where the book prints it: the answer to what was asked.
      if (command.type === 'fetch' && error.code === 'NOT_FOUND') init.tell(error.message)
      else say(sentenceOf(error), 'yellow')
    }
  }
}

async function run(command: ShellCommand, init: ShellCommandsInit): Promise<void> {
  const { peer, tell } = init
  switch (command.type) {
    case 'fetch':
      return fetchFile(command.name, init)
    case 'hello':
      return meet(command.url, init)
    case 'ls':
      return command.url === undefined ? listOwn(init) : listTheirs(command.url, init)
    case 'peers': {
      const known = await firstValueFrom(peer.peers$)
      for (const one of known) tell(...peerRow(one))
      if (known.length === 0) say('No other peer is known yet: introduce one with hello URL.')
      return
    }
    case 'help':
      for (const line of HELP.split('\n')) tell(line)
      return
    case 'wrong':
      say(command.message)
      return
    case 'nothing':
    case 'exit':
  }
}

async function fetchFile(name: string, { peer, stop$, progress }: ShellCommandsInit): Promise<void> {
  const bar = await createBar(progress)
  try {
    const progress$ = peer.fetch(name).pipe(tap(bar.show), takeUntil(stop$))
    const last = await lastValueFrom(progress$, { defaultValue: undefined })
    bar.stop()
    if (last?.path !== undefined) say(`Fetched ${name} (${formatSize(last.total)}).`)
  } catch (error) {
    if (!(error instanceof P2pError) || error.code !== 'EXISTS') throw error
    // The usual advice is a flag, and here are none.
    throw new P2pError('EXISTS', error.message, { advice: 'Move it away first to fetch it again.', cause: error })
  } finally {
    bar.stop()
  }
}

async function meet(url: string, { peer, stop$ }: ShellCommandsInit): Promise<void> {
  const known = await lastValueFrom(peer.hello(url).pipe(takeUntil(stop$)), { defaultValue: undefined })
  if (known?.state === 'up') say(`Met ${known.url}.`)
  else if (known) say(peerRow(known)[0], 'yellow')
}

async function listOwn({ peer, stop$, tell }: ShellCommandsInit): Promise<void> {
  const files = await firstValueFrom(peer.shared$.pipe(takeUntil(stop$)), { defaultValue: [] })
  for (const file of files) tell(fileRow(file))
  if (files.length === 0) say('Nothing is shared yet: put files into the folder.')
}

async function listTheirs(url: string, { peer, stop$, tell, listed }: ShellCommandsInit): Promise<void> {
  let count = 0
  const page$ = peer.list(url).pipe(
    tap((files) => {
      for (const file of files) tell(fileRow(file))
      count += files.length
      listed(files)
    }),
    takeUntil(stop$)
  )
  await lastValueFrom(page$, { defaultValue: [] })
  if (count === 0) say(`${url} shares nothing.`)
}
