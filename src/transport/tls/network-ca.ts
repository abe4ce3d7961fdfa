/** What follows from the secret of a network: its certificate authority, and keys for other purposes. Pure. */
import { createPrivateKey, createPublicKey, hkdfSync, type KeyObject } from 'node:crypto'
import { P2pError } from '../../errors.js'
import { createCertificate } from './certificate.js'

/** 128 bits: fewer can be guessed. */
const MIN_SECRET_BYTES = 16
/** As long as what it is hashed to; more would not be harder to guess. */
const MAX_SECRET_BYTES = 64

/** PKCS #8 before the 32 bytes of an Ed25519 key (RFC 8410). */
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex')

export interface NetworkCa {
  /** PEM, byte for byte the same at every member. */
  readonly certificate: string
  /** Whoever has it can make members, and whoever has the secret has it. */
  readonly key: KeyObject
}

/** The authority of the network with this secret: every member is one, so nobody has to be asked. */
export function networkCa(secret: Uint8Array): NetworkCa {
  const seed = derive(secret, 'network CA v1', 32)
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: 'der', type: 'pkcs8' })
  const publicKey = createPublicKey(key)
  return { certificate: createCertificate({ kind: 'network', publicKey, signingKey: key }), key }
}

/**
 * A key for one purpose, which tells nothing of the secret or of other keys: HKDF with SHA-256 (RFC 5869).
 * Errors with USAGE when the secret is too short to be one.
 */
export function derive(secret: Uint8Array, purpose: string, bytes: number): Buffer {
  checkSecret(secret)
  return Buffer.from(hkdfSync('sha256', secret, '', `p2p-rx ${purpose}`, bytes))
}

/** Errors with USAGE when it is too short or too long to be the secret of a network. */
export function checkSecret(secret: Uint8Array): void {
  if (secret.length >= MIN_SECRET_BYTES && secret.length <= MAX_SECRET_BYTES) return
  throw new P2pError('USAGE', `The secret of a network has ${MIN_SECRET_BYTES} to ${MAX_SECRET_BYTES} bytes`)
}
