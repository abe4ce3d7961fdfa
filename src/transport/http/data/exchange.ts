/** One request on a connection of the data plane, and what is to become of it. */
import type { Memory } from '../../../streams/ports.js'
import type { Address } from '../carrier.js'
import type { CallFailed } from '../failure.js'
import type { Head } from './head.js'
import type { Landing } from './landing.js'

export interface DataRequest<T> {
  readonly method: 'GET' | 'HEAD'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly memory?: Memory | undefined
  /** To the head of the answer, from the end of the answer before. */
  readonly headTimeoutMs: number
  readonly signal: AbortSignal
  /** What an answer means, told by its head; what of its body is wanted is read from `bytes`. Throws {@link CallFailed}. */
  readonly receive: (head: Head, bytes: AsyncIterable<Uint8Array>) => T | Unwanted<T>
}

/** An answer whose body nobody will read. */
export class Unwanted<T> {
  constructor(readonly outcome: T) {}
}

export interface Exchange {
  readonly request: DataRequest<unknown>
  readonly resolve: (outcome: unknown) => void
  readonly reject: (error: CallFailed) => void
  readonly forget: () => void
  /** Its caller has been told what came of it, or has left. */
  settled: boolean
  landing: Landing | undefined
}

/** The request as it is sent. */
export function written({ method, path, headers }: DataRequest<unknown>, { hostname, port }: Address): string {
  const host = hostname.includes(':') ? `[${hostname}]` : hostname
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\n${lines.join('')}\r\n`
}
