import { P2pError } from '../../errors.js'

/**
 * What is wrong with a message that came in.
 * `not-xmlrpc`: it never was a call (or an answer), like a web page; a server says HTTP 400.
 * `malformed`: it set out to be one and broke a rule. `too-big`: it keeps the rules but not our limits. Both earn fault 1.
 */
export type XmlRpcErrorKind = 'not-xmlrpc' | 'malformed' | 'too-big'

/** A message that cannot be read. Its text never repeats what the message said. */
export class XmlRpcError extends P2pError {
  readonly kind: XmlRpcErrorKind

  constructor(kind: XmlRpcErrorKind, message: string) {
    super('BAD_CALL', message)
    this.kind = kind
  }
}
