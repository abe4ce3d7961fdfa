/** Makes guessing a secret slow: who is wrong often from one address waits for each answer, and nobody else does. */
import { type Observable, Subscription } from 'rxjs'
import { type Caller, createDues } from './pace.js'

/** Wrong secrets of one address, over time: somebody who has mistyped his own starts a program a few times. */
const GUESSES_PER_SECOND = 1
/** After a rest, as seconds of that rate: a handful of computers behind one address that all have last year's secret. */
const BURST_SECONDS = 20
/** What a wrong one costs who has used that up. */
const PAUSE_MS = 1_000
/** Wrong ones of one address that wait at once. One more is not even looked at: calls side by side gain nothing. */
const MAX_WAITING_PER_ADDRESS = 8

export interface Guesses {
  /** Whether what this caller says is looked at; otherwise it counts as wrong. */
  readonly mayTry: (caller: Caller) => boolean
  /** Counts a wrong one, and resolves when it may be answered, or the caller has gone. */
  readonly wrong: (caller: Caller, gone$: Observable<unknown>) => Promise<void>
}

export function createGuesses(nowMs: () => number = () => performance.now()): Guesses {
  const dues = createDues(GUESSES_PER_SECOND, BURST_SECONDS, nowMs)
  /** Each waits for an answer, so the running calls bound them. */
  const waiting = new Map<string, number>()

  const count = (address: string, by: 1 | -1) => {
    const now = (waiting.get(address) ?? 0) + by
    if (now === 0) waiting.delete(address)
    else waiting.set(address, now)
  }

  return {
    // Whoever is on this machine already has better ways than to shut its user out.
    mayTry: ({ address, isHere }) => isHere || (waiting.get(address) ?? 0) < MAX_WAITING_PER_ADDRESS,
    async wrong(caller, gone$) {
      if (dues(caller, 0) !== undefined) return
      const { address } = caller
      if ((waiting.get(address) ?? 0) >= MAX_WAITING_PER_ADDRESS) return
      count(address, 1)
      await pause(gone$)
      count(address, -1)
    }
  }
}

function pause(gone$: Observable<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const waiting = new Subscription()
    const end = () => {
      waiting.unsubscribe()
      resolve()
    }
    const timer = setTimeout(end, PAUSE_MS)
    waiting.add(() => clearTimeout(timer))
    waiting.add(gone$.subscribe(end))
  })
}
