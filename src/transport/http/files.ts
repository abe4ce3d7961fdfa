/** The data plane: `GET` and `HEAD` of files, by name or by root, and of the hashes of their trees. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { asP2pError, type ErrorCode } from '../../errors.js'
import type { HashRequest, Inbound, Source } from '../../streams/ports.js'
import { callerId } from './caller.js'
import type { Throttle } from './data/connection.js'
import { FREE_BYTES, type HttpLimits, MAX_ROOT_WAIT_MS, MAX_ROOT_WAITS } from './limits.js'
import type { Turn } from './lines.js'
import { PASSED_HEADER, PEER_HEADER, QUEUE_HEADER, readTarget } from './paths.js'
import { chooseRange, namesTag, readWait } from './range.js'
import type { RateLimits } from './rates.js'
import { refuse } from './refuse.js'
import { createLender, type Loan, sendBytes } from './send-bytes.js'
import { type Admission, type Downloader, nameOfPeer, type SlotLimits, UploadSlots } from './slots.js'

const HASH_BYTES = 32

/** What the data plane serves from. */
type Holdings = Pick<Inbound, 'open' | 'openRoot' | 'hashes' | 'rootOf'>

/** Nobody may take a shared page for a page of this peer: it is saved, not shown, and if shown, without rights. */
const HARMLESS = {
  'Content-Type': 'application/octet-stream',
  'X-Content-Type-Options': 'nosniff',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Content-Disposition': 'attachment',
  'Content-Security-Policy': "default-src 'none'; sandbox"
}

const HIDDEN: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['NOT_FOUND', 'BAD_NAME', 'DENIED', 'FOLDER'])

export interface DataHandler {
  readonly serve: (request: IncomingMessage, response: ServerResponse, turn: Turn) => Promise<void>
  /** Nobody is served any more. */
  readonly close: () => void
}

export interface DataHandlerInit {
  readonly holdings: Holdings
  readonly limits: HttpLimits
  readonly slots: SlotLimits
  readonly rates: RateLimits
}

/** Serves all of the data plane of one peer. */
export function createDataHandler({ holdings, limits, slots: slotLimits, rates }: DataHandlerInit): DataHandler {
  const slots = new UploadSlots(slotLimits)
  const lender = createLender()
  let waits = 0

  /** Lets the root become known, for who would rather wait than be told a stand-in. */
  async function waitForRoot(name: string, request: IncomingMessage): Promise<string | undefined> {
    const waitMs = Math.min(readWait(request.headers.prefer) * 1_000, MAX_ROOT_WAIT_MS)
    if (request.method !== 'HEAD' || waitMs === 0 || waits >= MAX_ROOT_WAITS) return undefined
    waits++
    try {
      return await holdings.rootOf(name, waitMs)
    } finally {
      waits--
    }
  }

  /** Whether an answer with all of it may be prepared at once. */
  const isBrief = ({ size }: Source, peer: string) =>
    size <= FREE_BYTES && rates.upload.sliceBytes(peer) === Number.POSITIVE_INFINITY

  async function serveContent(
    request: IncomingMessage,
    response: ServerResponse,
    turn: Turn,
    open: () => Promise<Source>,
    root?: string
  ): Promise<void> {
    const downloader = downloaderOf(request)
    if (downloader === undefined) {
      refuse(response, 403)
      return
    }
    const peer = nameOfPeer(downloader)
    let source = await opened(response, open)
    if (source === undefined) return
    const first = isBrief(source, peer) ? undefined : turn.first()
    if (first !== undefined && !(await first)) {
      await source.close()
      return
    }
    let admission: Admission = { type: 'entered', leave: () => undefined }
    if (request.method === 'GET' && source.size > FREE_BYTES) {
      const admitted = slots.enter(downloader, closing(response))
      if (admitted instanceof Promise) {
        // Nothing is kept open for those who wait.
        await source.close().catch(() => undefined)
        admission = await admitted
        source = admission.type === 'entered' ? await opened(response, open) : undefined
      } else admission = admitted
    }
    try {
      if (admission.type !== 'entered') refuse(response, 503, queueHeaders(admission))
      else if (source !== undefined) {
        const etag = source.root ?? root ?? source.etag
        const throttle = {
          sliceBytes: () => rates.upload.sliceBytes(peer),
          take: (bytes: number) => rates.upload.take(peer, bytes)
        }
        await send(request, response, { source, etag, limits, lend: () => lender.lend(downloader.address), throttle })
      }
    } catch {
      // The head is out: breaking the connection is the only honest way left to say that the rest will not come.
      response.destroy()
    } finally {
      if (admission.type === 'entered') admission.leave()
      await source?.close()
    }
  }

  async function serveHashes(request: IncomingMessage, response: ServerResponse, asked: HashRequest): Promise<void> {
    let hashes: Uint8Array
    try {
      hashes = await holdings.hashes(asked)
    } catch (error) {
      refuseWith(response, error)
      return
    }
    response.setTimeout(limits.slowReaderTimeoutMs, () => response.destroy())
    // They follow from the root, so they are the same for ever.
    response.writeHead(200, { ...HARMLESS, 'Content-Length': hashes.length })
    response.end(request.method === 'HEAD' ? undefined : hashes)
  }

  async function serve(request: IncomingMessage, response: ServerResponse, turn: Turn): Promise<void> {
    const waiting = turn.ahead()
    if (waiting !== undefined && !(await waiting)) return
    const target = readTarget(request.url ?? '')
    const passed = request.headers[PASSED_HEADER] !== undefined
    switch (target.type) {
      case 'name': {
        const { name } = target
        let root: string | undefined
        try {
          root = await waitForRoot(name, request)
        } catch (error) {
          refuseWith(response, error)
          return
        }
        await serveContent(request, response, turn, () => holdings.open(name), root)
        return
      }
      case 'root':
        await serveContent(request, response, turn, () => holdings.openRoot(target.root, passed), target.root)
        return
      case 'hashes': {
        const first = target.request.length * HASH_BYTES <= FREE_BYTES ? undefined : turn.first()
        if (first !== undefined && !(await first)) return
        await serveHashes(request, response, passed ? { ...target.request, passed } : target.request)
        return
      }
      case 'nonsense':
        refuse(response, 400)
        return
      case 'nothing':
        refuse(response, 404)
    }
  }

  return { serve, close: () => slots.close() }
}

