/** Keeps web pages out: a page in a browser on this machine can reach our port, and must get nothing from it. */
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/

/** Whether only this machine can reach a server bound to `host`. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host)
}

export interface GuardOptions {
  readonly boundToLoopback: boolean
  /** The host we announce ourselves with, which may be a name. */
  readonly announcedHost: string | undefined
}

/**
 * Whether a request may be a web page's. A page's POST always carries `Origin`, and no XML-RPC client sends one.
 * By DNS rebinding a page may be read as if it were ours, but its browser then still sends the page's own name
 * as `Host`: bound to loopback we know all names we can have. In a real network we do not, so it is not checked there.
 */
export function isFromWebPage({ method, headers }: IncomingMessage, options: GuardOptions): boolean {
  if (method === 'POST' && headers.origin !== undefined) return true
  return options.boundToLoopback && headers.host !== undefined && !isOurs(headers.host, options.announcedHost)
}

function isOurs(header: string, announcedHost: string | undefined): boolean {
  const host = /^(\[[^\]]*\]|[^:]*)(:\d*)?$/.exec(header.toLowerCase())?.[1]
  if (host === undefined) return false
  return host === 'localhost' || host === announcedHost || isIP(host.replace(/^\[|\]$/g, '')) !== 0
}
