/** A stream of values as lines of JSON, at the pace of whoever reads them. */
import type { ServerResponse } from 'node:http'
import type { Observable } from 'rxjs'
import { failureOf } from './failure.js'
import type { Done, Dropped } from './messages.js'

/** What becomes of values while the reader is slow: of a state only the newest counts, of events some are left out. */
export type WhenSlow = 'keep-newest' | 'drop'

const DONE: Done = { type: 'done' }

/** Writes until the values end or the reader leaves, which ends the work behind them. */
export function pour(response: ServerResponse, value$: Observable<object>, whenSlow: WhenSlow): void {
  let slow = false
  let newest: object | undefined
  let dropped = 0
  const write = (value: object) => {
    slow = !response.write(`${JSON.stringify(value)}\n`)
  }
  const catchUp = () => {
    if (dropped > 0) write({ type: 'events-dropped', count: dropped } satisfies Dropped)
    if (newest !== undefined) write(newest)
    dropped = 0
    newest = undefined
  }
  const end = (last: object) => {
    catchUp()
    response.end(`${JSON.stringify(last)}\n`)
  }
  response.writeHead(200, { 'Content-Type': 'application/x-ndjson' }).flushHeaders()
  response.on('drain', () => {
    slow = false
    catchUp()
  })
  const subscription = value$.subscribe({
    next(value) {
      if (!slow) write(value)
      else if (whenSlow === 'drop') dropped += 1
      else newest = value
    },
    error: (error: unknown) => end(failureOf(error)),
    complete: () => end(DONE)
  })
  response.on('close', () => subscription.unsubscribe())
}
