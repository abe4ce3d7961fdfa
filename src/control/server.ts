/** The local control server: other commands of the same user order from a peer that runs, over a socket in its state folder. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import {
  catchError,
  firstValueFrom,
  map,
  type Observable,
  of,
  Subject,
  switchMap,
  takeUntil,
  throwError,
  timeout,
  toArray
} from 'rxjs'
import type { GenericSchema } from 'valibot'
import type { Handed } from '../index.js'
import { readBody } from './body.js'
import { failure, failureOf, isFailure } from './failure.js'
import { findLines } from './find-lines.js'
import type { Ledger } from './ledger.js'
import {
  type Done,
  type Failure,
  FETCH_ALL_BODY,
  FETCH_BODY,
  FIND_BODY,
  QUERY_BODY,
  RATES_BODY,
  type Status
} from './messages.js'
import { pour } from './pour.js'
import { letGoOf, listenOn } from './socket.js'

/** Commands that wait at a time: each is a terminal of one user, or a script of theirs. */
const MAX_CONNECTIONS = 64
/** A request is some hundred bytes from the same machine. */
const REQUEST_TIMEOUT_MS = 10_000
const MAX_HEADER_BYTES = 8 * 1024
/** How long `status` waits for a folder that is being read for the first time. */
const COUNT_TIMEOUT_MS = 500
/** For those who read to see the last line; whoever does not is cut off then. */
const FAREWELL_MS = 500

export interface ControlInit {
  /** The peer, and what was ordered from it. */
  readonly ledger: Ledger
  readonly socketPath: string
  /** The shared folder, for `status`. */
  readonly dir: string
  /** Of p2p-rx, for those who ask with another. */
  readonly version: string
  /** Whether peers on the local network are looked for. Default: no. */
  readonly nearby?: boolean
  /** What the peer has found to be wrong. */
  readonly problems?: () => readonly string[]
  /** The private network the peer is in; absent in the open. */
  readonly network?: ControlledNetwork | undefined
}

/** What commands may know and order of a private network. */
export interface ControlledNetwork {
  /** Once the peer listens. */
  readonly about: () => NonNullable<Status['network']>
  /** Makes a new secret and hands it to the members; emits what became of it for each. */
  readonly rotate: () => Observable<Handed>
}

export interface Control {
  /** Resolves once commands can reach us, or with why they cannot: STATE_IN_USE or FOLDER. */
  readonly listen: () => Promise<Failure | undefined>
  /** Tells those who wait that it is over, and stops what they ordered. */
  readonly close: () => Promise<void>
}

type Route = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

