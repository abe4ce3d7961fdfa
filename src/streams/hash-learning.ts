/** Gets the hashes that a piece is verified with from whoever has them; the root vouches for them, so anybody may send them. */
import { concat, concatMap, defer, EMPTY, finalize, first, map, type Observable, of, share } from 'rxjs'
import type { Download, HashesOutcome, HashRequest, PeerUrl } from './ports.js'

export interface HashLearningInit {
  readonly place: Pick<Download, 'wants' | 'learn'>
  readonly hashes: (holder: PeerUrl, request: HashRequest) => Observable<HashesOutcome>
  /** Whom to ask after the one who sent the piece. */
  readonly others: () => readonly PeerUrl[]
  /** What this one sent is not what the root promises. */
  readonly onLie: (holder: PeerUrl) => void
}

/** Emits whether a piece can be verified now. Those who want the same hashes at the same time share the request. */
export function createHashLearning({ place, hashes, others, onLie }: HashLearningInit) {
  const running = new Map<number, Observable<boolean>>()

  function ask(holder: PeerUrl, request: HashRequest): Observable<boolean> {
    return hashes(holder, request).pipe(
      map((outcome) => {
        if (outcome.type !== 'hashes') return false
        const right = place.learn(request, outcome.bytes)
        if (!right) onLie(holder)
        return right
      })
    )
  }

  return (piece: number, sender: PeerUrl): Observable<boolean> =>
    defer(() => {
      const request = place.wants(piece)
      if (request === undefined) return of(true)
      const known$ = running.get(request.index)
      if (known$ !== undefined) return known$
      const asked = new Set<PeerUrl>()
      const next$: Observable<boolean> = defer(() => {
        const holder = [sender, ...others()].find((url) => !asked.has(url))
        if (holder === undefined) return of(false)
        asked.add(holder)
        return concat(ask(holder, request).pipe(concatMap((right) => (right ? of(true) : EMPTY))), next$)
      })
      const learning$ = next$.pipe(
        first(),
        finalize(() => running.delete(request.index)),
        share()
      )
      running.set(request.index, learning$)
      return learning$
    })
}
