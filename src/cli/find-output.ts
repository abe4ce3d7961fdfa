/** How a find is shown: as lines for programs, or as a table that grows on a terminal. */
import { interval, lastValueFrom, type Observable, tap } from 'rxjs'
import type { FindLine } from '../control/messages.js'
import type { Board } from './board.js'
import { FIND_HEAD, findRow, matchedLines, windowOf } from './find-rows.js'
import type { Findings } from './findings.js'
import { answerFields, type Say, writeJson } from './output.js'

/** Hits come faster than anybody sees. */
const REDRAW_MS = 100
/** Where the terminal does not tell its size. */
const DEFAULT_LINES = 24
/** On the board there is nothing else. */
const TABLE = 'find'

export interface FindOutput {
  /** A line has come, and is among the findings. */
  readonly show: (line: FindLine) => void
  /** No more come. */
  readonly end: () => void
}

export const JSON_OUTPUT: FindOutput = { show: writeJson, end: () => undefined }

/** A file is a line as soon as it is seen, or one for each of its lines that fit. */
export const PLAIN_OUTPUT: FindOutput = {
  show(line) {
    if (line.type !== 'found') return
    if (line.lines === undefined) answerFields([line.name, `${line.size}`, line.holders.join(' ')])
    else for (const text of matchedLines(line)) answerFields([text])
  },
  end: () => undefined
}

/** Bounded to the window while it runs, and whole at the end. */
export function tableOutput(findings: Findings, board: Board, tell: Say): FindOutput {
  let changed = false
  const height = () => process.stderr.rows || DEFAULT_LINES
  const redrawing = interval(REDRAW_MS).subscribe(() => {
    if (changed) board.show(TABLE, (columns) => windowOf(findings.files(), columns, height()))
    changed = false
  })
  return {
    show() {
      changed = true
    },
    end() {
      redrawing.unsubscribe()
      board.remove(TABLE)
      const files = findings.files()
      if (files.length > 0) tell(FIND_HEAD)
      for (const file of files) {
        tell(findRow(file))
        for (const text of matchedLines(file)) tell(text)
      }
    }
  }
}

/** Shows what comes until the end, and tells how long that took in milliseconds. */
export async function gather(line$: Observable<FindLine>, findings: Findings, output?: FindOutput): Promise<number> {
  const startMs = performance.now()
  try {
    const taken$ = line$.pipe(
      tap((line) => {
        findings.take(line)
        output?.show(line)
      })
    )
    await lastValueFrom(taken$, { defaultValue: undefined })
    return performance.now() - startMs
  } finally {
    output?.end()
  }
}
