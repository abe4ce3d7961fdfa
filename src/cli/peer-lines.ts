/** All that is known of a peer, for people: what `peers -v`, `status` and `doctor` say of it. */
import type { FailureReason, KnownPeer } from '../index.js'
import { formatTime } from './amounts.js'
import { peerRow, type Say } from './output.js'

/** Of many peers, as many as a screen shows. */
export const MAX_PEERS_SHOWN = 20

/** A peer as a row, and below it its id, its other addresses, why it fails and when it was last seen. */
export function tellPeer(tell: Say, peer: KnownPeer, nowMs: number): void {
  tell(...peerRow(peer))
  for (const [name, value] of detailsOf(peer, nowMs)) tell(`  ${name.padEnd(11)}${value}`)
}

type Detail = readonly [name: string, value: string]

function detailsOf({ url, urls = [], id, state, reason, seenMs }: KnownPeer, nowMs: number): readonly Detail[] {
  const others = urls.filter((other) => other !== url)
  return [
    // In the open it is only what somebody says.
    ...(id === undefined || !url.startsWith('https:') ? [] : [['id', id] as const]),
    ...others.map((other) => ['also at', other] as const),
    ...(state === 'failing' ? [['fails', whyOf(reason)] as const] : []),
    ['last seen', seenOf(seenMs, state, nowMs)]
  ]
}

function seenOf(seenMs: number | undefined, state: KnownPeer['state'], nowMs: number): string {
  if (state === 'up') return 'now'
  return seenMs === undefined ? 'never' : `${formatTime(Math.max(0, (nowMs - seenMs) / 1_000))} ago`
}

/** Why a peer cannot be used, as the end of a sentence. */
export function whyOf(reason: FailureReason | undefined): string {
  return reason === undefined ? 'it does not answer' : WHY[reason]
}

const WHY: Readonly<Record<FailureReason, string>> = {
  refused: 'its computer is there, but nobody listens at that port',
  'no-name': 'its name leads to no address',
  'no-route': 'no way leads to its address from here',
  reset: 'it ends the connection: it may have banned us, or have been in the middle of stopping',
  'timed-out': 'nothing comes back: it is off, or a firewall is in between',
  'not-a-peer': 'something else than a peer answers there',
  nonsense: 'it answers what no peer would say',
  ourselves: 'it is this peer itself',
  'no-tls': 'it speaks in the clear, and this network speaks TLS: it was started with --open',
  'other-network': 'it speaks TLS, but is in another network, or its secret was changed',
  'other-id': 'somebody else answers there than at first contact',
  unwanted: 'you have banned it'
}
