/** Finds for these tests: what is asked, what is hit, and sources that tell how far they were read. */
import { Observable, of } from 'rxjs'
import type { Finding, Hit, Search } from '../../../src/streams/ports.js'

let ids = 0

export function searchFor(text = 'report', given: Partial<Search> = {}): Search {
  return {
    pattern: { kind: 'words', text },
    history: [],
    id: `find ${++ids}`,
    asking: [],
    limit: 1_000,
    deadlineMs: 15_000,
    ...given
  }
}

export const ENDED: Finding = { type: 'ended', how: 'all' }

export function hitOf(nth: number, given: Partial<Hit> = {}): Hit {
  return {
    name: `reports/report ${nth}.pdf`,
    size: nth,
    root: nth.toString(16).padStart(64, '0'),
    holders: ['http://127.0.0.1:4242'],
    hops: 0,
    ...given
  }
}

export const hitsOf = (count: number, first = 0, given: Partial<Hit> = {}): readonly Hit[] =>
  Array.from({ length: count }, (_, nth) => hitOf(first + nth, given))

/** Batches that come when they are asked for, and the end. */
export function batches(hits: (nth: number) => readonly Hit[], count: number) {
  const told = { batches: 0, unsubscribed: false, subscribed: 0 }
  const finding$ = new Observable<Finding>((subscriber) => {
    told.subscribed++
    const next = () => {
      if (told.batches === count) {
        subscriber.next(ENDED)
        subscriber.complete()
        return
      }
      subscriber.next({ type: 'found', hits: hits(told.batches++), next })
    }
    next()
    return () => {
      told.unsubscribed = true
    }
  })
  return { told, finding$ }
}

/** Some hits, then the end. */
export const found = (...hits: readonly Hit[]): Observable<Finding> =>
  hits.length === 0 ? of(ENDED) : batches(() => hits, 1).finding$

/** All that is told by one who takes it as it comes. */
export function taken(
  finding$: Observable<Finding>
): Promise<{ hits: readonly Hit[]; last: Finding | undefined; batches: number }> {
  return new Promise((resolve, reject) => {
    const hits: Hit[] = []
    let last: Finding | undefined
    let count = 0
    finding$.subscribe({
      next(finding) {
        last = finding
        if (finding.type !== 'found') return
        count++
        hits.push(...finding.hits)
        finding.next()
      },
      error: reject,
      complete: () => resolve({ hits, last, batches: count })
    })
  })
}