/** What is asked for; nothing, and the request refused, where it cannot be opened. */
async function opened(response: ServerResponse, open: () => Promise<Source>): Promise<Source | undefined> {
  try {
    return await open()
  } catch (error) {
    refuseWith(response, error)
    return undefined
  }
}

const PEER_ID = /^[\w-]{1,64}$/

/**
 * Who downloads. In a private network that is proven, and whoever says he is somebody else is nobody; elsewhere our own
 * kind says who it is, others are known by their address.
 */
function downloaderOf(request: IncomingMessage): Downloader | undefined {
  const { headers, socket } = request
  const id = headers[PEER_HEADER]
  const address = (socket.remoteAddress ?? '').replace(/^::ffff:/, '')
  const provenId = callerId(request)
  if (provenId !== undefined)
    return id === undefined || id === provenId ? { address, id: provenId, isProven: true } : undefined
  return { address, id: typeof id === 'string' && PEER_ID.test(id) ? id : '' }
}

/** Aborts when there is nobody left to answer. */
function closing(response: ServerResponse): AbortSignal {
  const abort = new AbortController()
  if (response.destroyed) abort.abort()
  response.once('close', () => abort.abort())
  return abort.signal
}

function queueHeaders(admission: Exclude<Admission, { type: 'entered' }>): Record<string, string> {
  if (admission.type === 'full') return { 'Retry-After': '10' }
  return { 'Retry-After': '1', [QUEUE_HEADER]: String(admission.position) }
}

function refuseWith(response: ServerResponse, error: unknown): void {
  const { code } = asP2pError(error)
  refuse(response, code === 'BAD_CALL' ? 400 : HIDDEN.has(code) ? 404 : 503)
}

interface Sending {
  readonly source: Source
  readonly etag: string
  readonly limits: HttpLimits
  readonly lend: () => Loan
  readonly throttle: Throttle
}

async function send(
  request: IncomingMessage,
  response: ServerResponse,
  { source, etag, limits, lend, throttle }: Sending
): Promise<void> {
  const { headers } = request
  const { size } = source
  response.setHeader('ETag', `"${etag}"`)
  response.setHeader('Accept-Ranges', 'bytes')
  response.setHeader('Cache-Control', 'no-cache')
  const must = headers['if-match']
  if (must !== undefined && !namesTag(must, etag, { weak: false })) {
    refuse(response, 412)
    return
  }
  const known = headers['if-none-match']
  if (known !== undefined && namesTag(known, etag, { weak: true })) {
    response.writeHead(304).end()
    return
  }
  const ifRange = headers['if-range']
  const choice =
    request.method === 'GET' && (ifRange === undefined || ifRange === `"${etag}"`)
      ? chooseRange(headers.range, size)
      : { type: 'whole' as const }
  if (choice.type === 'unsatisfiable') {
    response.setHeader('Content-Range', `bytes */${size}`)
    refuse(response, 416)
    return
  }
  const { start, end } = choice.type === 'part' ? choice : { start: 0, end: size }
  if (choice.type === 'part') response.setHeader('Content-Range', `bytes ${start}-${end - 1}/${size}`)
  response.writeHead(choice.type === 'part' ? 206 : 200, { ...HARMLESS, 'Content-Length': end - start })
  if (request.method === 'HEAD' || start === end) {
    response.end()
    return
  }
  await sendBytes(response, source, { start, end, lend, throttle, limits })
}
