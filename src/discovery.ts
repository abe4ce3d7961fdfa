/** How peers come to be known: those that were named, remembered, told of by others, and nearby. */
import {
  auditTime,
  distinctUntilChanged,
  EMPTY,
  map,
  mergeMap,
  type Observable,
  type SchedulerLike,
  takeUntil
} from 'rxjs'
import type { PeerMemory, RememberedPeer } from './store/remembered.js'
import type { Directory } from './streams/directory.js'
import type { DirectoryState } from './streams/directory-table.js'
import type { Happening } from './streams/events.js'
import { believed } from './streams/exchange.js'
import type { Contact, Neighbourhood, PeerUrl, Transport } from './streams/ports.js'

/** How long changes are gathered before they are written; a process that is killed loses as much. */
const SAVE_AFTER_MS = 1_000

export interface DiscoveryInit {
  readonly directory: Directory
  /** Absent where nothing outlives the process. */
  readonly memory: PeerMemory | undefined
  /** Absent where those nearby are not looked for. */
  readonly neighbourhood: Neighbourhood | undefined
  readonly tell: (happening: Happening) => void
  readonly scheduler: SchedulerLike
  readonly stop$: Observable<unknown>
}

export interface Discovery {
  /** Introduces those who are remembered, then those who are found. `own` is where we listen, for those nearby. */
  readonly start: (own: PeerUrl) => Promise<void>
  /** Writes down who is known now. */
  readonly close: () => Promise<void>
}

export function createDiscovery({
  directory,
  memory,
  neighbourhood,
  tell,
  scheduler,
  stop$
}: DiscoveryInit): Discovery {
  let started = false

  /** The first URL is the best guess. */
  const introduce = ({ id, urls: [url = '', ...urls] }: Contact, seenMs?: number) =>
    directory.send({ type: 'introduce', url, urls, id, seenMs, told: false })

  const save = async () => {
    try {
      await memory?.save(remembered(directory.state(), scheduler.now()), scheduler.now())
    } catch (error) {
      tell({ type: 'problem-found', code: 'DISK', message: `Known peers could not be written down: ${String(error)}` })
    }
  }

  return {
    async start(own) {
      for (const peer of (await memory?.load(scheduler.now())) ?? []) introduce(peer, peer.seenMs)
      started = true
      if (memory !== undefined) {
        directory.state$
          .pipe(
            map(signature),
            distinctUntilChanged(),
            auditTime(SAVE_AFTER_MS, scheduler),
            mergeMap(save, 1),
            takeUntil(stop$)
          )
          .subscribe()
      }
      neighbourhood
        ?.meet(own)
        .pipe(takeUntil(stop$))
        .subscribe((sighting) => {
          if (sighting.type === 'found') introduce(sighting.contact)
          else
            tell({
              type: 'problem-found',
              code: 'NETWORK',
              message: `Peers nearby cannot be found: ${sighting.detail}`
            })
        })
    },
    // Before that it would forget those who have not been loaded.
    close: () => (started ? save() : Promise.resolve())
  }
}

/** Whom a neighbour knows, as far as it is believed. */
export function createExchange({ contacts }: Transport, ownId: () => string) {
  return (url: PeerUrl): Observable<readonly Contact[]> =>
    (contacts?.(url) ?? EMPTY).pipe(
      map((outcome) => (outcome.type === 'contacts' ? believed(outcome.contacts, url, ownId()) : []))
    )
}

/** Those who ever answered. Who answers now was seen now. */
function remembered(state: DirectoryState, nowMs: number): readonly RememberedPeer[] {
  return [...state.values()].flatMap(({ peer, urls, seenMs }) =>
    seenMs === undefined
      ? []
      : [
          {
            urls: [...urls],
            seenMs: peer.state === 'up' ? nowMs : seenMs,
            ...(peer.id === undefined ? {} : { id: peer.id })
          }
        ]
  )
}

/** What of the table is worth writing down. */
function signature(state: DirectoryState): string {
  return [...state.values()]
    .filter(({ seenMs }) => seenMs !== undefined)
    .map(({ peer, urls }) => [peer.id, ...urls].join(' '))
    .join('\n')
}
