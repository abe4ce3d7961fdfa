/** When to stop: the signals of a terminal or a service manager, or nobody reading any more. */
import { type Observable, ReplaySubject } from 'rxjs'
import { P2pError } from '../next.js'
import { reportError } from './output.js'

/** What every shell means by it. */
const INTERRUPTED_EXIT_CODE = 130

type StopReason = 'interrupted' | 'asked' | 'nobody reads'

export interface Stops {
  /** Emits once, for late subscribers too, why to stop. */
  readonly stop$: Observable<StopReason>
  /** Why, when it is time to stop. */
  readonly reason: StopReason | undefined
}

/** Watches this process. The first signal asks to stop cleanly, the second ends the process at once. */
export function watchStops(): Stops {
  const stop$ = new ReplaySubject<StopReason>(1)
  let reason: StopReason | undefined
  const stop = (why: StopReason) => {
    reason = why
    stop$.next(why)
  }
  const onSignal = (why: StopReason) => {
    if (reason !== undefined) process.exit(INTERRUPTED_EXIT_CODE)
    stop(why)
  }
  process.on('SIGINT', () => onSignal('interrupted'))
  process.on('SIGTERM', () => onSignal('asked'))
  process.on('SIGHUP', () => onSignal('asked'))
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // As in `p2p-rx ls | head`: the reader has enough, and nothing went wrong.
    if (error.code !== 'EPIPE') {
      const message = `Cannot write the output: ${error.message}`
      process.exit(reportError(new P2pError('DISK', message, { cause: error })))
    }
    if (reason === undefined) stop('nobody reads')
  })
  return {
    stop$,
    get reason() {
      return reason
    }
  }
}

/** The exit code of a command that was stopped before it was done. */
export function stoppedExitCode(reason: StopReason): number {
  return reason === 'nobody reads' ? 0 : INTERRUPTED_EXIT_CODE
}
