/** Those nearby: whether they are looked for, and by what they know us. */
import { distinctUntilChanged, EMPTY, map, type Observable, switchMap } from 'rxjs'
import type { PeerOptions } from './options.js'
import type { Neighbourhood, PeerUrl } from './streams/ports.js'
import { isLoopback } from './transport/http/web-pages.js'
import { createLan } from './transport/mdns/lan.js'
import { networkMark } from './transport/mdns/mark.js'
import { derive } from './transport/tls/network-ca.js'

const LAN_KEY_BYTES = 32

/** Who listens to this machine only is not looked for by others. */
export function neighbourhoodOf(
  { neighbourhood, lan, host }: Pick<PeerOptions, 'neighbourhood' | 'lan'> & { readonly host: string },
  secret$: Observable<Uint8Array | undefined>
): Neighbourhood | undefined {
  if (neighbourhood !== undefined || lan === false || isLoopback(host)) return neighbourhood
  const mark$ = secret$.pipe(
    map((secret) => lan?.secret ?? (secret && derive(secret, 'local network', LAN_KEY_BYTES))),
    map((secret) => secret && networkMark(secret)),
    distinctUntilChanged()
  )
  // Whoever has another secret now is looked for by it.
  return {
    meet: (own) => mark$.pipe(switchMap((mark) => (mark === undefined ? EMPTY : createLan({ mark }).meet(own))))
  }
}

/** Those nearby come straight to the port we listen on, whatever port others are told. */
export function listeningAt(url: PeerUrl, port: number): PeerUrl {
  const own = new URL(url)
  return port === 0 ? url : `${own.protocol}//${own.hostname}:${port}`
}
