/** The one budget of a peer for outgoing calls, across all its queries and greetings. */
import pLimit from 'p-limit'
import { Observable } from 'rxjs'
import type { PeerUrl, Transport } from './ports.js'

/** Calls that may be open at once. Each may hold a socket; a usual limit of open files is 1,024, and downloads need some. */
const MAX_OPEN_CALLS = 64

/** Puts off the subscription of a piece of work until there is room for it. */
export type Budget = <T>(work$: Observable<T>) => Observable<T>

/**
 * A budget over p-limit, whose list of those who wait is bounded by its users: running queries times their neighbours.
 * p-limit cannot take a place in its queue back, so a place there is nobody's own: it serves whoever has waited longest,
 * and one that was left behind is used by the next who comes.
 */
export function createBudget(size = MAX_OPEN_CALLS): Budget {
  const limit = pLimit(size)
  const waiting = new Set<(over: () => void) => void>()

  const serve = () =>
    new Promise<void>((over) => {
      const [next] = waiting
      if (next === undefined) {
        over()
        return
      }
      waiting.delete(next)
      next(over)
    })

  return <T>(work$: Observable<T>) =>
    new Observable<T>((subscriber) => {
      const enter = (over: () => void) => {
        subscriber.add(over)
        work$.subscribe(subscriber)
      }
      waiting.add(enter)
      subscriber.add(() => waiting.delete(enter))
      if (limit.pendingCount < waiting.size) void limit(serve)
    })
}

/** Keeps the calls of a transport that has no budget of its own within one. */
export function within(budget: Budget, transport: Transport): Transport {
  const { contacts } = transport
  return {
    ...transport,
    hello: (url) => budget(transport.hello(url)),
    ...(contacts === undefined ? {} : { contacts: (url: PeerUrl) => budget(contacts(url)) }),
    ask: (url, question) => budget(transport.ask(url, question)),
    list: (url, after) => budget(transport.list(url, after))
  }
}
