/** Peers over real sockets for these tests, and raw ways to talk to them. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { firstValueFrom, identity, lastValueFrom, type Observable, ReplaySubject, toArray } from 'rxjs'
import { onTestFinished } from 'vitest'
import { P2pError } from '../../../src/errors.js'
import type { Cache, Inbound } from '../../../src/streams/ports.js'
import {
  createHttpTransport,
  type HttpTransport,
  type HttpTransportOptions
} from '../../../src/transport/http/transport.js'
import { gathered, inboundWith } from '../../compliance/inbound.js'

export type Peer = HttpTransport & {
  readonly url: string
  readonly end: () => void
  readonly kept: Map<string, Buffer>
}

/** A transport that does not listen: a visitor's. */
export function visitor(options: Partial<HttpTransportOptions> = {}): HttpTransport & { kept: Map<string, Buffer> } {
  const kept = new Map<string, Buffer>()
  const transport = createHttpTransport({
    id: randomUUID(),
    software: { name: 'p2p-rx', version: 'test' },
    cache: cacheIn(kept),
    budget: identity,
    ...options
  })
  return { ...transport, kept }
}

/** A transport that listens until the test ends. */
export async function peer(inbound: Partial<Inbound> = {}, options: Partial<HttpTransportOptions> = {}): Promise<Peer> {
  const transport = visitor(options)
  const url$ = new ReplaySubject<string>(1)
  const subscription = transport.listen(inboundWith(inbound)).subscribe(url$)
  const end = () => subscription.unsubscribe()
  onTestFinished(end)
  return { ...transport, url: await firstValueFrom(url$), end }
}

function cacheIn(kept: Map<string, Buffer>): Cache {
  return {
    async keep(name, bytes) {
      const content = Buffer.from(await gathered(bytes))
      kept.set(name, content)
      return { name, size: content.length, modifiedMs: 0 }
    },
    find: () => undefined,
    findRoot: () => undefined,
    openRoot: (root) => Promise.reject(new P2pError('NOT_FOUND', root)),
    hashes: ({ root }) => Promise.reject(new P2pError('NOT_FOUND', root)),
    open: (name) => Promise.reject(new P2pError('NOT_FOUND', name))
  }
}

/** Everything a stream emits until it completes. */
export const all = <T>(values$: Observable<T>): Promise<T[]> => lastValueFrom(values$.pipe(toArray()))

/** A server that is no p2p-rx peer, closed when the test ends. */
export async function serverWith(listener: RequestListener): Promise<{ server: Server; url: string }> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

/** A bare connection to a peer. */
export async function connectTo(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** Sends bytes as they are and resolves with all that comes back until the peer closes. */
export async function raw(url: string, ...pieces: (string | Buffer)[]): Promise<string> {
  const socket = await connectTo(url)
  for (const piece of pieces) socket.write(piece)
  return await untilClosed(socket)
}

export async function untilClosed(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'close')
  return Buffer.concat(chunks).toString('latin1')
}

/** A POST as Python's xmlrpc.client makes it, and nothing but what that sends. */
export function pythonPost(url: string, path: string, body: string | Buffer, headers: readonly string[] = []): string {
  return [
    `POST ${path} HTTP/1.1`,
    `Host: ${new URL(url).host}`,
    'Accept-Encoding: gzip',
    'User-Agent: Python-xmlrpc/3.11',
    'Content-Type: text/xml',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    ...headers,
    '',
    body.toString()
  ].join('\r\n')
}

/** A port nobody listens on at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Something to wait for until somebody opens it. */
export function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open: () => void = () => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open: () => open() }
}
