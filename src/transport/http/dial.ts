/** Opens one connection, in time or not at all. */
import type { Socket } from 'node:net'
import type { Address, Carrier } from './carrier.js'
import { CallFailed, failureOf } from './failure.js'

export interface DialInit {
  readonly open: Carrier['open']
  readonly address: Address
  /** Until it may be used, handshake included. */
  readonly connectTimeoutMs: number
  /** Closes it while it is being opened. */
  readonly signal: AbortSignal
}

/** A connection on which may be sent. Rejects with {@link CallFailed}. */
export function dial({ open, address, connectTimeoutMs, signal }: DialInit): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) throw new CallFailed('reset', 'taken back')
    const giveUp = () => socket.destroy(new CallFailed('reset', 'taken back'))
    const late = () => socket.destroy(new CallFailed('timed-out', `connecting took over ${connectTimeoutMs} ms`))
    const settled = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', giveUp)
    }
    const socket = open(address, () => {
      settled()
      resolve(socket)
    })
    const timer = setTimeout(late, connectTimeoutMs)
    signal.addEventListener('abort', giveUp, { once: true })
    // Stays there: between two owners a broken connection must not end the process.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      settled()
      reject(failureOf(error, false))
    })
    socket.once('close', () => {
      settled()
      reject(new CallFailed('reset', 'the connection was closed'))
    })
  })
}
