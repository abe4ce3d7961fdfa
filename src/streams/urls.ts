/** How peers are told apart by their URLs. Pure. */
import type { PeerUrl } from './ports.js'

/** Longest URL a peer may have. Histories and peer tables are made of these, so their size follows from it. */
export const MAX_URL_LENGTH = 256

/** Addresses of one peer that are kept and told: a computer with two networks, both IPs each, and some bridges of containers. */
export const MAX_ADDRESSES = 8

/** Keys remembered: a few times the peers one knows. */
const MAX_KEYS = 2_048
/** A pure function's answers, so that sharing them shares no state. */
const keys = new Map<PeerUrl, string | undefined>()

const LOOPBACK_NAMES = new Set(['localhost', '[::1]'])
const DEFAULT_PORTS: Partial<Record<string, string>> = { 'http:': '80', 'https:': '443' }
const PATHS = new Set(['/', '/RPC2', '/simple'])

/**
 * One key for all spellings of one peer: a peer is one server on one port, so host and port name it.
 * `http://h:1`, `http://h:1/` and `http://h:1/simple` are the same peer; asking both would deadlock
 * two Python nodes (WIRE W9). Undefined when the text is no peer's URL.
 */
export function peerKey(url: PeerUrl): string | undefined {
  if (keys.has(url)) return keys.get(url)
  const key = readKey(url)
  // Every call of every query compares keys, of the same few URLs; the oldest half of a full table makes room.
  if (keys.size >= MAX_KEYS) for (const [old] of [...keys].slice(0, MAX_KEYS / 2)) keys.delete(old)
  if (url.length <= MAX_URL_LENGTH) keys.set(url, key)
  return key
}

function readKey(url: PeerUrl): string | undefined {
  if (url.length > MAX_URL_LENGTH || !URL.canParse(url)) return undefined
  const { protocol, hostname, port, pathname, username, password, search, hash } = new URL(url)
  const defaultPort = DEFAULT_PORTS[protocol]
  if (defaultPort === undefined || hostname === '' || !PATHS.has(pathname)) return undefined
  if (username !== '' || password !== '' || search !== '' || hash !== '') return undefined
  const address = `${LOOPBACK_NAMES.has(hostname) ? '127.0.0.1' : hostname}:${port === '' ? defaultPort : port}`
  // No server speaks both, so it is another peer, or a slip that must not take the place of the right one.
  return protocol === 'http:' ? address : `${protocol}${address}`
}

/** The keys of several peers; what is no URL is left out. */
export function peerKeys(urls: Iterable<PeerUrl>): Set<string> {
  const keys = new Set<string>()
  for (const url of urls) {
    const key = peerKey(url)
    if (key !== undefined) keys.add(key)
  }
  return keys
}

/** Those of `peers` that are not among `taken` by any of their addresses. */
export function without(
  peers: readonly PeerUrl[],
  taken: Iterable<PeerUrl>,
  addresses: (url: PeerUrl) => readonly PeerUrl[]
): readonly PeerUrl[] {
  const keys = peerKeys(taken)
  return peers.filter((url) => !addresses(url).some((named) => keys.has(peerKey(named) ?? named)))
}

/** The URLs that are a peer's, one of each key, the first {@link MAX_ADDRESSES}. */
export function distinctUrls(urls: Iterable<PeerUrl>): readonly PeerUrl[] {
  const distinct = new Map<string, PeerUrl>()
  for (const url of urls) {
    const key = peerKey(url)
    if (key === undefined || distinct.has(key)) continue
    distinct.set(key, url)
    if (distinct.size === MAX_ADDRESSES) break
  }
  return [...distinct.values()]
}
