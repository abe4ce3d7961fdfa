/** Keeps count of what was ordered from a peer here and is not over, and of its caps: a peer itself tells neither. */
import { finalize, Observable, tap } from 'rxjs'
import type { Peer, Rates } from '../index.js'
import type { RatesChange, Transfer } from './messages.js'

export interface Ledger {
  /** The same peer, whose orders are counted. */
  readonly peer: Peer
  readonly transfers: () => readonly Transfer[]
  readonly rates: () => Rates
  /** Changes those caps that are named; null takes one away. */
  readonly changeRates: (change: RatesChange) => Rates
}

export function createLedger(peer: Peer, initial: Rates = {}): Ledger {
  const underWay = new Map<symbol, Transfer>()
  let rates = initial

  const counted = <T>(work$: Observable<T>, entry: (value: T) => Transfer): Observable<T> =>
    new Observable((subscriber) => {
      const key = Symbol('transfer')
      return work$
        .pipe(
          tap((value) => underWay.set(key, entry(value))),
          finalize(() => underWay.delete(key))
        )
        .subscribe(subscriber)
    })

  return {
    peer: {
      ...peer,
      fetch: (name, options) => counted(peer.fetch(name, options), (progress) => ({ kind: 'file', ...progress })),
      fetchAll: (pattern, options) =>
        counted(peer.fetchAll(pattern, options), ({ failed, ...progress }) => ({
          kind: 'folder',
          pattern,
          ...progress,
          failed: failed.length
        }))
    },
    transfers: () => [...underWay.values()],
    rates: () => rates,
    changeRates: (change) => {
      const changed = (name: keyof Rates): number | undefined =>
        change[name] === undefined ? rates[name] : (change[name] ?? undefined)
      rates = {
        uploadBytesPerSecond: changed('uploadBytesPerSecond'),
        downloadBytesPerSecond: changed('downloadBytesPerSecond'),
        uploadBytesPerSecondPerPeer: changed('uploadBytesPerSecondPerPeer'),
        downloadBytesPerSecondPerPeer: changed('downloadBytesPerSecondPerPeer')
      }
      peer.setRates(rates)
      return rates
    }
  }
}
