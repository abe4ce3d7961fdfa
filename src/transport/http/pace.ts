/** How fast calls may follow one another from one address. Who is a little too fast waits; who is much too fast is refused. */

/** URLs that one address may have us greet, over time: whoever says hello once a minute is far below, and each costs a call. */
const INTRODUCTIONS_PER_SECOND = 10
/** After a rest, as seconds of that rate: all peers behind one address that come back at once. */
const INTRODUCTIONS_BURST_SECONDS = 30

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

export interface Pace {
  /** Nothing when it is the call's turn already; otherwise resolves when it is, with false when it has to be refused. */
  readonly turn: (caller: Caller) => Promise<boolean> | undefined
  /** Whether a URL that this caller names is greeted. */
  readonly mayIntroduce: (caller: Caller) => boolean
}

/** `nowMs` and `wait` are the time; tests bring their own. */
export function createPace(
  callsPerSecond: number,
  nowMs: () => number = () => performance.now(),
  wait: (ms: number) => Promise<void> = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
): Pace {
  const calls = createDues(callsPerSecond, BURST_SECONDS, nowMs)
  const introductions = createDues(INTRODUCTIONS_PER_SECOND, INTRODUCTIONS_BURST_SECONDS, nowMs)
  let putOff = 0
  return {
    turn(caller) {
      const pauseMs = calls(caller, putOff < MAX_PUT_OFF ? MAX_PAUSE_MS : 0)
      if (pauseMs === undefined) return Promise.resolve(false)
      if (pauseMs === 0) return undefined
      putOff++
      return wait(pauseMs).then(() => {
        putOff--
        return true
      })
    },
    mayIntroduce: (caller) => introductions(caller, 0) !== undefined
  }
}

/** Gives how long to wait, 0 for not at all, and counts it; nothing, and counts nothing, when that is over the limit. */
export function createDues(perSecond: number, burstSeconds: number, nowMs: () => number) {
  /** When the next one of an address would be due if they came evenly; who was heard of longest ago comes first. */
  const dueMs = new Map<string, number>()
  return ({ address, isHere }: Caller, maxPauseMs: number): number | undefined => {
    const now = nowMs()
    const due = Math.max(now, dueMs.get(address) ?? 0)
    const pauseMs = Math.max(0, due - now - burstSeconds * 1_000)
    if (pauseMs > maxPauseMs) return undefined
    dueMs.delete(address)
    dueMs.set(address, due + 1_000 / (perSecond * (isHere ? HERE_FACTOR : 1)))
    const [oldest] = dueMs.keys()
    if (dueMs.size > MAX_ADDRESSES && oldest !== undefined) dueMs.delete(oldest)
    return pauseMs
  }
}
