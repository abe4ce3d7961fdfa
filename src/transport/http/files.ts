/** The data plane: `GET` and `HEAD` of `/files/<name>`, each part of the name percent-encoded. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { asP2pError, type ErrorCode } from '../../errors.js'
import type { Inbound, Source } from '../../streams/ports.js'
import type { HttpLimits } from './limits.js'
import { chooseRange, namesTag } from './range.js'
import { refuse } from './refuse.js'

export const FILES_PATH = '/files/'

/** The path under which a file is read from its holder. Throws a URIError for a name that is no Unicode. */
export function filePath(name: string): string {
  return FILES_PATH + name.split('/').map(encodeURIComponent).join('/')
}

/**
 * The name a request target means, or undefined. Every part is decoded once, and a part that then holds a
 * separator means nothing here: `%2e%2e%2f` is not a second way to write `../`.
 */
export function nameOf(target: string): string | undefined {
  if (!target.startsWith(FILES_PATH) || /[?#\\]/.test(target)) return undefined
  try {
    const parts = target.slice(FILES_PATH.length).split('/').map(decodeURIComponent)
    return parts.every((part) => part !== '' && part !== '.' && part !== '..' && !/[/\0]/.test(part))
      ? parts.join('/')
      : undefined
  } catch {
    return undefined
  }
}

/** Nobody may take a shared page for a page of this peer: it is saved, not shown, and if shown, without rights. */
const HARMLESS = {
  'Content-Type': 'application/octet-stream',
  'X-Content-Type-Options': 'nosniff',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Content-Disposition': 'attachment',
  'Content-Security-Policy': "default-src 'none'; sandbox"
}

const HIDDEN: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['NOT_FOUND', 'BAD_NAME', 'DENIED', 'FOLDER'])

export async function serveFile(
  request: IncomingMessage,
  response: ServerResponse,
  open: Inbound['open'],
  limits: HttpLimits
): Promise<void> {
  const name = nameOf(request.url ?? '')
  if (name === undefined) {
    refuse(response, 404)
    return
  }
  let source: Source
  try {
    source = await open(name)
  } catch (error) {
    refuse(response, HIDDEN.has(asP2pError(error).code) ? 404 : 503)
    return
  }
  try {
    await send(request, response, source, limits)
  } catch {
    // The head is out: breaking the connection is the only honest way left to say that the rest will not come.
    response.destroy()
  } finally {
    await source.close()
  }
}

async function send(request: IncomingMessage, response: ServerResponse, source: Source, limits: HttpLimits) {
  const { headers } = request
  const { size, etag } = source
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
