/** The book's first program (Listing 27-1): `[1, content]` or `[2, '']`, and no faults. */
import type { PeerUrl } from '../../streams/ports.js'
import type { Wording } from './foreign.js'

/** The path under which we speak it. */
export const SIMPLE_PATH = '/simple'

const OK = 1
const FAIL = 2

/** A pair that tells of a miss; the one answer for which such a neighbour keeps us (WIRE W12). */
export const MISSED_PAIR = [FAIL, '']

export const SIMPLE: Wording = {
  dialect: 'simple',
  greeted: OK,
  fetched: OK,
  missed: () => MISSED_PAIR,
  denied: () => MISSED_PAIR,
  fetchMissed: () => FAIL,
  fetchDenied: () => FAIL,
  fetchFailed: () => FAIL
}

/** The spelling of our URL for those who speak it: posting there, they are understood. */
export function simpleSpelling(url: PeerUrl): PeerUrl {
  return url.replace(/\/$/, '') + SIMPLE_PATH
}
