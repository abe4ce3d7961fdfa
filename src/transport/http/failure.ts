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
  reset: 'NETWORK',
  'timed-out': 'TIMEOUT',
  'not-a-peer': 'NETWORK',
  nonsense: 'NETWORK',
  ourselves: 'OWN_ALIAS',
  'other-network': 'OTHER_NETWORK',
  'other-id': 'OTHER_ID',
  unwanted: 'DENIED'
}

/** Worth one more try on a new connection. */
export class StaleConnection extends CallFailed {}

/** What OpenSSL and Node say of a handshake, or of a certificate in it, that did not go well. */
const OF_TLS = /^(ERR_SSL_|ERR_TLS_|EPROTO$|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_)/

const BROKEN = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED'])

export function failureOf(error: NodeJS.ErrnoException, reused: boolean): CallFailed {
  if (error instanceof CallFailed) return error
  const code = error.code ?? ''
  // An AggregateError (one per address of a name) has no message of its own.
  const message = error.message === '' ? code : error.message
  if (BROKEN.has(code)) return new (reused ? StaleConnection : CallFailed)('reset', message, error)
  if (OF_TLS.test(code)) return new CallFailed('other-network', `no member of our network: ${message}`, error)
  if (code === 'ETIMEDOUT') return new CallFailed('timed-out', message, error)
  if (code === 'HPE_HEADER_OVERFLOW') return new CallFailed('nonsense', message, error)
  if (code.startsWith('HPE_')) return new CallFailed('not-a-peer', message, error)
  return new CallFailed('refused', message, error)
}
