/** Private peers for these tests, outsiders, and a line that can be listened in on. */
import { createPublicKey } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { onTestFinished } from 'vitest'
import type { PeerOptions } from '../../src/index.js'
import { createCertificate } from '../../src/transport/tls/certificate.js'
import { newPeerKey, readPeerKey } from '../../src/transport/tls/identity.js'
import { networkCa } from '../../src/transport/tls/network-ca.js'
import { type StartedPeer, start } from '../peer/network.js'

export const SECRET = Buffer.from('0f1e2d3c4b5a69788796a5b4c3d2e1f0', 'hex')
export const OTHER_SECRET = Buffer.alloc(32, 7)

export type Files = Record<string, string | Uint8Array>

/** A member of the network of these tests. */
export function member(files: Files = {}, options: Partial<PeerOptions> = {}): Promise<StartedPeer> {
  return start(files, { network: { secret: SECRET }, ...options })
}

/** What somebody shows in a handshake. */
export interface Credentials {
  readonly cert: string
  readonly key: string
}

/** As a member makes them, for the network of this secret. */
export function credentials(secret: Uint8Array, { key = newPeerKey(), notAfter }: Made = {}): Credentials {
  const publicKey = createPublicKey(readPeerKey(key))
  const signingKey = networkCa(secret).key
  const validity = notAfter === undefined ? {} : { notAfter }
  return { key, cert: createCertificate({ kind: 'member', publicKey, signingKey, ...validity }) }
}

interface Made {
  readonly key?: string
  readonly notAfter?: Date
}

/** Signed by nobody but itself. */
export function selfMade(): Credentials {
  const key = newPeerKey()
  const signingKey = readPeerKey(key)
  return { key, cert: createCertificate({ kind: 'member', publicKey: createPublicKey(key), signingKey }) }
}

/** Somebody who takes every server for what it is, and shows what he likes. */
export function outsider(url: string, options: ConnectionOptions): TLSSocket {
  const { hostname, port } = new URL(url)
  const socket = connectTls({ host: hostname, port: Number(port), rejectUnauthorized: false, ...options })
  socket.on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  return socket
}

export interface Line {
  readonly url: string
  /** All that went to and fro. */
  readonly bytes: () => Buffer
  /** From now on it leads there. */
  readonly leadTo: (url: string) => void
}

/** A line to a peer on which every byte is written down. */
export async function recorded(target: string): Promise<Line> {
  let port = Number(new URL(target).port)
  const chunks: Buffer[] = []
  const open = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const [one, other] of [
      [near, far],
      [far, near]
    ] as const) {
      open.add(one)
      one.on('data', (chunk: Buffer) => chunks.push(chunk))
      one.pipe(other)
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    for (const socket of open) socket.destroy()
  })
  return {
    url: `${new URL(target).protocol}//127.0.0.1:${(server.address() as AddressInfo).port}`,
    bytes: () => Buffer.concat(chunks),
    leadTo: (url) => {
      port = Number(new URL(url).port)
      for (const socket of open) socket.destroy()
    }
  }
}
