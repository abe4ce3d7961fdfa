/** Under which addresses this machine can be reached. */
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'
import type { PeerUrl } from '../../streams/ports.js'
import { distinctUrls } from '../../streams/urls.js'
import { isLoopback } from './web-pages.js'

type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>

/** Networks between this machine and its own containers and guests: every machine has the same addresses there. */
const VIRTUAL = /^(docker|br-|veth|virbr|vmnet|vboxnet|podman|cni|lxc|lxd)/

/** The addresses of this machine others may reach, IPv4 before IPv6, those of virtual networks last. */
export function ownAddresses(interfaces: Interfaces = networkInterfaces()): readonly string[] {
  const rows = Object.entries(interfaces).flatMap(([name, list = []]) =>
    list.filter(isReachable).map(({ address, family }) => ({
      host: family === 'IPv6' ? `[${address}]` : address,
      rank: (VIRTUAL.test(name) ? 2 : 0) + (family === 'IPv6' ? 1 : 0)
    }))
  )
  return rows.sort((one, other) => one.rank - other.rank).map(({ host }) => host)
}

/** A link-local address means nothing without the name of the interface, which is another one on each machine. */
function isReachable({ address, internal }: NetworkInterfaceInfo): boolean {
  return !internal && !/^(fe[89ab].:|169\.254\.)/i.test(address)
}

/** How we announce ourselves when nobody has said it: bound to every address we are reached under none of that name. */
export function urlAt(scheme: 'http' | 'https', host: string, port: number): PeerUrl {
  const name = isWildcard(host) ? (hostsAt(host)[0] ?? '127.0.0.1') : inUrl(host)
  return `${scheme}://${name}:${port}`
}

/** All URLs that lead to us: the announced one, and where we are bound to every address, one for each with the bound port. */
export function addressesAt(announced: PeerUrl, host: string, port: number): readonly PeerUrl[] {
  if (!isWildcard(host)) return [announced]
  const { protocol } = new URL(announced)
  return distinctUrls([announced, ...hostsAt(host).map((name) => `${protocol}//${name}:${port}`)])
}

/** All spellings under which somebody may have typed our URL, the announced one first, each with and without a slash. */
export function spellingsAt(announced: PeerUrl, host: string, port: number): readonly PeerUrl[] {
  const { protocol } = new URL(announced)
  const here = isWildcard(host) || isLoopback(host) ? ['127.0.0.1', 'localhost', '[::1]'] : []
  const named = here.map((name) => `${protocol}//${name}:${port}`)
  const bound = isWildcard(host) ? addressesAt(announced, host, port) : [`${protocol}//${inUrl(host)}:${port}`]
  const plain = [announced, ...bound, ...named].map((url) => url.replace(/\/$/, ''))
  return [...new Set([announced, ...plain.flatMap((url) => [url, `${url}/`])])]
}

function inUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

function hostsAt(wildcard: string): readonly string[] {
  return ownAddresses().filter((host) => wildcard === '::' || !host.startsWith('['))
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}
