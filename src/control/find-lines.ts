/** A find as lines: each file once, and from then on only what is new of it. */
import { concatMap, filter, map, type Observable, of } from 'rxjs'
import type { FindNews, FoundFile, Peer } from '../index.js'
import type { FindBody, FindLine } from './messages.js'

export function findLines(
  peer: Pick<Peer, 'find' | 'trace'>,
  { pattern, trace = false, ...options }: FindBody
): Observable<FindLine> {
  const news$: Observable<FindNews> = trace
    ? peer.trace(pattern, options)
    : peer.find(pattern, options).pipe(map((hit) => ({ type: 'hit', hit })))
  /** Of each file how many holders and names were told; as many files as are wanted. */
  const told = new Map<string, { readonly holders: number; readonly names: number }>()
  const linesOf = (hit: FoundFile): readonly FindLine[] => {
    const { key, holders, otherNames = [] } = hit
    const before = told.get(key)
    if (before?.holders === holders.length && before.names === otherNames.length) return []
    told.set(key, { holders: holders.length, names: otherNames.length })
    if (before === undefined) return [{ type: 'found', ...hit }]
    const names = otherNames.slice(before.names)
    const more = { holders: holders.slice(before.holders), ...(names.length === 0 ? {} : { otherNames: names }) }
    return [{ type: 'holder-found', key, ...more }]
  }
  return news$.pipe(
    filter((news) => news.type !== 'ended'),
    concatMap((news) => (news.type === 'hit' ? linesOf(news.hit) : of<FindLine>({ type: 'call', ...news.trace })))
  )
}
