/** The other end of the control socket: orders as cold Observables, whose failures are values. */
import { request } from 'node:http'
import { StringDecoder } from 'node:string_decoder'
import { Observable } from 'rxjs'
import type {
  FetchOptions,
  FolderProgress,
  Handed,
  KnownPeer,
  Offer,
  PeerEvent,
  Progress,
  Rates,
  SharedFile
} from '../index.js'
import { failure, isFailure } from './failure.js'
import type { Done, Dropped, Failure, FindBody, FindLine, RatesChange, Status } from './messages.js'
import { reachable } from './socket.js'

/** The longest line is a progress with all its holders, or one that failed to fetch a large folder. */
const MAX_LINE_CHARS = 16 * 1024 * 1024

/** Each subscription is one request, and unsubscribing closes it, which stops the work at the other end. */
export interface ControlClient {
  readonly status: () => Observable<Status | Failure>
  readonly peers: () => Observable<KnownPeer | Failure>
  readonly files: () => Observable<SharedFile | Failure>
  readonly fetch: (name: string, options?: FetchOptions) => Observable<Progress | Failure>
  readonly fetchAll: (pattern: string, options?: FetchOptions) => Observable<FolderProgress | Failure>
  readonly query: (name: string) => Observable<Offer | Failure>
  readonly find: (body: FindBody) => Observable<FindLine | Failure>
  readonly changeRates: (change: RatesChange) => Observable<Rates | Failure>
  readonly rotate: () => Observable<Handed | Failure>
  readonly events: () => Observable<PeerEvent | Dropped | Failure>
}

export function createControlClient(socketPath: string): ControlClient {
  const get = <T extends object>(path: string, shape: Shape) => ask<T>(socketPath, { method: 'GET', path, shape })
  const post = <T extends object>(path: string, body: object, shape: Shape) =>
    ask<T>(socketPath, { method: 'POST', path, body, shape })
  return {
    status: () => get('/v1/status', 'one'),
    peers: () => get('/v1/peers', 'lines'),
    files: () => get('/v1/files', 'lines'),
    events: () => get('/v1/events', 'lines'),
    fetch: (name, options) => post('/v1/fetch', { name, ...options }, 'lines'),
    fetchAll: (pattern, options) => post('/v1/fetch-all', { pattern, ...options }, 'lines'),
    query: (name) => post('/v1/query', { name }, 'lines'),
    find: (body) => post('/v1/find', body, 'lines'),
    rotate: () => post('/v1/network/rotate', {}, 'lines'),
    changeRates: (change) => post('/v1/rates', change, 'one')
  }
}

/** One object, or lines of which the last says how it ended. */
type Shape = 'one' | 'lines'

interface Asked {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: object
  readonly shape: Shape
}

function ask<T extends object>(socketPath: string, { method, path, body, shape }: Asked): Observable<T | Failure> {
  return new Observable((subscriber) => {
    const given = new AbortController()
    let ended = false
    const end = (last?: Failure) => {
      if (ended) return
      ended = true
      if (last !== undefined) subscriber.next(last)
      subscriber.complete()
    }
    const heard = (line: string) => {
      if (ended) return
      const value = JSON.parse(line) as T | Failure | Done
      if (isFailure(value)) end(value)
      else if (isDone(value)) end()
      else {
        subscriber.next(value)
        if (shape === 'one') end()
      }
    }
    const open = async () => {
      const target = await reachable(socketPath)
      if (given.signal.aborted) return
      if (target === undefined) {
        end(gone(`${socketPath} leads nowhere`))
        return
      }
      const { signal } = given
      const headers = { Host: 'localhost', ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) }
      const call = request({ socketPath: target, method, path, headers, agent: false, signal }, (response) => {
        const decoder = new StringDecoder('utf8')
        let rest = ''
        response.on('data', (chunk: Buffer) => {
          const lines = (rest + decoder.write(chunk)).split('\n')
          rest = lines.pop() ?? ''
          try {
            for (const line of lines) if (line !== '') heard(line)
          } catch {
            end(failure('OTHER', 'The running peer answers what nobody understands', SAME_VERSION))
          }
          if (rest.length > MAX_LINE_CHARS) end(failure('OTHER', 'The running peer answers without end', SAME_VERSION))
        })
        response.on('error', () => undefined)
        response.on('close', () => end(gone('The running peer has gone')))
      })
      call.on('error', ({ code, message }: NodeJS.ErrnoException) =>
        end(
          code === 'EACCES'
            ? failure('DENIED', "That peer is somebody else's", NAME_ONE)
            : gone(`The running peer does not answer (${code ?? message})`)
        )
      )
      call.end(body === undefined ? undefined : JSON.stringify(body))
    }
    open().catch((error: unknown) => subscriber.error(error))
    return () => given.abort()
  })
}

const isDone = (value: object): value is Done => 'type' in value && value.type === 'done'

const SAME_VERSION = 'Check that both are the same version of p2p-rx.'
const NAME_ONE = 'Name a peer with --peer URL.'
const gone = (message: string) =>
  failure('NETWORK', message, 'Start it again, then run the same command again to go on.')
