/** The bars of all transfers: on stderr, and only where somebody looks. */
import type { MultiBar, SingleBar } from 'cli-progress'
import { say } from './output.js'
import type { Row } from './rows.js'

/** Redraws per second: smooth to the eye, and nothing beside the transfers themselves. */
const REDRAWS_PER_SECOND = 10
/** Progress comes faster than anybody sees: the lines are made anew at most this often. */
const LEAST_PAUSE_MS = 50
/** Where the terminal does not tell its size. */
const DEFAULT_COLUMNS = 80
const DEFAULT_LINES = 24

/** Shows transfers below whatever is said. All may be called at any time, also after `stop`. */
export interface Board {
  readonly show: (key: string, row: Row) => void
  readonly remove: (key: string) => void
  /** One line of talk above the bars, which stays; after a pause, if there is one. */
  readonly say: typeof say
  /** Takes the bars away while something else has the terminal. */
  readonly pause: () => void
  readonly resume: () => void
  /** Takes the bars away and gives the terminal back. */
  readonly stop: () => void
}

const NO_BOARD: Board = {
  show: () => undefined,
  remove: () => undefined,
  say,
  pause: () => undefined,
  resume: () => undefined,
  stop: () => undefined
}

/** A board on stderr, or one that shows nothing when that is no terminal or `wanted` is false. */
export async function createBoard(wanted: boolean): Promise<Board> {
  if (!wanted || !process.stderr.isTTY) return NO_BOARD
  const { default: cliProgress } = await import('cli-progress')
  const rows = new Map<string, Row>()
  let drawn: { readonly multi: MultiBar; readonly bars: SingleBar[]; lines: readonly string[] } | undefined
  let drawnAtMs = 0
  /** What was to be said while somebody else had the terminal. */
  let kept: Parameters<typeof say>[] = []
  let paused = false
  let stopped = false

  const lines = (): readonly string[] => {
    const { columns, rows: height } = process.stderr
    // Some terminals say 0 of both.
    const all = [...rows.values()].flatMap((row) => row(columns || DEFAULT_COLUMNS))
    // More than fits cannot be drawn over.
    const room = Math.max(1, (height || DEFAULT_LINES) - 2)
    return all.length <= room ? all : [...all.slice(0, room - 1), `and ${all.length - room + 1} more lines`]
  }
  const draw = () => {
    if (paused || stopped || rows.size === 0) return
    drawnAtMs = performance.now()
    drawn ??= { multi: new cliProgress.MultiBar(OPTIONS, cliProgress.Presets.shades_classic), bars: [], lines: [] }
    const { multi, bars } = drawn
    drawn.lines = lines()
    while (bars.length > drawn.lines.length) {
      const last = bars.pop()
      if (last !== undefined) multi.remove(last)
    }
    while (bars.length < drawn.lines.length) {
      const index = bars.length
      const format = () => drawn?.lines[index] ?? ''
      bars.push(multi.create(1, 0, {}, { format }))
    }
  }
  const clear = () => {
    // Once more, so that what is left on a slow terminal or in a log is how far it came.
    if (drawn !== undefined) {
      const { multi, bars } = drawn
      drawn.lines = lines()
      if (bars.length > 0) multi.update()
      multi.stop()
    }
    drawn = undefined
  }
  return {
    show(key, row) {
      const known = rows.has(key)
      rows.set(key, row)
      if (!known || performance.now() - drawnAtMs >= LEAST_PAUSE_MS) draw()
    },
    remove(key) {
      if (rows.size === 1 && rows.has(key)) clear()
      if (rows.delete(key)) draw()
    },
    say(text, style) {
      if (paused) {
        kept.push([text, style])
        return
      }
      clear()
      say(text, style)
      draw()
    },
    pause() {
      clear()
      paused = true
    },
    resume() {
      paused = false
      for (const one of kept) say(...one)
      kept = []
      draw()
    },
    stop() {
      clear()
      for (const one of kept) say(...one)
      kept = []
      stopped = true
    }
  }
}

const OPTIONS = {
  stream: process.stderr,
  fps: REDRAWS_PER_SECOND,
  hideCursor: true,
  clearOnComplete: true,
  // Lines above the bars move them: what looks unchanged has to be drawn again.
  forceRedraw: true,
  // Its own handlers would end the process before the peer is closed.
  gracefulExit: false
}
