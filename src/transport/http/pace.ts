/** How fast calls may follow one another from one address. Who is a little too fast waits; who is much too fast is refused. */

/** Calls that may come at once after a rest, as seconds of the rate: a pattern over thousands of files begins with as many. */
const BURST_SECONDS = 2
/** The longest that a call is put off, below what any caller waits for. */
const MAX_PAUSE_MS = 1_000
/** Calls put off at once: each holds its body. */
const MAX_PUT_OFF = 256
/** Addresses remembered. A forgotten one has its burst again, so it takes this many to profit from it. */
const MAX_ADDRESSES = 1_024
/** Programs on this machine could do worse than call often, and people measure with them. */
const HERE_FACTOR = 10

export interface Caller {
  readonly address: string
  readonly isHere: boolean
}

/** Nothing when it is the call's turn already; otherwise resolves when it is, with false when it has to be refused. */
export type Pace = (caller: Caller) => Promise<boolean> | undefined

/** `nowMs` and `wait` are the time; tests bring their own. */
export function createPace(
  callsPerSecond: number,
  nowMs: () => number = () => performance.now(),
  wait: (ms: number) => Promise<void> = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
): Pace {
  /** When the next call of an address would be due if its calls came evenly; who was heard of longest ago comes first. */
  const dueMs = new Map<string, number>()
  let putOff = 0

  return ({ address, isHere }) => {
    const now = nowMs()
    const due = Math.max(now, dueMs.get(address) ?? 0)
    const pauseMs = due - now - BURST_SECONDS * 1_000
    if (pauseMs > MAX_PAUSE_MS || (pauseMs > 0 && putOff >= MAX_PUT_OFF)) return Promise.resolve(false)
    dueMs.delete(address)
    dueMs.set(address, due + 1_000 / (callsPerSecond * (isHere ? HERE_FACTOR : 1)))
    const [oldest] = dueMs.keys()
    if (dueMs.size > MAX_ADDRESSES && oldest !== undefined) dueMs.delete(oldest)
    if (pauseMs <= 0) return undefined
    putOff++
    return wait(pauseMs).then(() => {
      putOff--
      return true
    })
  }
}
