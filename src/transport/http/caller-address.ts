/** Where a call comes from, and what follows from it. */
import type { Socket } from 'node:net'
import type { PeerUrl } from '../../streams/ports.js'

type End = Pick<Socket, 'remoteAddress' | 'localAddress'>

/** The same machine is one address, whether it comes over IPv4 or over IPv6-mapped IPv4. */
export function callerAddress({ remoteAddress }: Pick<Socket, 'remoteAddress'>): string {
  return plain(remoteAddress)
}

/** Whether a call comes from this very machine. */
export function isFromHere({ remoteAddress, localAddress }: End): boolean {
  const from = plain(remoteAddress)
  return from === '::1' || from.startsWith('127.') || (from !== '' && from === plain(localAddress))
}

/**
 * Whether a caller may send us to this URL, which we will greet. This machine has services that trust whoever comes from
 * it, and link-local addresses lead to those of a data centre: only callers from here may name them.
 */
export function mayName(caller: End | null, url: PeerUrl): boolean {
  return (caller !== null && isFromHere(caller)) || !leadsInside(url)
}

/** `URL` has turned `0x7f.1`, `2130706433` and `[::ffff:127.0.0.1]` into one spelling by then. */
const INSIDE = [
  /^(0|127)\.|^169\.254\.|^(22[4-9]|2[345]\d)\./,
  /(^|\.)localhost\.?$/,
  // An IPv4 address in the dress of IPv6 is nobody's honest spelling.
  /^\[(::1?|::ffff:.*|fe[89ab].:.*|ff.*)\]$/
]

function leadsInside(url: PeerUrl): boolean {
  if (!URL.canParse(url)) return false
  const { hostname } = new URL(url)
  return INSIDE.some((pattern) => pattern.test(hostname))
}

function plain(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/, '')
}
