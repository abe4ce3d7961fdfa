/** What each command of the shell does with the peer. */
import { firstValueFrom, lastValueFrom, type Observable, takeUntil, tap } from 'rxjs'
import { findLines } from '../control/find-lines.js'
import type { Ledger } from '../control/ledger.js'
import { P2pError, type SharedFile } from '../index.js'
import { formatRate } from './amounts.js'
import { createBoard } from './board.js'
import { fetchNames, isPattern, type Outcome } from './fetching.js'
import { summaryOf } from './find.js'
import { gather, tableOutput } from './find-output.js'
import { nothingFound } from './finder.js'
import { createFindings } from './findings.js'
import { keepLastFind } from './last-find.js'
import { fileRow, formatSize, peerRow, type Say, say, sentenceOf } from './output.js'
import { tellFolder } from './results.js'
import { HELP, type ShellCommand } from './shell-line.js'

/** What was said at the start and stays. */
export interface ShellLimits {
  readonly uploadSlots?: number | undefined
  readonly cacheBytes?: number | undefined
}

export interface ShellCommandsInit {
  readonly ledger: Ledger
  readonly limits: ShellLimits
  readonly stop$: Observable<unknown>
  /** Where the answers go: stdout, or stderr while stdout belongs to JSON events. */
  readonly tell: Say
  /** Whether a transfer may draw a bar. */
  readonly progress: boolean
  /** Told of the files another peer listed, or a find brought. */
  readonly listed: (files: readonly Pick<SharedFile, 'name'>[]) => void
}

/** Runs a command; what goes wrong is told, and only what nobody expected is thrown. */
export function createShellCommands(init: ShellCommandsInit): (command: ShellCommand) => Promise<void> {
  return async (command) => {
    try {
      await run(command, init)
    } catch (error) {
      if (!(error instanceof P2pError)) throw error
      say(sentenceOf(error), 'yellow')
    }
  }
}

async function run(command: ShellCommand, init: ShellCommandsInit): Promise<void> {
  const { ledger, tell } = init
  switch (command.type) {
    case 'fetch':
      return fetchFiles(command.names, init)
    case 'find':
      return findFiles(command.pattern, init)
    case 'hello':
      return meet(command.url, init)
    case 'ls':
      return command.url === undefined ? listOwn(init) : listTheirs(command.url, init)
    case 'peers': {
      const known = await firstValueFrom(ledger.peer.peers$)
      for (const one of known) tell(...peerRow(one))
      if (known.length === 0) say('No other peer is known yet: introduce one with hello URL.')
      return
    }
    case 'up':
      ledger.changeRates({ uploadBytesPerSecond: command.bytesPerSecond ?? null })
      say(`Up: ${formatRate(command.bytesPerSecond)}.`)
      return
    case 'down':
      ledger.changeRates({ downloadBytesPerSecond: command.bytesPerSecond ?? null })
      say(`Down: ${formatRate(command.bytesPerSecond)}.`)
      return
    case 'limits':
      for (const line of limitLines(init)) tell(line)
      return
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

async function fetchFiles(names: readonly string[], init: ShellCommandsInit): Promise<void> {
  const { ledger, stop$, progress } = init
  const board = await createBoard(progress)
  try {
    const outcome$ = fetchNames(names, { engine: ledger.peer, board, stop$, ifExists: 'refuse', patterns: true })
    await lastValueFrom(outcome$.pipe(tap((outcome) => tellOutcome(outcome, board.say, init.tell))), {
      defaultValue: undefined
    })
  } finally {
    board.stop()
  }
}

async function findFiles(pattern: string, { ledger, stop$, progress, tell, listed }: ShellCommandsInit): Promise<void> {
  const board = await createBoard(progress)
  try {
    const findings = createFindings()
    const line$ = findLines(ledger.peer, { pattern }).pipe(takeUntil(stop$))
    const tookMs = await gather(line$, findings, tableOutput(findings, board, tell))
    const files = findings.files()
    listed(files)
    await keepLastFind(files)
    const known = await firstValueFrom(ledger.peer.peers$)
    if (files.length === 0) say(`${nothingFound(`Nothing fits ${pattern}`, known, false).message}.`, 'yellow')
    else for (const sentence of summaryOf(findings, known, { tookMs })) say(sentence)
  } finally {
    board.stop()
  }
}

function tellOutcome(outcome: Outcome, sayAbove: Say, tell: Say): void {
  switch (outcome.type) {
    case 'here':
      sayAbove(`Fetched ${outcome.name} (${formatSize(outcome.size)}).`)
      return
    case 'folder':
      tellFolder(outcome.name, outcome.progress, sayAbove)
      return
    case 'failed':
      tellFailure(outcome.name, outcome.error, sayAbove, tell)
      return
    case 'skipped':
  }
}

function tellFailure(name: string, error: P2pError, sayAbove: Say, tell: Say): void {
  // The usual advice is a flag, and here are none.
  if (error.code === 'EXISTS') sayAbove(`${error.message}. Move it away first to fetch it again.`, 'yellow')
  else if (error.code !== 'NOT_FOUND') sayAbove(sentenceOf(error), 'yellow')
  else {
    // The book's wording where the book prints it: the answer to what was asked.
    tell(error.message)
    if (/\s/.test(name) && !isPattern(name))
      say('If these were several names, put each in quotes: fetch "a.txt" "b.txt".')
  }
}

function limitLines({ ledger, limits }: ShellCommandsInit): string[] {
  const { uploadBytesPerSecond, downloadBytesPerSecond, ...perPeer } = ledger.rates()
  const rows: readonly (readonly [string, string])[] = [
    ['up', formatRate(uploadBytesPerSecond)],
    ['down', formatRate(downloadBytesPerSecond)],
    ['up per peer', formatRate(perPeer.uploadBytesPerSecondPerPeer)],
    ['down per peer', formatRate(perPeer.downloadBytesPerSecondPerPeer)],
    ['slots', limits.uploadSlots === undefined ? 'default' : `${limits.uploadSlots}`],
    ['cache', limits.cacheBytes === undefined ? 'default' : formatSize(limits.cacheBytes)]
  ]
  return rows.map(([name, value]) => `${name.padEnd(15)}${value}`)
}

async function meet(url: string, { ledger, stop$ }: ShellCommandsInit): Promise<void> {
  const known = await lastValueFrom(ledger.peer.hello(url).pipe(takeUntil(stop$)), { defaultValue: undefined })
  if (known?.state === 'up') say(`Met ${known.url}.`)
  else if (known) say(peerRow(known)[0], 'yellow')
}

async function listOwn({ ledger, stop$, tell }: ShellCommandsInit): Promise<void> {
  const files = await firstValueFrom(ledger.peer.shared$.pipe(takeUntil(stop$)), { defaultValue: [] })
  for (const file of files) tell(fileRow(file))
  if (files.length === 0) say('Nothing is shared yet: put files into the folder.')
}

async function listTheirs(url: string, { ledger, stop$, tell, listed }: ShellCommandsInit): Promise<void> {
  let count = 0
  const page$ = ledger.peer.list(url).pipe(
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
