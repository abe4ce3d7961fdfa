/** The one server on the one port: limits, guard and routing. What is answered is decided elsewhere. */
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Member } from '../tls/member.js'
import type { DataHandler } from './files.js'
import type { HttpLimits } from './limits.js'
import { createLines, type Turn } from './lines.js'
import { isDataPath } from './paths.js'
import { createPlaces } from './places.js'
import { refuse } from './refuse.js'
import { isFromWebPage, isLoopback } from './web-pages.js'

export interface PeerServerInit {
  readonly host: string
  readonly announcedHost: () => string | undefined
  readonly limits: HttpLimits
  readonly data: DataHandler
  /** Serves members of a private network alone. */
  readonly member: Member | undefined
  /** One handler for each path that takes calls. */
  readonly calls: ReadonlyMap<string, (request: IncomingMessage, response: ServerResponse) => Promise<void>>
}

export interface PeerServer {
  /** Not listening yet. */
  readonly server: Server
  /** Stops listening and breaks every connection, those included whose handshake has not ended. */
  readonly end: () => void
}

export function createPeerServer(init: PeerServerInit): PeerServer {
  const { host, limits, member } = init
  const options = {
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: Math.max(limits.requestTimeoutMs, limits.headersTimeoutMs),
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    maxHeaderSize: limits.maxHeaderBytes,
    // Time-outs are only noticed when connections are looked through; Node's 30 s would be longer than the time-outs.
    connectionsCheckingInterval: Math.ceil(limits.headersTimeoutMs / 4)
  }
  const server =
    member === undefined ? createServer(options) : createMembersServer(member, options, limits.headersTimeoutMs)
  // One more than allowed: whoever comes last may be worth more than who has been silent longest.
  server.maxConnections = limits.maxConnections + 1
  server.maxRequestsPerSocket = limits.maxRequestsPerSocket
  // One more than allowed, since Node drops what is above without a word, and `Origin` might be in it.
  server.maxHeadersCount = limits.maxHeaders + 1
  const places = createPlaces(limits)
  server.on('connection', places.take)
  if (member !== undefined) {
    // Before HTTP hears of the connection.
    server.prependListener('secureConnection', (socket: TLSSocket) => {
      if (member.admit(socket) === undefined) socket.destroy()
    })
    // Whoever failed the handshake is told nothing.
    server.prependListener('tlsClientError', (_error: Error, socket: TLSSocket) => socket.destroy())
  }
  server.on('clientError', answerBadRequest)
  const lines = createLines()
  const routes: Routes = { ...init, boundToLoopback: isLoopback(host) }
  server.on('request', (request, response) => {
    // A reset is the caller's affair; whoever reads or writes hears of it there.
    request.on('error', ignore)
    response.on('error', ignore)
    if (!places.use(request, response)) return
    route(request, response, lines(request, response), routes).catch(() => refuse(response, 500, {}, true))
  })
  return {
    server,
    end() {
      server.close()
      places.endAll()
    }
  }
}

/** Shows what follows from the secret of the network as it is at each moment. */
function createMembersServer(member: Member, options: ServerOptions, handshakeTimeout: number): TlsServer {
  const server = createTlsServer({ ...options, ...member.serverOptions, noDelay: true, handshakeTimeout })
  server.once(
    'close',
    member.onChange(() => server.setSecureContext(member.serverOptions))
  )
  return server
}

function ignore(): void {}

type Routes = PeerServerInit & { readonly boundToLoopback: boolean }

async function route(request: IncomingMessage, response: ServerResponse, turn: Turn, routes: Routes): Promise<void> {
  const { method = '', url = '' } = request
  const { limits, boundToLoopback, announcedHost, calls, data } = routes
  if (request.rawHeaders.length / 2 > limits.maxHeaders) {
    refuse(response, 431, {}, true)
    return
  }
  if (isFromWebPage(request, { boundToLoopback, announcedHost: announcedHost() })) {
    refuse(response, 403, {}, true)
    return
  }
  if (isDataPath(url)) {
    if (method !== 'GET' && method !== 'HEAD') {
      refuse(response, 405, { Allow: 'GET, HEAD' }, true)
      return
    }
    await data.serve(request, response, turn)
    return
  }
  const call = calls.get(url)
  if (call === undefined) {
    refuse(response, 404, {}, method !== 'GET')
    return
  }
  if (method !== 'POST') {
    refuse(response, 405, { Allow: 'POST' }, true)
    return
  }
  // No caller of ours sends a call before the last one is answered; whoever does has its bodies left unread.
  const first = turn.first()
  if (first === undefined || (await first)) await call(request, response)
}

const STATUS_OF: Partial<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large'
}

/** There is no request yet, so this speaks HTTP by hand. */
function answerBadRequest(error: NodeJS.ErrnoException, socket: NodeJS.WritableStream & Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const status = STATUS_OF[error.code ?? ''] ?? '400 Bad Request'
  // Not into the middle of an answer that is on its way.
  if (socket.bytesWritten > 0) socket.destroy()
  else socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy())
}
