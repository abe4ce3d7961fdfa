import { concatMap, defaultIfEmpty, defer, filter, from, of, takeWhile, tap, timeout } from 'rxjs'

const MAX_HISTORY_LENGTH = 6

/**
 * A peer with the rule of the book (Listing 27-2): it asks whom it knows one after the other, leaves out whom it finds
 * in the history, and forgets for ever who fails. The book has no time-out; `timeoutMs` lends it one.
 */
export function joinByBook({ network, clock, url, known, files, timeoutMs }) {
  const transport = network.join(url)
  const asking = new Set(known)

  const query = (name, history) =>
    defer(() => {
      if (files.has(name)) return of({ type: 'offered', offer: { name, size: 1, holders: [url] } })
      const longer = [...history, url]
      if (longer.length >= MAX_HISTORY_LENGTH) return of({ type: 'missed' })
      return from([...asking].filter((other) => !longer.includes(other))).pipe(
        concatMap((other) => askOne(other, name, longer)),
        takeWhile(({ type }) => type !== 'offered', true),
        filter(({ type }) => type === 'offered'),
        defaultIfEmpty({ type: 'missed' })
      )
    })

  const askOne = (other, name, history) => {
    const answer$ = transport.ask(other, { name, history, asking: [], deadlineMs: 5_000 })
    const inTime$ =
      timeoutMs === undefined
        ? answer$
        : answer$.pipe(timeout({ first: timeoutMs, with: () => of({ type: 'failed' }), scheduler: clock.scheduler }))
    return inTime$.pipe(
      tap(({ type }) => {
        if (type === 'failed' || type === 'denied') asking.delete(other)
      })
    )
  }

  const listening = transport
    .listen({ introduced: (other) => asking.add(other), asked: ({ name, history }) => query(name, history) })
    .subscribe()
  return { url, query: (name) => query(name, []), leave: () => listening.unsubscribe() }
}
