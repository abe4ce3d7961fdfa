/** Under which URLs others can reach a peer of ours. */
import { networkInterfaces } from 'node:os'

/** Networks between this machine and its own containers and guests: every machine has the same addresses there. */
const VIRTUAL = /^(docker|br-|veth|virbr|vmnet|vboxnet|podman|cni|lxc|lxd)/
/** Without the name of an interface, which is another one on each machine, such an address means nothing. */
const LINK_LOCAL = /^(fe[89ab].:|169\.254\.)/i

/**
 * Where a peer that announces `url` and listens at `host` is: at that URL, and where it listens everywhere and made the
 * URL itself, at all addresses of this machine.
 */
export function reachableUrls(url: string, host: string, isUrlGiven: boolean): string[] {
  if (isUrlGiven || !isEverywhere(host)) return [url]
  const { port } = new URL(url)
  const rows = Object.entries(networkInterfaces()).flatMap(([name, list = []]) =>
    list
      .filter(({ internal, address }) => !internal && !LINK_LOCAL.test(address))
      .filter(({ family }) => host === '::' || family === 'IPv4')
      .map(({ address, family }) => ({
        url: `https://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
        rank: (VIRTUAL.test(name) ? 2 : 0) + (family === 'IPv6' ? 1 : 0)
      }))
  )
  const sorted = rows.sort((one, other) => one.rank - other.rank).map((row) => row.url)
  // Only a machine without a network has none.
  return sorted.length === 0 ? [url] : sorted
}

export function isEverywhere(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname)
}
