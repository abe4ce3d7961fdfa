/**
 * Numbers from 0 up to and without 1, the same ones for the same seed (Tommy Ettinger's mulberry32: 32 bits of state
 * are enough for lots that only have to be fair and repeatable).
 */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
