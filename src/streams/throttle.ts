/** Takes so many in each stretch of time, and not one more. */
export function createThrottle(most: number, windowMs: number, nowMs: () => number = Date.now): () => boolean {
  let sinceMs = Number.NEGATIVE_INFINITY
  let taken = 0
  return () => {
    const now = nowMs()
    // A clock that was set back begins a new stretch, too.
    if (now - sinceMs >= windowMs || now < sinceMs) {
      sinceMs = now
      taken = 0
    }
    taken++
    return taken <= most
  }
}
