/**
 * Peer discovery: whom we know, who is failing, who came back.
 *
 * Owns the table of known peers. A peer enters it when somebody names it (the user, itself, or another
 * peer), is greeted once, and from then on is asked. One that fails leaves the set that is asked but
 * not the table: it is greeted again after growing pauses and comes back by itself (DESIGN 4, rule 7;
 * the book's nodes forget it for ever).
 */
import {
  EMPTY,
  interval,
  map,
  mergeMap,
  type Observable,
  of,
  type SchedulerLike,
  takeUntil,
  timeout,
  timer
} from 'rxjs'
import { type Actor, createActor } from './actor.js'
import { type DirectoryCommand, type DirectoryJob, step } from './directory-rules.js'
import type { DirectoryState } from './directory-table.js'
import type { Happening } from './events.js'
import { EXCHANGE_EVERY_MS, MAX_CONTACTS } from './exchange.js'
import type { Contact, Greeting, PeerUrl } from './ports.js'
import { reach } from './reach.js'

/** Longest wait for a greeting: a neighbour that never answers must not keep its place for ever. */
const GREETING_TIMEOUT_MS = 6_000
const SILENT: Greeting = { type: 'failed', reason: 'timed-out', detail: 'no answer in time' }

export interface DirectoryInit {
  /** Introduces us to a neighbour. */
  readonly hello: (url: PeerUrl) => Observable<Greeting>
  /** Whom a neighbour knows, as far as it is believed. Without it nobody is asked. */
  readonly exchange?: (url: PeerUrl) => Observable<readonly Contact[]>
  readonly scheduler: SchedulerLike
  readonly stop$: Observable<unknown>
}

export type Directory = Actor<DirectoryCommand, DirectoryState, Happening>

export function createDirectory({ hello, exchange, scheduler, stop$ }: DirectoryInit): Directory {
  const directory = createActor<DirectoryCommand, DirectoryState, Happening, DirectoryJob>({
    initial: new Map(),
    step,
    stop$,
    run(job): Observable<DirectoryCommand> {
      switch (job.type) {
        case 'greet':
          return reach({ ...job, hello, scheduler }).pipe(
            timeout({
              first: GREETING_TIMEOUT_MS,
              with: () => of({ url: undefined, greeting: SILENT }),
              scheduler
            }),
            map(({ url, greeting }) => ({ type: 'greeted', key: job.key, greeting, url, atMs: scheduler.now() }))
          )
        case 'pause':
          return timer(job.pauseMs, scheduler).pipe(
            map(() => ({ type: 'pause-over', key: job.key, pauses: job.pauses }))
          )
        case 'exchange':
          return exchange === undefined
            ? EMPTY
            : exchange(job.url).pipe(
                mergeMap((contacts) => contacts.slice(0, MAX_CONTACTS)),
                map(({ id, urls: [url = '', ...urls] }) => ({
                  type: 'introduce',
                  url,
                  urls,
                  id,
                  told: false,
                  by: job.key
                }))
              )
      }
    }
  })
  if (exchange !== undefined) {
    interval(EXCHANGE_EVERY_MS, scheduler)
      .pipe(takeUntil(stop$))
      .subscribe(() => directory.send({ type: 'exchange-due' }))
  }
  return directory
}
