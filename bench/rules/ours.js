import { of, Subject } from 'rxjs'
import { createBudget } from '../../dist/streams/budget.js'
import { createDirectory } from '../../dist/streams/directory.js'
import { askablePeers } from '../../dist/streams/directory-table.js'
import { createQuery } from '../../dist/streams/query.js'

/** A peer of p2p-rx, made of the very actors that `createPeer` composes, with a share that is a set of names. */
export function joinByOurs({ network, clock, url, known, files, deadlineMs = 15_000 }) {
  const { scheduler } = clock
  const transport = network.join(url)
  const stop$ = new Subject()
  const budget = createBudget()
  const directory = createDirectory({ hello: (other) => budget(transport.hello(other)), scheduler, stop$ })
  let queries = 0
  const { ask } = createQuery({
    ask: (other, question) => budget(transport.ask(other, question)),
    find: ({ name }) => Promise.resolve(files.has(name) ? { name, size: 1, modifiedMs: 0 } : undefined),
    neighbours: () => askablePeers(directory.state()),
    report: (other, reason) => directory.send({ type: 'fail', url: other, reason }),
    newId: () => `${url}#${++queries}`,
    scheduler,
    stop$
  })
  const listening = transport
    .listen({
      introduced: (other) => directory.send({ type: 'introduce', url: other, told: false }),
      asked: (question, as) => ask({ question, as, own: false }),
      askedForContent: () => of({ type: 'missed' }),
      askedToFetch: () => of('denied'),
      open: () => Promise.reject(new Error('nothing is read here')),
      list: () => ({ files: [], more: false })
    })
    .subscribe()
  for (const other of known) directory.send({ type: 'introduce', url: other, told: true })
  return {
    url,
    query: (name) => ask({ question: { name, history: [], asking: [], deadlineMs }, as: url, own: true }),
    leave: () => {
      stop$.next()
      listening.unsubscribe()
    }
  }
}