export function createControl({
  ledger,
  socketPath,
  dir,
  version,
  nearby = false,
  problems = () => [],
  network
}: ControlInit): Control {
  const { peer } = ledger
  const closing$ = new Subject<void>()

  /** Fails when the peer stops: a mere end would look like success. */
  const untilClosed = <T>(work$: Observable<T>): Observable<T> =>
    work$.pipe(takeUntil(closing$.pipe(switchMap(() => throwError(() => stopped())))))

  const list = async (response: ServerResponse, list$: Observable<readonly object[]>): Promise<void> => {
    const items = await firstValueFrom(untilClosed(list$), { defaultValue: [] })
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson' })
    await pipeline(Readable.from(linesOf(items)), response)
  }

  /** A route for an order: its body is checked first. */
  const ordered =
    <T extends object>(schema: GenericSchema<unknown, T>, order: (body: T, response: ServerResponse) => void): Route =>
    async (request, response) => {
      const body = await readBody(request, schema)
      if (isFailure(body)) reply(response, 400, body)
      else order(body, response)
    }

  const status = async (): Promise<Status> => {
    const known = await firstValueFrom(peer.peers$, { defaultValue: [] })
    const count$ = peer.shared$.pipe(
      map((files) => ({ files: files.length, hashed: files.filter(({ root }) => root !== undefined).length })),
      timeout({ first: COUNT_TIMEOUT_MS }),
      catchError(() => of({}))
    )
    return {
      v: 1,
      pid: process.pid,
      version,
      url: await peer.ready(),
      dir,
      ...(network === undefined ? {} : { network: network.about() }),
      nearby,
      peers: { up: known.filter(({ state }) => state === 'up').length, known: known.length },
      ...(await firstValueFrom(count$, { defaultValue: {} })),
      problems: problems(),
      transfers: ledger.transfers(),
      rates: ledger.rates()
    }
  }

  const routes: Readonly<Record<string, Readonly<Record<string, Route>>>> = {
    '/v1/status': { GET: async (_, response) => reply(response, 200, await status()) },
    '/v1/peers': { GET: (_, response) => list(response, peer.peers$) },
    '/v1/files': { GET: (_, response) => list(response, peer.shared$) },
    // To its end, whoever waits for it: half of the members with another secret would be two networks.
    '/v1/network/rotate': {
      POST: (_, response) => list(response, (network ?? OPEN).rotate().pipe(toArray()))
    },
    '/v1/events': { GET: (_, response) => pour(response, untilClosed(peer.event$), 'drop') },
    '/v1/fetch': {
      POST: ordered(FETCH_BODY, ({ name, ...options }, response) =>
        pour(response, untilClosed(peer.fetch(name, options)), 'keep-newest')
      )
    },
    '/v1/fetch-all': {
      POST: ordered(FETCH_ALL_BODY, ({ pattern, ...options }, response) =>
        pour(response, untilClosed(peer.fetchAll(pattern, options)), 'keep-newest')
      )
    },
    '/v1/query': {
      POST: ordered(QUERY_BODY, ({ name }, response) => pour(response, untilClosed(peer.query(name)), 'keep-all'))
    },
    '/v1/find': {
      POST: ordered(FIND_BODY, (body, response) => pour(response, untilClosed(findLines(peer, body)), 'keep-all'))
    },
    '/v1/rates': {
      POST: ordered(RATES_BODY, (change, response) => reply(response, 200, ledger.changeRates(change)))
    }
  }

  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS, maxHeaderSize: MAX_HEADER_BYTES },
    (request, response) => {
      // Whoever has left is no failure of ours.
      request.on('error', () => undefined)
      response.on('error', () => undefined)
      const route = routeOf(request, routes)
      if (isFailure(route)) {
        reply(response, STATUS_CODES[route.code] ?? 400, route)
        return
      }
      Promise.resolve(route(request, response)).catch((error: unknown) => {
        if (response.headersSent) response.destroy()
        else reply(response, 500, failureOf(error))
      })
    }
  )
  server.maxConnections = MAX_CONNECTIONS

  let listening = false
  return {
    listen: async () => {
      const failed = await listenOn(server, socketPath)
      listening = failed === undefined
      return failed
    },
    close: async () => {
      closing$.next()
      if (!listening) return
      listening = false
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      const cutOff = setTimeout(() => server.closeAllConnections(), FAREWELL_MS)
      await Promise.all([closed, letGoOf(socketPath)])
      clearTimeout(cutOff)
    }
  }
}

const STATUS_CODES: Partial<Record<string, number>> = { DENIED: 403, NOT_FOUND: 404, BAD_CALL: 405 }

/** No web page can open a socket file; one that found a way, by a proxy say, would still send these. */
function routeOf(
  { method = '', url = '', headers }: IncomingMessage,
  routes: Readonly<Record<string, Readonly<Record<string, Route>>>>
): Route | Failure {
  if (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined)
    return failure('DENIED', 'Web pages may not control a peer', 'Use the command line.')
  const path = Object.hasOwn(routes, url) ? routes[url] : undefined
  if (path === undefined) return failure('NOT_FOUND', 'There is nothing at this address', 'See docs/protocol.md.')
  const route = Object.hasOwn(path, method) ? path[method] : undefined
  return route ?? failure('BAD_CALL', `Say ${Object.keys(path).join(' or ')} here`, 'See docs/protocol.md.')
}

function reply(response: ServerResponse, status: number, value: object): void {
  // A refused body was not read to its end: the next request would begin in the middle of it.
  if (status !== 200) response.setHeader('Connection', 'close')
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(`${JSON.stringify(value)}\n`)
}

function* linesOf(items: readonly object[]): Generator<string> {
  for (const item of items) yield `${JSON.stringify(item)}\n`
  yield `${JSON.stringify({ type: 'done' } satisfies Done)}\n`
}

const OPEN: Pick<ControlledNetwork, 'rotate'> = {
  rotate: () =>
    throwError(() =>
      Object.assign(new Error('This peer is in no private network'), {
        code: 'USAGE',
        advice: 'Start one without --open.'
      })
    )
}

const stopped = () =>
  Object.assign(new Error('The peer was stopped'), {
    code: 'CLOSED',
    advice: 'Start it again, and run the same command again to go on.'
  })
