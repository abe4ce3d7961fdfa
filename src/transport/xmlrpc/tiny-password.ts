/** How TinyP2P shows that it knows the password: HMAC-MD5 over the URL of the server, as the client has typed it (WIRE W22). */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { PeerUrl } from '../../streams/ports.js'

/** MD5 in hex. */
const PROOF_CHARS = 32

export function tinyProof(password: string, url: PeerUrl): string {
  return createHmac('md5', password).update(url).digest('hex')
}

/** Whether somebody knows the password, for one of our spellings; as long whatever he says, and for whichever. */
export function isProof(given: unknown, password: string, spellings: readonly PeerUrl[]): boolean {
  const theirs = Buffer.alloc(PROOF_CHARS)
  if (typeof given === 'string') theirs.write(given, 'latin1')
  let right = false
  for (const url of spellings) right = timingSafeEqual(theirs, Buffer.from(tinyProof(password, url))) || right
  return right && typeof given === 'string' && given.length === PROOF_CHARS
}
