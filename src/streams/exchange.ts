/** Peers tell each other of those they know: what is told, and what is believed. Pure. */
import type { Contact, PeerUrl } from './ports.js'
import { distinctUrls, peerKey } from './urls.js'

/** Peers in one answer. A table is told in several. */
export const MAX_CONTACTS = 32
/** How often a neighbour that has been asked before is asked again, one neighbour at a time. */
export const EXCHANGE_EVERY_MS = 60_000

/** The contacts to tell: of a long list another part each time, so that all are told in the end. */
export function createTelling(contacts: () => readonly Contact[]): () => readonly Contact[] {
  let from = 0
  return () => {
    const all = contacts()
    if (all.length <= MAX_CONTACTS) return all
    const start = from % all.length
    from = start + MAX_CONTACTS
    return [...all.slice(start), ...all.slice(0, start)].slice(0, MAX_CONTACTS)
  }
}

/**
 * What a neighbour at `from` says of others, as far as it may be acted upon: every URL leads to a call of ours. `own` is our
 * id.
 */
export function believed(contacts: readonly Contact[], from: PeerUrl, own: string | undefined): readonly Contact[] {
  const sameMachine = isLoopback(from)
  return contacts.slice(0, MAX_CONTACTS).flatMap(({ id, urls }) => {
    if (id !== undefined && id === own) return []
    const usable = distinctUrls(urls.filter((url) => !isNowhere(url) && (sameMachine || !isLoopback(url))))
    return usable.length === 0 ? [] : [{ urls: usable, ...(id === undefined ? {} : { id }) }]
  })
}

/** Only somebody on this machine may send us to it: to others it is a way into services that trust it. */
function isLoopback(url: PeerUrl): boolean {
  return /^(127\.|localhost$|\[::1\]$|\[::ffff:7f)/.test(hostOf(url))
}

/** The wildcard is ourselves to each who hears it; link-local addresses mean another peer on every network, multicast none. */
function isNowhere(url: PeerUrl): boolean {
  const host = hostOf(url)
  const first = /^(\d+)\.\d+\.\d+\.\d+$/.exec(host)?.[1]
  if (first !== undefined) return first === '0' || Number(first) >= 224 || host.startsWith('169.254.')
  return /^\[(::\]|fe[89ab].:|ff)/.test(host)
}

function hostOf(url: PeerUrl): string {
  return peerKey(url) === undefined ? '' : new URL(url).hostname
}
