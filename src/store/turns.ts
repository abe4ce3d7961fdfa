/** Work on the main thread, a little at a time. */

/** How long one goes on before everything else of the peer has its turn. */
const TURN_MS = 4

/**
 * Gives turns one after the other, whoever asks for them, and lets the event loop go round between two. Resolves with
 * the moment when the turn is over.
 */
export function createTurns(): () => Promise<number> {
  const waiting: ((untilMs: number) => void)[] = []
  function give(): void {
    waiting.shift()?.(performance.now() + TURN_MS)
    if (waiting.length > 0) setImmediate(give)
  }
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve)
      if (waiting.length === 1) setImmediate(give)
    })
}
