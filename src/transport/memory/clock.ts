import type { SchedulerLike } from 'rxjs'
import type { Clock } from '../../streams/ports.js'
import { Timetable } from './timetable.js'

/** Virtual time that `runUntil` lets pass at most unless told otherwise: an hour outlasts every pause a peer makes. */
const MAX_VIRTUAL_MS = 3_600_000

/** Real milliseconds `runUntil` waits for something that is on no timetable, such as a file, before it gives up. */
const MAX_IDLE_MS = 1_000

/** Time that passes only when told to. */
export interface VirtualClock extends Clock {
  /** Milliseconds since the clock was made. */
  readonly nowMs: () => number
  /** Lets `ms` milliseconds pass, with all that happens in them. Rejects with what an action throws. */
  readonly advance: (ms: number) => Promise<void>
  /**
   * Lets time pass until the promise is settled (and returns its value, or rejects as it does) or the predicate is true.
   * Rejects after `maxMs` virtual milliseconds (default: an hour), or when nothing is left to happen.
   */
  readonly runUntil: <T>(awaited: Promise<T> | (() => boolean), options?: { maxMs?: number }) => Promise<T>
}

/**
 * A clock for simulations: an hour passes in the time its events take to compute.
 *
 * Promises know nothing of virtual time, so between two of its moments they may settle. That holds for promises made of
 * promises; a read from a disk takes real time, and virtual time does not wait for it while there is something due.
 *
 * @example
 * ```ts
 * const clock = createVirtualClock()
 * timer(60_000, clock.scheduler).subscribe(() => console.log(clock.nowMs()))
 * await clock.advance(60_000) // 60000
 * ```
 */
export function createVirtualClock(): VirtualClock {
  const timetable = new Timetable()
  const scheduler: SchedulerLike = timetable
  let running = false

  /** Runs what is due up to `untilMs`; stops early when `done` is true. */
  async function run(untilMs: number, done: () => boolean): Promise<void> {
    if (running) throw new Error('The clock runs already; wait for it before you start it again.')
    running = true
    try {
      await promisesSettled()
      while (!done() && timetable.nextMs() <= untilMs) {
        timetable.runNext()
        await promisesSettled()
      }
    } finally {
      running = false
    }
  }

  async function advance(ms: number): Promise<void> {
    const untilMs = timetable.now() + ms
    await run(untilMs, () => false)
    timetable.skipTo(untilMs)
  }

  async function runUntil<T>(
    awaited: Promise<T> | (() => boolean),
    { maxMs = MAX_VIRTUAL_MS }: { maxMs?: number } = {}
  ): Promise<T> {
    let settled = false
    const settle = () => {
      settled = true
    }
    if (typeof awaited !== 'function') awaited.then(settle, settle)
    const done = () => (typeof awaited === 'function' ? awaited() : settled)
    const untilMs = timetable.now() + maxMs

    let idleSinceMs: number | undefined
    for (;;) {
      await run(untilMs, done)
      if (done()) return (await (typeof awaited === 'function' ? undefined : awaited)) as T
      if (timetable.nextMs() !== Infinity) throw new Error(`It did not happen within ${maxMs} virtual ms.`)
      idleSinceMs ??= performance.now()
      if (performance.now() - idleSinceMs > MAX_IDLE_MS) {
        throw new Error('It did not happen, and nothing is left to happen.')
      }
      await aMoment()
      if (timetable.nextMs() !== Infinity) idleSinceMs = undefined
    }
  }

  return { scheduler, nowMs: () => timetable.now(), advance, runUntil }
}

/** All microtasks run before the next immediate, so chains of promises are through by then. */
const promisesSettled = () => new Promise<void>((resolve) => setImmediate(resolve))

const aMoment = () => new Promise<void>((resolve) => setTimeout(resolve, 1))
