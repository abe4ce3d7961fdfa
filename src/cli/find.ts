/** `p2p-rx find`: everything within reach that fits a pattern, as it comes. */
import { takeUntil } from 'rxjs'
import type { FindBody } from '../control/messages.js'
import { type KnownPeer, P2pError } from '../index.js'
import { createBoard } from './board.js'
import { gather, JSON_OUTPUT, PLAIN_OUTPUT, tableOutput } from './find-output.js'
import { type FinderFlags, finderOf, nothingFound, timeoutMsOf, waitedInVain } from './finder.js'
import { createFindings, type Findings, holdersOf, namedBy } from './findings.js'
import { keepLastFind } from './last-find.js'
import { filesOf } from './network-files.js'
import { answer, say } from './output.js'
import { stoppedExitCode, watchStops } from './stop.js'
import { traceTree } from './trace-tree.js'

const DEFAULT_FIND_LIMIT = 1_000

interface PatternFlags {
  readonly regex?: boolean
  readonly content?: boolean
  readonly name?: boolean
}

export interface FindFlags extends FinderFlags, PatternFlags {
  readonly limit?: number
  readonly trace?: boolean
  readonly progress: boolean
  readonly json?: boolean
}

export async function find(words: readonly string[], flags: FindFlags): Promise<number> {
  const stops = watchStops()
  const { limit = DEFAULT_FIND_LIMIT, trace = false, json = false } = flags
  const text = words.join(' ')
  const body: FindBody = { pattern: patternOf(text, flags), limit, timeoutMs: timeoutMsOf(flags), trace }
  const finder = await finderOf(flags)
  const isTable = !json && process.stdout.isTTY
  const board = await createBoard(isTable && flags.progress)
  try {
    const findings = createFindings()
    const output = json ? JSON_OUTPUT : isTable ? tableOutput(findings, board, answer) : PLAIN_OUTPUT
    const tookMs = await gather(finder.find(body).pipe(takeUntil(stops.stop$)), findings, output)
    const files = findings.files()
    await keepLastFind(files)
    if (trace && !json) for (const line of traceTree(findings.calls())) answer(line)
    if (stops.reason === 'nobody reads') return stoppedExitCode(stops.reason)
    const known = await finder.peers()
    if (files.length > 0) for (const sentence of summaryOf(findings, known, { ...body, tookMs })) say(sentence)
    if (stops.reason !== undefined) return stoppedExitCode(stops.reason)
    if (files.length > 0) return 0
    throw nothingFound(`Nothing fits ${text}`, known, waitedInVain(tookMs, timeoutMsOf(flags)))
  } finally {
    board.stop()
    await finder.close()
  }
}

/** A text alone is words or a glob, as the peer reads it. Errors with USAGE. */
function patternOf(text: string, { regex, content, name }: PatternFlags): FindBody['pattern'] {
  if (name === true && (regex === true || content === true))
    throw new P2pError('USAGE', 'One name is looked for, or something that fits', {
      advice: 'Leave out --name, or --regex and --content.'
    })
  if (text.trim() === '') throw new P2pError('BAD_PATTERN', 'The pattern is empty')
  if (name === true) return { kind: 'name', text }
  const kind = regex === true ? 'regex' : 'words'
  if (content === true) return { kind, text, content }
  return regex === true ? { kind, text } : text
}

interface Took extends Pick<FindBody, 'limit' | 'timeoutMs'> {
  readonly tookMs: number
}

/** How much it was, and what may be missing. */
export function summaryOf(findings: Findings, known: readonly KnownPeer[], took: Took): readonly string[] {
  const { limit = DEFAULT_FIND_LIMIT, timeoutMs = Number.POSITIVE_INFINITY, tookMs } = took
  const files = findings.files()
  const peers = holdersOf(files, namedBy(known)).size
  const from = `${filesOf(files.length)} from ${peers} ${peers === 1 ? 'peer' : 'peers'}`
  return [
    `${from} in ${(tookMs / 1_000).toFixed(1)} s.`,
    ...(files.length >= limit ? [`Stopped at ${limit}; more with --limit.`] : []),
    ...(waitedInVain(tookMs, timeoutMs) ? ['Not all peers may have answered in time; wait longer with --timeout.'] : [])
  ]
}
