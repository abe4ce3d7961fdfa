/** Who a peer is: an Ed25519 key of its own, and the id that follows from it. Pure. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  type X509Certificate
} from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { P2pError } from '../../errors.js'

/** SHA-256 of a peer's public key (its SubjectPublicKeyInfo), 64 lower-case hex digits. */
export type PeerId = string

const PEER_ID = /^[0-9a-f]{64}$/

export function isPeerId(text: string): boolean {
  return PEER_ID.test(text)
}

/** A new key, as PEM text. */
export function newPeerKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
}

/** Errors with USAGE when the text is no key of ours. */
export function readPeerKey(pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {
    // The reason could show a part of the key.
  }
  throw new P2pError('USAGE', 'That is not the key of a peer', { advice: 'Restore it, or remove it for a new one.' })
}

/** The id of whoever has this key, whether its public or its private half is given. */
export function peerIdOf(key: KeyObject): PeerId {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')
}

/** Who is at the other end of a connection, and by what. */
interface Shown {
  readonly id: PeerId
  readonly certificate: X509Certificate
}

/** Each connection is looked at once: at a client Node has no certificate the second time. */
const shown = new WeakMap<object, Shown>()

/** Who is at the other end of a connection whose handshake has ended; nothing where there is no certificate. */
export function peerIdAt(socket: TLSSocket): PeerId | undefined {
  return shownAt(socket)?.id
}

/** Whether the certificate at the other end is signed by this authority. */
export function isSignedBy(socket: TLSSocket, authority: KeyObject): boolean {
  return shownAt(socket)?.certificate.verify(authority) === true
}

function shownAt(socket: TLSSocket): Shown | undefined {
  const known = shown.get(socket)
  if (known !== undefined) return known
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return undefined
  const made = { id: peerIdOf(certificate.publicKey), certificate }
  shown.set(socket, made)
  return made
}
