/** Finds out what a neighbour speaks, and introduces us in its own tongue. */
import type { Dialect, PeerUrl } from '../../streams/ports.js'
import { CallFailed } from '../http/failure.js'
import { call, type Line } from './call.js'
import { ACCESS_DENIED, UNHANDLED } from './foreign.js'
import { greet, type Met, type Self } from './p2prx.js'
import { simpleSpelling } from './simple.js'

/**
 * A history as long as it may be: a foreign peer looks for the file (there is none without a name) and must not ask
 * anybody else. So the question does nothing but show how it says no.
 */
const FULL_HISTORY = Array.from({ length: 6 }, () => 'x')

/** What a neighbour speaks, and who it is, if it says so. */
export type Learnt = { readonly dialect: Dialect } & Partial<Met>

/**
 * Three calls at most: our own greeting, which Python peers refuse; a question whose refusal tells the two kinds
 * apart; a greeting they understand. `addresses` are ours, none for a visitor, who is not introduced.
 * Rejects with CallFailed. The line must not keep connections: it may lead to a Python peer.
 */
export async function learn(line: Line, addresses: readonly PeerUrl[], self: Self): Promise<Learnt> {
  try {
    const contact = await greet(line, addresses, self)
    if (contact !== undefined) return { dialect: 'p2prx', ...contact }
  } catch (error) {
    // Some XML-RPC servers answer an unknown method with 404; whether this is one, the next call shows.
    if (!(error instanceof CallFailed) || error.reason !== 'not-a-peer') throw error
  }
  const dialect = await probe(line)
  // A foreign neighbour knows us under one address: a second would be another peer to it (WIRE W9).
  const [us] = addresses
  if (us === undefined) return { dialect }
  const greeting = await call(line, 'hello', [spelling(us, dialect)])
  if (greeting.type === 'fault') throw new CallFailed('not-a-peer', `it does not take our greeting`)
  return { dialect }
}

async function probe(line: Line): Promise<'book' | 'simple'> {
  const answer = await call(line, 'query', ['', FULL_HISTORY])
  if (answer.type === 'fault') {
    if (answer.code === UNHANDLED || answer.code === ACCESS_DENIED) return 'book'
  } else if (Array.isArray(answer.value) && answer.value.length === 2 && answer.value[0] === 2) return 'simple'
  throw new CallFailed('not-a-peer', 'it does not know the methods of a peer')
}

/** The spelling of our URL under which a neighbour of this kind should know us. */
function spelling(us: PeerUrl, dialect: Dialect): PeerUrl {
  return dialect === 'simple' ? simpleSpelling(us) : us
}

/** The history for a neighbour of this kind: our own entry, the last one, in the spelling under which it knows us. */
export function respelled(history: readonly PeerUrl[], us: PeerUrl | undefined, dialect: Dialect): readonly PeerUrl[] {
  const last = history.at(-1)
  if (us === undefined || (last !== us && last !== simpleSpelling(us))) return history
  return [...history.slice(0, -1), spelling(us, dialect)]
}
