/** One request to one holder: bytes come in and leave as whole pieces, until the request or the lane's share is done. */
import { catchError, concat, concatMap, defer, finalize, from, type Observable, of, takeWhile } from 'rxjs'
import { createFiller, type Filler } from './filler.js'
import { PIECE_BYTES, type PieceRange } from './pieces.js'
import type { Download, PeerUrl, PieceMemory, ReadOutcome, ReadRequest } from './ports.js'
import type { Break } from './swarm-rules.js'

/** How much, and for how long, bytes are gathered before they are told. */
const TELL_BYTES = 1024 * 1024
const TELL_MS = 100

export type LaneStep =
  | { readonly type: 'queued'; readonly position: number }
  | { readonly type: 'advanced'; readonly bytes: number }
  | { readonly type: 'received'; readonly piece: number; readonly take: () => PieceMemory | undefined }
  | { readonly type: 'requested' }
  | ({ readonly type: 'broke' } & Break)

export interface LaneInit {
  readonly name: string
  /** Read by root: the content, whatever the holder calls it; by name and etag where there is no root. */
  readonly root?: string
  readonly etag?: string
  readonly holder: PeerUrl
  readonly range: PieceRange
  readonly place: Download
  readonly read: (holder: PeerUrl, request: ReadRequest) => Observable<ReadOutcome>
  /** The first piece that is no longer this lane's affair; may come nearer while it runs. */
  readonly end: () => number
  readonly nowMs: () => number
  /** Told what the holder calls the content. */
  readonly onEtag?: (etag: string) => void
}

/** Ends with `requested` or `broke`. Unsubscribing closes the connection and gives the memory back. */
export function lane(init: LaneInit): Observable<LaneStep> {
  const { name, root, etag, holder, range, place, read, onEtag } = init
  return defer(() => {
    const start = range.start * PIECE_BYTES
    const filler = createFiller(place, start)
    const request: ReadRequest = {
      name,
      start,
      end: Math.min(place.size, range.end * PIECE_BYTES),
      memory: filler.memory,
      ...(root === undefined ? {} : { root }),
      ...(etag === undefined ? {} : { etag })
    }
    const take = (outcome: ReadOutcome): Observable<LaneStep> => {
      switch (outcome.type) {
        case 'queued':
          return of({ type: 'queued', position: outcome.position })
        case 'body':
          if (outcome.size !== place.size || outcome.start !== start) {
            return of({ type: 'broke', why: 'lied', detail: 'it has another size than was offered' })
          }
          onEtag?.(outcome.etag)
          return from(receive(outcome.bytes, filler, init))
        case 'changed': {
          const detail = 'the file changed while it was being fetched'
          return of({ type: 'broke', why: 'changed', code: 'UNFINISHED', detail })
        }
        case 'gone':
          return of({ type: 'broke', why: 'gone', code: 'NOT_FOUND', detail: 'nobody has it any more' })
        case 'failed':
          return of({ type: 'broke', why: 'failed', code: 'NETWORK', detail: outcome.detail })
      }
    }
    // A body that is not read to its end does not end by itself: the end of our step ends the read.
    const over = of(undefined)
    return read(holder, request).pipe(
      concatMap((outcome) => concat(take(outcome), outcome.type === 'queued' ? of() : over)),
      takeWhile((step) => step !== undefined),
      catchError((error: unknown) => of(brokeOff(holder, name, error))),
      finalize(() => filler.release())
    )
  })
}

/** Under back-pressure: the next chunk is asked for when there is memory for it. */
async function* receive(
  bytes: AsyncIterable<Uint8Array>,
  filler: Filler,
  { range, end, nowMs }: LaneInit
): AsyncGenerator<LaneStep> {
  let untold = 0
  let toldMs = nowMs()
  let next = range.start
  for await (const chunk of bytes) {
    untold += chunk.length
    if (untold >= TELL_BYTES || nowMs() - toldMs >= TELL_MS) {
      yield { type: 'advanced', bytes: untold }
      untold = 0
      toldMs = nowMs()
    }
    for await (const piece of filler.accept(chunk)) {
      if (piece >= Math.min(range.end, end())) break
      if (untold > 0) yield { type: 'advanced', bytes: untold }
      untold = 0
      next = piece + 1
      yield { type: 'received', piece, take: () => filler.take(piece) }
    }
    if (next >= Math.min(range.end, end())) break
  }
  yield next >= Math.min(range.end, end())
    ? { type: 'requested' }
    : { type: 'broke', why: 'failed', code: 'NETWORK', detail: 'the answer was shorter than what was asked for' }
}

function brokeOff(holder: PeerUrl, name: string, error: unknown): LaneStep {
  const { code } = (error ?? {}) as { code?: unknown }
  const detail = `${holder} broke off while it sent ${name}: ${error instanceof Error ? error.message : String(error)}`
  return { type: 'broke', why: 'failed', code: typeof code === 'string' ? code : 'UNFINISHED', detail }
}
