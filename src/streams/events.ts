/** What a peer tells about itself: one union for the embedding API, `--json` and whatever shows it. */
import type { FailureReason, PeerUrl } from './ports.js'

/** What happened, before it is stamped. */
export type Happening =
  /** Neighbours can reach us under this URL. */
  | { readonly type: 'listening'; readonly url: PeerUrl }
  /** A peer answered for the first time, or again. */
  | { readonly type: 'peer-joined'; readonly url: PeerUrl }
  /** A peer is not asked for the time being; it comes back by itself. */
  | { readonly type: 'peer-lost'; readonly url: PeerUrl; readonly reason: FailureReason }
  /** Somebody else answers there than at first contact: it is not spoken to. Said once for each. */
  | { readonly type: 'id-changed'; readonly url: PeerUrl; readonly pinnedId: string; readonly id: string }
  /** A peer that answers is now reached at another of its addresses. */
  | { readonly type: 'peer-moved'; readonly url: PeerUrl; readonly from: PeerUrl }
  /** Our private network has another secret now, from the member with this id, or by our own user. */
  | { readonly type: 'secret-changed'; readonly id?: string }
  /** Somebody (or we ourselves: `from` is absent) asks for a file. */
  | { readonly type: 'query-received'; readonly name: string; readonly id: string; readonly from?: PeerUrl }
  /** One outgoing call. */
  | { readonly type: 'query-sent'; readonly url: PeerUrl; readonly name: string; readonly id: string }
  | {
      readonly type: 'query-answered'
      readonly name: string
      readonly id: string
      readonly holders: readonly PeerUrl[]
    }
  | { readonly type: 'query-missed'; readonly name: string; readonly id: string }
  | { readonly type: 'transfer-started'; readonly name: string; readonly size: number }
  | {
      readonly type: 'transfer-progressed'
      readonly name: string
      /** Bytes here so far, verified where the root is known, in whole pieces of 1 MiB: a kill would not lose them. */
      readonly bytes: number
      /** Bytes in all. */
      readonly total: number
      readonly bytesPerSecond: number
      readonly holders: readonly PeerUrl[]
      /** How fast each of them is. */
      readonly rates: readonly { readonly url: PeerUrl; readonly bytesPerSecond: number }[]
      /** Everybody who has it serves others first: our place in the shortest queue, from 1. */
      readonly position?: number
    }
  /** An earlier try had left so many bytes that are right. `changed`: it was of another content, as the source has changed since. */
  | { readonly type: 'transfer-resumed'; readonly name: string; readonly bytes: number; readonly changed: boolean }
  /** It cannot go on for want of space or holders, and tries again by itself. */
  | { readonly type: 'transfer-waiting'; readonly name: string; readonly code: string }
  /** What a holder sent was not what it promised; it is not used again for this file. */
  | { readonly type: 'piece-rejected'; readonly name: string; readonly holder: PeerUrl }
  | {
      readonly type: 'transfer-completed'
      readonly name: string
      readonly size: number
      readonly path: string
      readonly root: string
    }
  | { readonly type: 'transfer-failed'; readonly name: string; readonly code: string }
  | { readonly type: 'file-added'; readonly name: string }
  | { readonly type: 'file-removed'; readonly name: string }
  /** Something keeps files from being shared; the peer goes on. */
  | { readonly type: 'problem-found'; readonly code: string; readonly message: string }
  /** The last event. `code` is there when the peer ended because of an error. */
  | { readonly type: 'closed'; readonly code?: string }

/** An event of a peer: what happened, when (ISO 8601), and the version of this schema. */
export type PeerEvent = Happening & { readonly at: string; readonly v: 1 }
