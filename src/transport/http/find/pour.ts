/** What is found, as lines, at the pace of whoever reads them: nothing more is asked for while some are unread. */
import type { ServerResponse } from 'node:http'
import { type Observable, Subject, takeUntil } from 'rxjs'
import type { Finding } from '../../../streams/ports.js'
import { DEADLINE_GRACE_MS, type HttpLimits } from '../limits.js'
import { type End, encodeFound, endLine } from './answer-lines.js'

/** Writes until all has been told or the reader has gone, which ends the work behind it. */
export function pour(
  response: ServerResponse,
  finding$: Observable<Finding>,
  deadlineMs: number,
  { findHeartbeatMs, findSlowReaderTimeoutMs }: HttpLimits
): void {
  const stop$ = new Subject<void>()
  /** What waits to be asked for more. */
  let next: (() => void) | undefined
  let asking = false
  let over = false
  /** Runs while there is something that the reader has not taken. */
  let unread: NodeJS.Timeout | undefined

  const waitForReader = () => {
    unread ??= setTimeout(() => response.destroy(), findSlowReaderTimeoutMs)
  }
  const write = (text: string) => {
    heartbeat.refresh()
    if (!response.write(text)) waitForReader()
  }
  const heartbeat = setTimeout(() => {
    // A reader that is behind has something to read.
    if (unread === undefined) write('\n')
    else heartbeat.refresh()
  }, findHeartbeatMs)
  const end = (how: End) => {
    if (over) return
    over = true
    settle()
    if (response.destroyed) return
    waitForReader()
    response.end(`${endLine(how)}\n`)
  }
  const deadline = setTimeout(() => end('late'), deadlineMs + DEADLINE_GRACE_MS)
  const settle = () => {
    clearTimeout(heartbeat)
    clearTimeout(deadline)
    stop$.next()
  }
  /** A loop, as a source that has more at once tells it from within. */
  const askOn = () => {
    if (asking) return
    asking = true
    while (next !== undefined && unread === undefined && !over) {
      const more = next
      next = undefined
      more()
    }
    asking = false
  }

  response.on('drain', () => {
    if (over) return
    clearTimeout(unread)
    unread = undefined
    askOn()
  })
  response.once('close', () => {
    over = true
    clearTimeout(unread)
    settle()
  })
  finding$.pipe(takeUntil(stop$)).subscribe({
    next(finding) {
      if (finding.type === 'found') {
        for (const line of encodeFound(finding.hits, finding.traces)) write(`${line}\n`)
        next = finding.next
        askOn()
        return
      }
      // Our own failing is nobody else's affair.
      end(finding.type === 'ended' ? finding.how : 'declined')
    },
    error: () => end('declined'),
    complete: () => end('all')
  })
}
