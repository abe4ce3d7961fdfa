import { type SchedulerAction, type SchedulerLike, Subscription } from 'rxjs'

/**
 * Virtual time: what is scheduled waits here until `runNext` says that its time has come.
 *
 * RxJS's own VirtualTimeScheduler sorts an array at every `schedule` and searches it at every `unsubscribe`; a thousand
 * peers with a time-out per call spend minutes in that. Simulated calls share few distinct times, so here one set per
 * time holds its actions (in order, cancelled in constant time) and a heap holds the times.
 */
export class Timetable implements SchedulerLike {
  #nowMs = 0
  readonly #actionsAt = new Map<number, Set<Action<unknown>>>()
  /** A binary heap of the keys of `#actionsAt`, each once. */
  readonly #timesMs: number[] = []

  now(): number {
    return this.#nowMs
  }

  schedule<T>(work: (this: SchedulerAction<T>, state: T) => void, delayMs = 0, state?: T): Subscription {
    return new Action(this, work).schedule(state, delayMs)
  }

  enter(action: Action<unknown>, atMs: number): Set<Action<unknown>> {
    let actions = this.#actionsAt.get(atMs)
    if (actions === undefined) {
      actions = new Set()
      this.#actionsAt.set(atMs, actions)
      pushTime(this.#timesMs, atMs)
    }
    return actions.add(action)
  }

  /** When the next action is due; `Infinity` when there is none. */
  nextMs(): number {
    for (;;) {
      const [firstMs] = this.#timesMs
      if (firstMs === undefined) return Infinity
      if (this.#actionsAt.get(firstMs)?.size) return firstMs
      this.#actionsAt.delete(popTime(this.#timesMs))
    }
  }

  /** Goes to the time of the next action and runs all that is due then, also what is scheduled for then meanwhile. */
  runNext(): void {
    this.#nowMs = this.nextMs()
    // A set hands out what is added to it while it is walked, which is just the order wanted here.
    for (const action of this.#actionsAt.get(this.#nowMs) ?? []) action.execute()
  }

  /** Goes to a time before which nothing is due. */
  skipTo(atMs: number): void {
    this.#nowMs = atMs
  }
}

/** RxJS operators call `schedule` on the action itself to repeat it, and unsubscribe it to cancel it. */
class Action<T> extends Subscription implements SchedulerAction<T> {
  readonly #timetable: Timetable
  #work: ((this: SchedulerAction<T>, state: T) => void) | undefined
  #state: T | undefined
  #waitingIn: Set<Action<unknown>> | undefined

  constructor(timetable: Timetable, work: (this: SchedulerAction<T>, state: T) => void) {
    super()
    this.#timetable = timetable
    this.#work = work
  }

  schedule(state?: T, delayMs = 0): Subscription {
    if (this.closed) return this
    this.#leave()
    this.#state = state
    const atMs = this.#timetable.now() + Math.max(0, delayMs)
    // What is due in all eternity, or at no time, never happens.
    if (Number.isFinite(atMs)) this.#waitingIn = this.#timetable.enter(this as Action<unknown>, atMs)
    return this
  }

  execute(): void {
    this.#leave()
    this.#work?.call(this, this.#state as T)
  }

  override unsubscribe(): void {
    if (this.closed) return
    this.#leave()
    this.#work = undefined
    this.#state = undefined
    super.unsubscribe()
  }

  #leave(): void {
    this.#waitingIn?.delete(this as Action<unknown>)
    this.#waitingIn = undefined
  }
}

function pushTime(heap: number[], timeMs: number): void {
  let at = heap.push(timeMs) - 1
  while (at > 0) {
    const parent = (at - 1) >> 1
    const parentMs = heap[parent] ?? 0
    if (parentMs <= timeMs) break
    heap[at] = parentMs
    at = parent
  }
  heap[at] = timeMs
}

function popTime(heap: number[]): number {
  const top = heap[0] ?? Infinity
  const moved = heap.pop() ?? Infinity
  if (heap.length === 0) return top
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if ((heap[child + 1] ?? Infinity) < (heap[child] ?? Infinity)) child += 1
    const childMs = heap[child]
    if (childMs === undefined || childMs >= moved) break
    heap[at] = childMs
    at = child
  }
  heap[at] = moved
  return top
}
