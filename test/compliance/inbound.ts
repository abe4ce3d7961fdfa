import { EMPTY, of } from 'rxjs'
import { P2pError } from '../../src/errors.js'
import type { Inbound, Source } from '../../src/streams/ports.js'

/** A peer that has nothing and knows nobody, apart from what is given. */
export function inboundWith(given: Partial<Inbound> = {}): Inbound {
  return {
    introduced: () => undefined,
    asked: () => of({ type: 'missed' }),
    askedForContent: () => of({ type: 'missed' }),
    askedToFetch: () => EMPTY,
    open: (name) => Promise.reject(new P2pError('NOT_FOUND', `Couldn't find the file ${name}`)),
    openRoot: (root) => Promise.reject(new P2pError('NOT_FOUND', `There is nothing with the root ${root}`)),
    hashes: ({ root }) => Promise.reject(new P2pError('NOT_FOUND', `There is nothing with the root ${root}`)),
    rootOf: (name) => Promise.reject(new P2pError('NOT_FOUND', `Couldn't find the file ${name}`)),
    list: () => ({ files: [], more: false }),
    ...given
  }
}

/** A source over bytes, handed out in pieces, that tells what was done to it. */
export interface WatchedSource extends Source {
  /** Fulfilled when the source is closed. */
  readonly closed: Promise<void>
  /** How many pieces were asked for so far. */
  readonly piecesRead: () => number
}

export function sourceOf(
  content: Uint8Array,
  { etag = 'c'.repeat(64), pieceBytes = 16 * 1024 }: { etag?: string; pieceBytes?: number } = {}
): WatchedSource {
  let piecesRead = 0
  let tellClosed: () => void = () => undefined
  const closed = new Promise<void>((resolve) => {
    tellClosed = resolve
  })
  return {
    size: content.length,
    // A stand-in is no root.
    ...(etag.length === 64 ? { root: etag } : {}),
    etag,
    closed,
    piecesRead: () => piecesRead,
    async *read(start = 0, end = content.length) {
      for (let at = start; at < end; at += pieceBytes) {
        // A real file has its bytes in a later turn of the event loop, too.
        await new Promise<void>((resolve) => setImmediate(resolve))
        piecesRead += 1
        yield content.subarray(at, Math.min(at + pieceBytes, end))
      }
    },
    close: () => {
      tellClosed()
      return Promise.resolve()
    }
  }
}

/** Bytes of which no two neighbouring stretches are alike. */
export function bytesOf(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += 1) bytes[at] = at * 31 + (at >> 8) * 17
  return bytes
}

/** All bytes of a body in one piece. */
export async function gathered(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of bytes) chunks.push(chunk)
  return Buffer.concat(chunks)
}
