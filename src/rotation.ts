/** Another secret for a network: handed to the members we know, or taken from one of them, and used from then on. */
import { defer, from, map, mergeMap, type Observable, of, type SchedulerLike } from 'rxjs'
import type { NetworkOptions } from './options.js'
import type { Directory } from './streams/directory.js'
import type { Entry } from './streams/directory-table.js'
import type { Happening } from './streams/events.js'
import type { HandOver, PeerUrl, Transport } from './streams/ports.js'
import type { Member } from './transport/tls/member.js'

/** Members the secret is handed to at a time. */
const CONCURRENT_HAND_OVERS = 16
/** Nobody changes a secret more often by hand; somebody who plays with us must not wear out the disk. */
const MIN_PAUSE_MS = 5_000

/** What became of handing the secret to one member. */
export interface Handed {
  readonly url: PeerUrl
  readonly id?: string
  readonly taken: boolean
  /** Why not. */
  readonly reason?: string
}

export interface RotationInit {
  readonly member: Member
  readonly directory: Directory
  readonly transport: Pick<Transport, 'handSecret'>
  readonly keepSecret: NetworkOptions['keepSecret']
  readonly scheduler: SchedulerLike
  readonly tell: (happening: Happening) => void
  /** Told of the secret in use after each change. */
  readonly changed: (secret: Uint8Array) => void
}

export function createRotation(init: RotationInit) {
  const { member, directory, transport, keepSecret, scheduler, tell, changed } = init
  let takenAtMs = -Infinity
  /** What two members hand us at the same time is taken from the first. */
  let taking = false

  function use(secret: Uint8Array, id?: string): void {
    if (member.isSecret(secret)) return
    member.setSecret(secret)
    changed(secret)
    tell({ type: 'secret-changed', ...(id === undefined ? {} : { id }) })
  }

  const known = () => [...directory.state().values()]

  /** Only to whom we have met, so that we know who is given it. */
  function handTo({ peer, proven }: Entry, secret: Uint8Array): Observable<Handed> {
    const { url, id } = peer
    if (!proven || id === undefined || transport.handSecret === undefined)
      return of({ url, taken: false, reason: peer.reason ?? 'never met' })
    if (member.isRefused(id)) return of({ url, id, taken: false, reason: 'banned' })
    return transport.handSecret(url, secret).pipe(map((outcome) => ({ url, id, ...resultOf(outcome) })))
  }

  return {
    use,
    /** Emits what became of it for each peer we know. */
    hand: (secret: Uint8Array): Observable<Handed> =>
      defer(() => from(known())).pipe(mergeMap((entry) => handTo(entry, secret), CONCURRENT_HAND_OVERS)),
    /** Absent where secrets are taken from nobody. */
    ...(keepSecret === undefined
      ? {}
      : {
          handed: async (secret: Uint8Array, id: string): Promise<boolean> => {
            if (member.isSecret(secret)) return true
            const isFriend = known().some(({ peer, proven }) => proven && peer.id === id) && !member.isRefused(id)
            if (taking || !isFriend || scheduler.now() - takenAtMs < MIN_PAUSE_MS) return false
            taking = true
            try {
              await keepSecret(secret, { id })
              takenAtMs = scheduler.now()
              use(secret, id)
              return true
            } finally {
              taking = false
            }
          }
        })
  }
}

function resultOf(outcome: HandOver): Pick<Handed, 'taken' | 'reason'> {
  if (outcome.type === 'taken') return { taken: true }
  return { taken: false, reason: outcome.type === 'failed' ? outcome.reason : outcome.type }
}
