/** Asks a neighbour for everything that fits. */
import type { Agent, IncomingMessage } from 'node:http'
import { concatMap, defer, finalize, Observable, of, timeout } from 'rxjs'
import type { Dialect, Failed, Finding, PeerUrl, Search } from '../../../streams/ports.js'
import { failed } from '../abortable.js'
import type { Carrier } from '../carrier.js'
import { exchange } from '../client.js'
import { DEADLINE_GRACE_MS, FAIR_PART, type HttpLimits, MAX_OPEN_FINDS } from '../limits.js'
import { encodeSearch, FIND_PATH, FIND_TYPE, FOUND_TYPE, isOfType } from './message.js'
import { LATE, readFind } from './read.js'

export interface AskerInit {
  readonly carrier: Carrier
  readonly limits: HttpLimits
  readonly budget: <T>(work$: Observable<T>) => Observable<T>
  /** Runs `work$` in the dialect of the neighbour. */
  readonly speaking: <T extends object>(
    peer: PeerUrl,
    leftMs: number,
    work$: (dialect: Dialect) => Observable<T | Failed>
  ) => Observable<T | Failed>
}

/** The head of an answer. It is for whoever hears of it to read it, or let go of it. */
interface Answering {
  readonly type: 'answering'
  readonly response: IncomingMessage
}

/** It would not look, or knows nothing of finds, as peers of other kinds and of an earlier version. */
const DECLINED: Finding = { type: 'ended', how: 'declined' }
const TIMED_OUT: Failed = { type: 'failed', reason: 'timed-out', detail: 'no answer in time' }

/** Asks. Connections come from the agent; without one, each find has its own. */
export function createAsker({ carrier, limits, budget, speaking }: AskerInit) {
  let open = 0

  return (peer: PeerUrl, search: Search, agent: Agent | undefined): Observable<Finding> =>
    defer(() => {
      // Each holds a socket, and one that waits for a socket would look like a neighbour that is silent.
      if (open >= MAX_OPEN_FINDS) return of(DECLINED)
      open++
      const startedMs = performance.now()
      const leftMs = () => Math.max(0, Math.floor(startedMs + search.deadlineMs - performance.now()))
      const headMs = Math.min(search.deadlineMs, limits.findIdleTimeoutMs)
      let late: Finding = LATE
      // A place in the budget until the head of the answer is here: from then on a find may stay open for long.
      return budget(
        defer(() => {
          // Waiting for a place has used up the time: no fault of the neighbour's.
          if (performance.now() - startedMs >= headMs * FAIR_PART) return of(LATE)
          late = TIMED_OUT
          return speaking<Answering | Finding>(peer, headMs, (dialect) =>
            dialect === 'p2prx'
              ? openFind({ peer, agent, carrier, limits }, { ...search, deadlineMs: leftMs() })
              : of(DECLINED)
          )
        })
      ).pipe(
        timeout({ first: headMs, with: () => of(late) }),
        concatMap((heard) =>
          heard.type === 'answering'
            ? readFind(heard.response, { scheme: carrier.scheme, limits, leftMs: leftMs() + DEADLINE_GRACE_MS })
            : of(heard)
        ),
        finalize(() => open--)
      )
    })
}

interface FindLine {
  readonly peer: PeerUrl
  readonly agent: Agent | undefined
  readonly carrier: Carrier
  readonly limits: HttpLimits
}

/** Until the head of the answer is here. Unsubscribing before closes the connection. */
function openFind(line: FindLine, search: Search): Observable<Answering | Finding> {
  return new Observable((subscriber) => {
    const abort = new AbortController()
    let answering = false
    exchange({
      ...line,
      method: 'POST',
      path: FIND_PATH,
      headers: { 'Content-Type': FIND_TYPE, 'User-Agent': 'p2p-rx', 'Accept-Encoding': 'identity' },
      body: encodeSearch(search),
      signal: abort.signal
    }).then(
      (response) => {
        const { statusCode = 0, headers } = response
        answering = !subscriber.closed && statusCode === 200 && isOfType(headers['content-type'], FOUND_TYPE)
        if (answering) subscriber.next({ type: 'answering', response })
        else {
          response.destroy()
          subscriber.next(refusal(statusCode))
        }
        subscriber.complete()
      },
      (error: unknown) => {
        subscriber.next(failed(error))
        subscriber.complete()
      }
    )
    return () => {
      if (!answering) abort.abort()
    }
  })
}

/** Refused, whatever the reason, is no reason not to be neighbours: a later version may ask in another way. */
function refusal(status: number): Finding {
  if (status >= 400) return DECLINED
  return { type: 'failed', reason: 'not-a-peer', detail: `it answers a find with HTTP ${status}` }
}
