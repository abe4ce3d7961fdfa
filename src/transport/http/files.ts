/** The data plane: `GET` and `HEAD` of files, by name or by root, and of the hashes of their trees. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { asP2pError, type ErrorCode } from '../../errors.js'
import type { HashRequest, Inbound, Source } from '../../streams/ports.js'
import { type HttpLimits, MAX_ROOT_WAIT_MS, MAX_ROOT_WAITS } from './limits.js'
import { readTarget } from './paths.js'
import { chooseRange, namesTag, readWait } from './range.js'
import { refuse } from './refuse.js'

/** What the data plane serves from. */
export type Holdings = Pick<Inbound, 'open' | 'openRoot' | 'hashes' | 'rootOf'>

/** Nobody may take a shared page for a page of this peer: it is saved, not shown, and if shown, without rights. */
const HARMLESS = {
  'Content-Type': 'application/octet-stream',
  'X-Content-Type-Options': 'nosniff',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Content-Disposition': 'attachment',
  'Content-Security-Policy': "default-src 'none'; sandbox"
}

const HIDDEN: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['NOT_FOUND', 'BAD_NAME', 'DENIED', 'FOLDER'])

export type DataHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/** Serves all of the data plane of one peer. */
export function createDataHandler(holdings: Holdings, limits: HttpLimits): DataHandler {
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

  async function serveContent(
    request: IncomingMessage,
    response: ServerResponse,
    open: () => Promise<Source>,
    rootOf: () => Promise<string | undefined>
  ): Promise<void> {
    let source: Source
    let root: string | undefined
    try {
      root = await rootOf()
      source = await open()
    } catch (error) {
      refuseWith(response, error)
      return
    }
    try {
      await send(request, response, source, source.root ?? root ?? source.etag, limits)
    } catch {
      // The head is out: breaking the connection is the only honest way left to say that the rest will not come.
      response.destroy()
    } finally {
      await source.close()
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

  return async (request, response) => {
    const target = readTarget(request.url ?? '')
    switch (target.type) {
      case 'name': {
        const { name } = target
        await serveContent(
          request,
          response,
          () => holdings.open(name),
          () => waitForRoot(name, request)
        )
        return
      }
      case 'root': {
        const { root } = target
        await serveContent(
          request,
          response,
          () => holdings.openRoot(root),
          () => Promise.resolve(root)
        )
        return
      }
      case 'hashes':
        await serveHashes(request, response, target.request)
        return
      case 'nonsense':
        refuse(response, 400)
        return
      case 'nothing':
        refuse(response, 404)
    }
  }
}

function refuseWith(response: ServerResponse, error: unknown): void {
  const { code } = asP2pError(error)
  refuse(response, code === 'BAD_CALL' ? 400 : HIDDEN.has(code) ? 404 : 503)
}

async function send(
  request: IncomingMessage,
  response: ServerResponse,
  source: Source,
  etag: string,
  limits: HttpLimits
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
  response.setTimeout(limits.slowReaderTimeoutMs, () => response.destroy())
  // The head goes first, so that a source that breaks at once still breaks as a body, not as a refusal.
  response.flushHeaders()
  await pipeline(source.read(start, end), response)
}
