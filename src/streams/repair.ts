/**
 * A piece that came wrong: which of its blocks are wrong, and the right ones from somebody else. So a flipped bit costs
 * 16 KiB and not the piece.
 */
import { catchError, concatMap, defer, EMPTY, every, finalize, first, from, last, type Observable, of } from 'rxjs'
import { PIECE_BYTES } from './pieces.js'
import type { Download, HashesOutcome, HashRequest, PeerUrl, PieceMemory, ReadOutcome, ReadRequest } from './ports.js'

export interface RepairInit {
  readonly name: string
  readonly root: string
  readonly piece: number
  readonly memory: PieceMemory
  /** Whom to ask, one after the other; none of them sent the piece. */
  readonly helpers: readonly PeerUrl[]
  readonly place: Download
  readonly read: (holder: PeerUrl, request: ReadRequest) => Observable<ReadOutcome>
  readonly hashes: (holder: PeerUrl, request: HashRequest) => Observable<HashesOutcome>
}

interface ByteRange {
  readonly start: number
  readonly end: number
}

/** Emits whether the piece is kept now; if not, its memory has been given back. Errors with what the disk says. */
export function repair({ name, root, piece, memory, helpers, place, read, hashes }: RepairInit): Observable<boolean> {
  const base = piece * PIECE_BYTES
  /** Whose the memory is: while it is verified and written it is not ours to give back. */
  let writing = false
  let ended = false

  const blocks = (helper: PeerUrl, range: ByteRange): Observable<boolean> =>
    read(helper, { name, root, ...range }).pipe(
      concatMap((outcome) => {
        if (outcome.type === 'queued') return EMPTY
        if (outcome.type !== 'body' || outcome.size !== place.size) return of(false)
        return from(copy(outcome.bytes, memory.bytes, range.start - base, range.end - base))
      }),
      first(undefined, false),
      catchError(() => of(false))
    )

  const by = (helper: PeerUrl): Observable<boolean> =>
    hashes(helper, place.wantsBlocks(piece)).pipe(
      concatMap((outcome) => {
        const wrong = outcome.type === 'hashes' ? place.wrongBlocks(piece, memory, outcome.bytes) : undefined
        if (wrong === undefined) return of(false)
        // One after the other: they are few, and small.
        return from(joined(wrong)).pipe(
          concatMap((range) => blocks(helper, range)),
          every((got) => got)
        )
      }),
      concatMap((whole) => {
        if (!whole) return of(false)
        writing = true
        const kept = place.keep(piece, memory).then(({ type }) => {
          writing = false
          if (ended && type === 'wrong') memory.release()
          return type === 'kept'
        })
        return from(kept)
      }),
      last(undefined, false)
    )

  return defer(() =>
    from(helpers).pipe(
      concatMap(by),
      first((kept) => kept, false),
      // Also when it is given up half way: what was kept has been given back already.
      finalize(() => {
        ended = true
        if (!writing) memory.release()
      })
    )
  )
}

/** Neighbouring blocks as one range. */
function joined(ranges: readonly ByteRange[]): readonly ByteRange[] {
  return ranges.reduce<ByteRange[]>((before, range) => {
    const previous = before.at(-1)
    if (previous?.end !== range.start) return [...before, range]
    return [...before.slice(0, -1), { start: previous.start, end: range.end }]
  }, [])
}

async function copy(bytes: AsyncIterable<Uint8Array>, into: Uint8Array, start: number, end: number): Promise<boolean> {
  let at = start
  for await (const chunk of bytes) {
    if (at + chunk.length > end) return false
    into.set(chunk, at)
    at += chunk.length
  }
  return at === end
}
