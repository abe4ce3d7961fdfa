/** A peer as its contract has it, whose orders a test plays by hand, and a control server for it on a real socket. */
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EMPTY, finalize, NEVER, Observable, of, Subject } from 'rxjs'
import { onTestFinished } from 'vitest'
import { createLedger } from '../../src/control/ledger.js'
import { createControl } from '../../src/control/server.js'
import { SOCKET_NAME } from '../../src/control/socket.js'
import type {
  FetchOptions,
  FindNews,
  FindOptions,
  FolderProgress,
  FoundFile,
  Peer,
  PeerEvent,
  Progress,
  Rates
} from '../../src/index.js'

export interface FakePeer {
  readonly peer: Peer
  /** What was ordered and what became of it, in order. */
  readonly log: unknown[]
  readonly progress$: Subject<Progress>
  readonly folder$: Subject<FolderProgress>
  readonly found$: Subject<FoundFile>
  readonly news$: Subject<FindNews>
  readonly event$: Subject<PeerEvent>
}

export const FILES = [
  { name: 'a.txt', size: 1, modifiedMs: 0 },
  { name: 'b b.txt', size: 2, modifiedMs: 0 }
]
const KNOWN = [
  { url: 'http://ann:1', state: 'up' as const, failures: 0 },
  { url: 'http://bob:1', state: 'failing' as const, failures: 3, reason: 'refused' as const }
]

export function fakePeer({ shared$ = of(FILES) } = {}): FakePeer {
  const log: unknown[] = []
  const progress$ = new Subject<Progress>()
  const folder$ = new Subject<FolderProgress>()
  const found$ = new Subject<FoundFile>()
  const news$ = new Subject<FindNews>()
  const event$ = new Subject<PeerEvent>()
  const logged = <T>(
    what: string,
    name: unknown,
    options: FetchOptions | FindOptions | undefined,
    work$: Observable<T>
  ) =>
    new Observable<T>((subscriber) => {
      log.push([what, name, options])
      return work$.pipe(finalize(() => log.push([`${what} over`, name]))).subscribe(subscriber)
    })
  const peer: Peer = {
    event$,
    peers$: of(KNOWN),
    shared$,
    id: undefined,
    addresses: () => ['http://me:1'],
    setRefused: () => undefined,
    forgetId: () => undefined,
    setSecret: () => undefined,
    handSecret: () => EMPTY,
    ready: () => Promise.resolve('http://me:1'),
    close: () => Promise.resolve(),
    destroy: () => Promise.resolve(),
    hello: () => NEVER,
    query: (name) => logged('query', name, undefined, of({ name, size: 1, holders: ['http://ann:1'] })),
    list: () => NEVER,
    find: (pattern, options) => logged('find', pattern, options, found$),
    trace: (pattern, options) => logged('trace', pattern, options, news$),
    watch: () => NEVER,
    fetch: (name, options) => logged('fetch', name, options, progress$),
    fetchAll: (pattern, options) => logged('fetch-all', pattern, options, folder$),
    setRates: (rates: Rates) => log.push(['rates', rates])
  }
  return { peer, log, progress$, folder$, found$, news$, event$ }
}

export async function testFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'p2p-rx-control-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** The fake peer behind a control server that listens. */
export async function controlled(given: FakePeer = fakePeer()) {
  const stateDir = await testFolder()
  const socketPath = join(stateDir, SOCKET_NAME)
  const control = createControl({
    ledger: createLedger(given.peer),
    socketPath,
    dir: '/home/me/files',
    version: '1.2.3'
  })
  onTestFinished(() => control.close())
  const failed = await control.listen()
  if (failed !== undefined) throw new Error(failed.message)
  return { ...given, stateDir, socketPath, control }
}

export interface Answer {
  readonly status: number
  readonly text: string
}

/** One raw request over the socket. */
export function call(
  socketPath: string,
  { method = 'GET', path = '/v1/status', headers = {}, body }: Partial<Call> = {}
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path, headers, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (text += chunk))
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

interface Call {
  readonly method: string
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: string
}

export function progressOf(name: string, bytes: number, more: Partial<Progress> = {}): Progress {
  return {
    name,
    bytes,
    total: 100,
    bytesPerSecond: 50,
    holders: ['http://ann:1'],
    rates: [],
    state: 'running',
    ...more
  }
}
