/** Bytes the way a socket may deliver them. */

/** `bytes` cut at these places. */
export async function* cutAt(bytes: Uint8Array, ...cuts: readonly number[]): AsyncGenerator<Uint8Array, void> {
  let start = 0
  for (const end of [...cuts, bytes.length]) {
    // A copy, so that whoever keeps a piece cannot see its neighbours; and a turn of the loop, as between packets.
    yield await Promise.resolve(Uint8Array.prototype.slice.call(bytes, start, end))
    start = end
  }
}

/** `bytes` in pieces of these lengths, over and over. */
export function inPieces(bytes: Uint8Array, lengths: readonly number[]): AsyncGenerator<Uint8Array, void> {
  const cuts: number[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    at += Math.max(1, lengths[i % lengths.length] ?? bytes.length)
    if (at < bytes.length) cuts.push(at)
  }
  return cutAt(bytes, ...cuts)
}

export async function gathered(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of bytes) pieces.push(piece)
  return Buffer.concat(pieces)
}
