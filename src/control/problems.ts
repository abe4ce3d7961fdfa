/** What a peer has found to be wrong, for those who ask later. */
import { filter, map, type Observable } from 'rxjs'
import type { PeerEvent } from '../index.js'

/** Problems kept; people look at the latest. */
const MAX_PROBLEMS = 16

/** Keeps each once, the latest last. Ends with the events. */
export function rememberProblems(event$: Observable<PeerEvent>): () => readonly string[] {
  const problems = new Set<string>()
  event$
    .pipe(
      filter((event) => event.type === 'problem-found'),
      map(({ message }) => message)
    )
    .subscribe((message) => {
      problems.delete(message)
      problems.add(message)
      const [oldest] = problems
      if (problems.size > MAX_PROBLEMS && oldest !== undefined) problems.delete(oldest)
    })
  return () => [...problems]
}
