/** Reads the body of a call, never more of it than allowed. */
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'

/** Why a body cannot be read. `gone` means there is nobody left to tell. */
export class BadBody extends Error {
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
async function collect(stream: Readable, maxBytes: number, onError: 'broken' | 'gone'): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > maxBytes) break
      chunks.push(chunk)
    }
  } catch {
    throw new BadBody(onError)
  }
  if (length > maxBytes) throw new BadBody('too-big')
  return Buffer.concat(chunks)
}
