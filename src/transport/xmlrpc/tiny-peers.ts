/** The servers of a TinyP2P network, as its members tell of them. They are told on, and not asked: they know no queries. */
import type { PeerUrl } from '../../streams/ports.js'
import { peerKey } from '../../streams/urls.js'

/** Servers remembered, and looked at in one call. Everybody asks all of them for everything, so networks are small. */
export const MAX_TINY_PEERS = 256

export interface TinyPeers {
  readonly urls: () => readonly PeerUrl[]
  /** `mayName`: whether somebody may tell us of this URL. */
  readonly learn: (told: readonly unknown[], mayName: (url: PeerUrl) => boolean) => void
}

/**
 * Keeps the order in which they were told of. Each spelling stands for itself: the password is hashed with it, and which
 * one a server knows of itself cannot be told from here. Only of our own we know: `isOurs`.
 */
export function createTinyPeers(isOurs: (url: PeerUrl) => boolean): TinyPeers {
  const known = new Set<PeerUrl>()
  return {
    urls: () => [...known],
    learn(told, mayName) {
      for (const url of told.slice(0, MAX_TINY_PEERS)) {
        if (typeof url !== 'string' || known.has(url) || !isTinyUrl(url) || isOurs(url) || !mayName(url)) continue
        known.add(url)
        // Nobody says good-bye there: who came first has most likely gone.
        const [oldest] = known
        if (known.size > MAX_TINY_PEERS && oldest !== undefined) known.delete(oldest)
      }
    }
  }
}

/** Whether this can be a server of such a network: it speaks in the clear. */
export function isTinyUrl(url: string): boolean {
  return url.startsWith('http:') && peerKey(url) !== undefined
}
