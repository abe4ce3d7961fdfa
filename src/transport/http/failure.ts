/** What went wrong with a neighbour, told by what the socket or the parser said. */
import { type ErrorCode, P2pError } from '../../errors.js'
import type { FailureReason } from '../../streams/ports.js'

/** Why a neighbour gave no usable answer. */
export class CallFailed extends P2pError {
  constructor(
    readonly reason: FailureReason,
    message: string,
    cause?: unknown
  ) {
    super(CODE_OF[reason], message, { cause })
  }
}

const CODE_OF: Readonly<Record<FailureReason, ErrorCode>> = {
  refused: 'NETWORK',
  'no-name': 'NETWORK',
  'no-route': 'NETWORK',
  reset: 'NETWORK',
  'timed-out': 'TIMEOUT',
  'not-a-peer': 'NETWORK',
  nonsense: 'NETWORK',
  ourselves: 'OWN_ALIAS',
  'no-tls': 'OTHER_NETWORK',
  'other-network': 'OTHER_NETWORK',
  'other-id': 'OTHER_ID',
  unwanted: 'DENIED'
}

/** Worth one more try on a new connection. */
export class StaleConnection extends CallFailed {}

/** What OpenSSL and Node say of a handshake, or of a certificate in it, that did not go well. */
const OF_TLS = /^(ERR_SSL_|ERR_TLS_|EPROTO$|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_)/

/** The same, where what came was no TLS at all. */
const NO_TLS = /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST|UNKNOWN_PROTOCOL)$/

const NO_NAME = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_NODATA', 'EAI_NONAME'])
const NO_ROUTE = new Set(['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN', 'EADDRNOTAVAIL'])

const BROKEN = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED'])

export function failureOf(error: NodeJS.ErrnoException, reused: boolean): CallFailed {
  if (error instanceof CallFailed) return error
  const code = error.code ?? ''
  // An AggregateError (one per address of a name) has no message of its own.
  const message = error.message === '' ? code : error.message
  if (BROKEN.has(code)) return new (reused ? StaleConnection : CallFailed)('reset', message, error)
  if (NO_TLS.test(code)) return new CallFailed('no-tls', `no TLS: ${message}`, error)
  if (OF_TLS.test(code)) return new CallFailed('other-network', `no member of our network: ${message}`, error)
  if (code === 'ETIMEDOUT') return new CallFailed('timed-out', message, error)
  if (code === 'HPE_HEADER_OVERFLOW') return new CallFailed('nonsense', message, error)
  if (code.startsWith('HPE_')) return new CallFailed('not-a-peer', message, error)
  if (NO_NAME.has(code)) return new CallFailed('no-name', message, error)
  if (NO_ROUTE.has(code)) return new CallFailed('no-route', message, error)
  return new CallFailed('refused', message, error)
}
