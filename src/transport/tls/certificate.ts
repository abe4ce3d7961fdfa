/** The two kinds of certificate there are: of a network, and of a member. The same input gives the same bytes. Pure. */
import { type KeyObject, sign, X509Certificate } from 'node:crypto'
import { bits, date, explicit, integer, octets, oid, sequence, setOf, truth, utf8 } from './der.js'

/**
 * For ever, as far as computers go: nobody renews them, a clock that is wrong breaks nothing, and who is to be kept out
 * is kept out by a new secret.
 */
const NOT_BEFORE = new Date('1970-01-01T00:00:00Z')
const NOT_AFTER = new Date('2100-01-01T00:00:00Z')

const ED25519 = sequence(oid('1.3.101.112'))
/** The same for all networks: whoever connects may read it, and it must not tell him which one this is. */
const NETWORK = nameOf('p2p-rx network')
const MEMBER = nameOf('p2p-rx peer')

export interface CertificateInit {
  readonly kind: 'network' | 'member'
  /** Whom it is for. */
  readonly publicKey: KeyObject
  /** The network's, an Ed25519 key. */
  readonly signingKey: KeyObject
  /** When it ends. Default: not in our time. */
  readonly notAfter?: Date
}

/** A certificate as PEM text. */
export function createCertificate({ kind, publicKey, signingKey, notAfter = NOT_AFTER }: CertificateInit): string {
  const toBeSigned = sequence(
    explicit(0, integer(Uint8Array.of(2))),
    integer(Uint8Array.of(kind === 'network' ? 1 : 2)),
    ED25519,
    NETWORK,
    sequence(date(NOT_BEFORE), date(notAfter)),
    kind === 'network' ? NETWORK : MEMBER,
    publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, sequence(...(kind === 'network' ? NETWORK_RIGHTS : MEMBER_RIGHTS)))
  )
  const signature = sign(null, toBeSigned, signingKey)
  return new X509Certificate(sequence(toBeSigned, ED25519, bits(signature))).toString()
}

/** It signs members, who sign nobody. */
const NETWORK_RIGHTS = [
  critical('2.5.29.19', sequence(truth(), integer(Uint8Array.of(0)))),
  critical('2.5.29.15', bits(Uint8Array.of(0b0000_0100), 2))
]
const MEMBER_RIGHTS = [critical('2.5.29.19', sequence()), critical('2.5.29.15', bits(Uint8Array.of(0b1000_0000), 7))]

/** What every reader has to understand, or refuse the certificate. */
function critical(id: string, value: Uint8Array): Buffer {
  return sequence(oid(id), truth(), octets(value))
}

function nameOf(commonName: string): Buffer {
  return sequence(setOf(sequence(oid('2.5.4.3'), utf8(commonName))))
}
