/** A file as pieces, which is how it is shared out among its holders. Pure. */

/** BEP 52's piece: small enough that a bad one costs little, large enough that its hash costs nothing to keep. */
export const PIECE_BYTES = 1_048_576

/** Pieces from `start` up to and without `end`. */
export interface PieceRange {
  readonly start: number
  readonly end: number
}

export function piecesOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / PIECE_BYTES)
}

/** What is left of all pieces when these are there; the numbers come in rising order. */
export function gapsBeside(pieces: number, there: readonly number[]): readonly PieceRange[] {
  const gaps: PieceRange[] = []
  let start = 0
  for (const piece of [...there, pieces]) {
    if (piece > start) gaps.push({ start, end: piece })
    start = piece + 1
  }
  return gaps
}

/** The ranges with one more among them; neighbours become one. */
export function withRange(ranges: readonly PieceRange[], added: PieceRange): readonly PieceRange[] {
  if (added.start >= added.end) return ranges
  const sorted = [...ranges, added].sort((one, other) => one.start - other.start)
  return sorted.reduce<PieceRange[]>((joined, range) => {
    const last = joined.at(-1)
    if (last === undefined || last.end < range.start) return [...joined, range]
    return [...joined.slice(0, -1), { start: last.start, end: Math.max(last.end, range.end) }]
  }, [])
}

export function largest(ranges: readonly PieceRange[]): PieceRange | undefined {
  return ranges.reduce<PieceRange | undefined>(
    (best, range) => (best === undefined || lengthOf(range) > lengthOf(best) ? range : best),
    undefined
  )
}

const lengthOf = ({ start, end }: PieceRange) => end - start
