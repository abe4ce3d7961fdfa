/** Who is at the other end of a request or an answer. */
import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import { peerIdAt } from '../tls/identity.js'

/** By its certificate, in a private network; in the clear nobody can tell. */
export function callerId({ socket }: Pick<IncomingMessage, 'socket'>): string | undefined {
  return socket instanceof TLSSocket ? peerIdAt(socket) : undefined
}
