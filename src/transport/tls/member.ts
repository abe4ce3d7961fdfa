/** A member of a private network: how it connects, how it is connected to, and whom it does not talk to. */
import { constants, createPublicKey, type KeyObject, timingSafeEqual, X509Certificate } from 'node:crypto'
import {
  type ConnectionOptions,
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  type TLSSocket,
  type TlsOptions
} from 'node:tls'
import { P2pError } from '../../errors.js'
import { createCertificate } from './certificate.js'
import { isPeerId, isSignedBy, type PeerId, peerIdAt, peerIdOf, readPeerKey } from './identity.js'
import { networkCa } from './network-ca.js'

/** Ids that are refused at once; a network that has to refuse more wants a new secret. */
const MAX_REFUSED = 4_096

/** Connections made with a secret that was changed end then: time enough for the answer to whoever changed it. */
const LAST_WORDS_MS = 2_000

export interface MemberInit {
  /** Of the network: whoever has it is a member. */
  readonly secret: Uint8Array
  /** Of this peer alone, PEM. */
  readonly key: string
}

export interface Member {
  readonly id: PeerId
  readonly serverOptions: TlsOptions
  readonly clientOptions: ConnectionOptions
  /**
   * To be asked of every connection whose handshake has ended, before its first byte is used: who is at the other end.
   * Nothing when we do not talk to him; the connection has to be destroyed then.
   */
  readonly admit: (socket: TLSSocket) => PeerId | undefined
  readonly isRefused: (id: PeerId) => boolean
  /** These are refused from now on, in place of those before; their connections end at once. Errors with USAGE. */
  readonly setRefused: (ids: Iterable<PeerId>) => void
  /** Whoever shows membership by an earlier secret is refused from now on; connections that were made by it end soon. */
  readonly setSecret: (secret: Uint8Array) => void
  readonly isSecret: (secret: Uint8Array) => boolean
  /** Called after each change of the secret: `serverOptions` are others then. Gives what ends that. */
  readonly onChange: (changed: () => void) => () => void
}

/** What follows from the secret. */
interface Standing {
  readonly secret: Uint8Array
  readonly credentials: SecureContextOptions
  /** Made once: reading keys and certificates costs more than a handshake. */
  readonly context: SecureContext
  readonly authority: KeyObject
}

function standingOf(secret: Uint8Array, key: string): Standing {
  const { certificate, key: signingKey } = networkCa(secret)
  const credentials: SecureContextOptions = {
    ca: certificate,
    cert: createCertificate({ kind: 'member', publicKey: createPublicKey(readPeerKey(key)), signingKey }),
    key,
    minVersion: 'TLSv1.3',
    // The quickest first where the processor helps with AES, as nearly all do.
    ciphers: 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384',
    ecdhCurve: 'X25519:P-256',
    // A connection that continues an earlier one shows no certificate, and so nobody to compare with.
    secureOptions: constants.SSL_OP_NO_TICKET
  }
  const authority = new X509Certificate(certificate).publicKey
  return { secret, credentials, context: createSecureContext(credentials), authority }
}

export function createMember({ secret, key }: MemberInit): Member {
  let standing = standingOf(secret, key)
  const id = peerIdOf(readPeerKey(key))
  const open = new Set<TLSSocket>()
  const listeners = new Set<() => void>()
  let refused: ReadonlySet<PeerId> = new Set()

  /** A handshake may have begun before the secret was changed. */
  const isOfNow = (socket: TLSSocket) => isSignedBy(socket, standing.authority)

  return {
    id,
    get serverOptions() {
      return { ...standing.credentials, requestCert: true, rejectUnauthorized: true }
    },
    get clientOptions() {
      return {
        secureContext: standing.context,
        rejectUnauthorized: true,
        // Members are known by their keys. Their addresses change, and no certificate could keep up with them.
        checkServerIdentity: () => undefined
      }
    },
    admit(socket) {
      const other = socket.authorized && !socket.isSessionReused() && isOfNow(socket) ? peerIdAt(socket) : undefined
      if (other === undefined || refused.has(other)) return undefined
      open.add(socket)
      socket.once('close', () => open.delete(socket))
      return other
    },
    isRefused: (other) => refused.has(other),
    setRefused(ids) {
      refused = checked(ids)
      for (const socket of open) {
        const other = peerIdAt(socket)
        if (other === undefined || refused.has(other)) socket.destroy()
      }
    },
    isSecret: (other) => other.length === standing.secret.length && timingSafeEqual(other, standing.secret),
    setSecret(changed) {
      standing = standingOf(changed, key)
      for (const listener of listeners) listener()
      const before = [...open]
      setTimeout(() => {
        for (const socket of before) socket.destroy()
      }, LAST_WORDS_MS).unref()
    },
    onChange(changed) {
      listeners.add(changed)
      return () => listeners.delete(changed)
    }
  }
}

/** None of them is left out without a word: whoever is refused has to stay out. */
function checked(ids: Iterable<PeerId>): ReadonlySet<PeerId> {
  const all = new Set(ids)
  for (const id of all)
    if (!isPeerId(id)) throw new P2pError('USAGE', `${JSON.stringify(id.slice(0, 64))} is not the id of a peer`)
  if (all.size <= MAX_REFUSED) return all
  const advice = 'Make a new secret, and hand it to those who stay.'
  throw new P2pError('USAGE', `More than ${MAX_REFUSED} peers are refused`, { advice })
}
