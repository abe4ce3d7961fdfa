/** Reads the body of a call, never more of it than allowed. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { LINGER_MS } from './limits.js'
import { refuse } from './refuse.js'

/** Why a body cannot be read. `gone` means there is nobody left to tell. */
class BadBody extends Error {
  constructor(readonly reason: 'too-big' | 'encoding' | 'broken' | 'gone') {
    super(reason)
  }
}

/** The body, unpacked. Errors with {@link BadBody}. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw new BadBody('too-big')
  switch (request.headers['content-encoding']?.toLowerCase()) {
    case undefined:
    case '':
    case 'identity':
      return await collect(request, maxBytes, 'gone')
    case 'gzip':
    case 'x-gzip':
      return await gunzip(request, maxBytes)
    default:
      throw new BadBody('encoding')
  }
}

/** Counts before and after unpacking: 1 MiB of gzip may hold 1 GiB of zeros. */
async function gunzip(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const packed = await collect(request, maxBytes, 'gone')
  const unpacked = Readable.from([packed]).pipe(createGunzip())
  try {
    return await collect(unpacked, maxBytes, 'broken')
  } finally {
    unpacked.destroy()
  }
}

/** Reads without destroying the stream when it stops early: the rest of a request still has to be drained by whoever answers it. */
function collect(stream: Readable, maxBytes: number, onError: 'broken' | 'gone'): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    let over = false
    const stop = (reason: BadBody['reason']) => {
      if (over) return
      over = true
      stream.off('data', take)
      reject(new BadBody(reason))
    }
    const take = (chunk: Buffer) => {
      length += chunk.length
      if (length <= maxBytes) chunks.push(chunk)
      else stop('too-big')
    }
    stream.on('data', take)
    // Listeners instead of an async iterator: half the time of a small call.
    stream.once('end', () => {
      over = true
      resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks))
    })
    stream.once('error', () => stop(onError))
    stream.once('close', () => stop(onError))
  })
}

/** Answers a request whose body could not be read; `tooBig` begins the answer to one that is too long. Throws what is no {@link BadBody}. */
export function refuseBody(
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
  tooBig: (response: ServerResponse) => void
): void {
  if (!(error instanceof BadBody)) throw error
  switch (error.reason) {
    case 'gone':
      response.destroy()
      return
    case 'broken':
      refuse(response, 400)
      return
    case 'encoding':
      refuse(response, 415, { 'Accept-Encoding': 'gzip, identity' }, true)
      return
    case 'too-big':
      tooBig(response)
      endReadingOn(request, response)
  }
}

/**
 * Ends an answer to a body that is not read to its end. Ending at once would close with bytes unread, and the reset would
 * wipe out the answer before its reader sees it.
 */
function endReadingOn(request: IncomingMessage, response: ServerResponse): void {
  const linger = setTimeout(() => response.end(), LINGER_MS)
  request.once('end', () => response.end())
  response.once('close', () => clearTimeout(linger))
  request.resume()
}
