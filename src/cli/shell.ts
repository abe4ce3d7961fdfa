/** The shell of a running peer: one command a line, from a terminal or a pipe. */
import { createInterface, type Interface } from 'node:readline'
import type { Ledger } from '../control/ledger.js'
import type { Peer, SharedFile } from '../index.js'
import { loadHistory, MAX_HISTORY_LINES, saveHistory } from './history.js'
import { loadLastFind } from './last-find.js'
import { answer, say } from './output.js'
import { createShellCommands, type ShellLimits } from './shell-commands.js'
import { completeShellLine, parseShellLine } from './shell-line.js'
import type { Stops } from './stop.js'

/** Names kept for completion after `find` and `ls URL`: more than anybody pages through with Tab, about 1 MB. */
const MAX_REMEMBERED_NAMES = 10_000

export interface ShellOptions {
  readonly stops: Stops
  /** Whether stdout belongs to JSON events; what people read goes to stderr then. */
  readonly json: boolean
  readonly progress: boolean
  readonly limits: ShellLimits
}

/** Runs commands until `exit`, the end of stdin, or a stop. */
export async function runShell(ledger: Ledger, { stops, json, progress, limits }: ShellOptions): Promise<void> {
  const interactive = process.stdin.isTTY && process.stderr.isTTY
  const completable = watchCompletable(ledger.peer, interactive ? await loadLastFind() : [])
  const history = { newestFirst: interactive ? await loadHistory() : [] }
  const lines = createInterface({
    input: process.stdin,
    // The prompt is talk: stdout stays clean where only that is redirected.
    ...(interactive ? { output: process.stderr } : {}),
    terminal: interactive,
    prompt: '> ',
    history: [...history.newestFirst],
    historySize: MAX_HISTORY_LINES,
    removeHistoryDuplicates: true,
    completer: (line: string) => completeShellLine(line, completable)
  })
  lines.on('history', (newestFirst: string[]) => {
    history.newestFirst = [...newestFirst]
  })
  // A terminal that is read key by key sends no signal for Ctrl-C; from here on it is one like any other.
  lines.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  const stopping = stops.stop$.subscribe(() => lines.close())

  const run = createShellCommands({
    ledger,
    limits,
    stop$: stops.stop$,
    tell: json ? say : answer,
    progress: progress && interactive && !json,
    listed: completable.remember
  })
  try {
    const left = await runLines(lines, run, stops, interactive)
    // As in the book: the end of file leaves an empty line where the next command would have stood.
    if (!left) say('')
  } finally {
    stopping.unsubscribe()
    completable.stop()
    lines.close()
    if (interactive) await saveHistory(history.newestFirst)
  }
}

/** One command after the other; whether it ended because the user said so. */
async function runLines(
  lines: Interface,
  run: ReturnType<typeof createShellCommands>,
  stops: Stops,
  interactive: boolean
): Promise<boolean> {
  const prompt = () => {
    // A closed interface throws, while what was typed before the end may still be waiting to be run.
    if (interactive && !closed(lines)) lines.prompt()
  }
  prompt()
  // Lines that come meanwhile wait in the iterator, which stops reading stdin at a thousand of them.
  for await (const line of lines) {
    if (stops.reason !== undefined) return true
    const command = parseShellLine(line)
    if (command.type === 'exit') return true
    await run(command)
    prompt()
  }
  return stops.reason !== undefined
}

/** Node tells so from 20.19 on; its types do not. */
function closed(lines: Interface): boolean {
  return (lines as Interface & { readonly closed: boolean }).closed
}

/** What Tab offers: own files, those that the last finds and listings showed, and peers. */
function watchCompletable(peer: Peer, found: readonly string[]) {
  const seen: { shared: readonly string[]; listed: readonly string[]; urls: readonly string[] } = {
    shared: [],
    listed: found,
    urls: []
  }
  const subscription = peer.shared$.subscribe((files) => {
    seen.shared = files.map(({ name }) => name)
  })
  subscription.add(
    peer.peers$.subscribe((peers) => {
      seen.urls = peers.map(({ url }) => url)
    })
  )
  return {
    get names() {
      return [...seen.shared, ...seen.listed]
    },
    get urls() {
      return seen.urls
    },
    remember: (files: readonly Pick<SharedFile, 'name'>[]) => {
      seen.listed = [...seen.listed, ...files.map(({ name }) => name)].slice(-MAX_REMEMBERED_NAMES)
    },
    stop: () => subscription.unsubscribe()
  }
}
