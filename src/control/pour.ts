/** A stream of values as lines of JSON, at the pace of whoever reads them. */
import type { ServerResponse } from 'node:http'
import { type Observable, tap } from 'rxjs'
import { failureOf } from './failure.js'
import type { Done, Dropped } from './messages.js'

/** What becomes of values while the reader is slow: of a state only the newest counts, of events some are left out, of hits none. */
export type WhenSlow = 'keep-newest' | 'drop' | 'keep-all'

/** What a reader may leave unread where nothing may be left out: all hits of the largest find, of the usual length. */
const MAX_UNREAD_BYTES = 128 * 1024 * 1024

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
  const checkUnread = () => {
    if (response.writableLength > MAX_UNREAD_BYTES) throw tooSlow()
  }
  const kept$ = whenSlow === 'keep-all' ? value$.pipe(tap(checkUnread)) : value$
  const subscription = kept$.subscribe({
    next(value) {
      if (!slow || whenSlow === 'keep-all') write(value)
      else if (whenSlow === 'drop') dropped += 1
      else newest = value
    },
    error: (error: unknown) => end(failureOf(error)),
    complete: () => end(DONE)
  })
  response.on('close', () => subscription.unsubscribe())
}

const tooSlow = () =>
  Object.assign(new Error('Whoever asked does not read what was found'), {
    code: 'BUSY',
    advice: 'Ask for less with --limit.'
  })
