/** The secret of a network that is known by a password. Whoever guesses the password has it, and guessing needs no network. */
import { scrypt } from 'node:crypto'
import { P2pError } from '../../errors.js'

/** Half a second and 128 MiB for each guess. */
const COST = { N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 1024 * 1024 }
const SECRET_BYTES = 32
/** Four words, or twelve characters drawn by lot. Fewer are found in a list. */
export const MIN_PASSWORD_CHARS = 12
/** A page of text; longer is a file given by mistake. */
const MAX_PASSWORD_CHARS = 1_024

/**
 * The same for everybody who says the same two words: nobody has to be asked, and nobody can be kept from guessing.
 * Errors with USAGE for a password that is too short.
 */
export async function passwordSecret(network: string, password: string): Promise<Uint8Array> {
  // The same characters may be typed in two ways.
  const text = password.normalize('NFC')
  if (text.length < MIN_PASSWORD_CHARS || text.length > MAX_PASSWORD_CHARS)
    throw new P2pError('USAGE', `A password has ${MIN_PASSWORD_CHARS} to ${MAX_PASSWORD_CHARS} characters`, {
      advice: 'Take four random words or more, or leave it out: a secret that p2p-rx draws cannot be guessed.'
    })
  return new Promise((resolve, reject) => {
    scrypt(text, `p2p-rx network password v1 ${network}`, SECRET_BYTES, COST, (error, secret) => {
      if (error === null) resolve(new Uint8Array(secret))
      else reject(error)
    })
  })
}
