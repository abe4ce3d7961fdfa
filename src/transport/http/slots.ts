/**
 * Who is served now and who waits: one slot for each peer that downloads, whatever number of requests it makes, and a
 * queue in the order in which the others came. A place in it outlives a request, so that a peer may ask again and again.
 */

export interface SlotLimits {
  /** Peers served at once. */
  readonly slots: number
  /** Peers that may wait. */
  readonly maxQueued: number
  /** How long a slot waits for its peer's next request. */
  readonly keepSlotMs: number
  /** How long a place waits for its peer to ask again. */
  readonly keepPlaceMs: number
  /** How long a request of somebody who waits already is held open for a slot. */
  readonly holdMs: number
}

export const DEFAULT_SLOTS: SlotLimits = {
  slots: 16,
  maxQueued: 256,
  keepSlotMs: 1_000,
  keepPlaceMs: 3_000,
  holdMs: 3_000
}

/** What a request is told. Whoever may enter has to `leave` once, when its answer has ended. */
export type Admission =
  | { readonly type: 'entered'; readonly leave: () => void }
  | { readonly type: 'queued'; readonly position: number }
  | { readonly type: 'full' }

interface Served {
  requests: number
  timer: NodeJS.Timeout | undefined
}

interface Waiting {
  /** Requests of this peer that are held open. */
  readonly held: Set<(admission: Admission) => void>
  timer: NodeJS.Timeout | undefined
}

export class UploadSlots {
  readonly #limits: SlotLimits
  readonly #served = new Map<string, Served>()
  /** In the order in which they came. */
  readonly #queue = new Map<string, Waiting>()

  constructor(limits: SlotLimits) {
    this.#limits = limits
  }

  /** Tells at once those who have a slot, can have one, or come for the first time. */
  enter(peer: string, signal: AbortSignal): Admission | Promise<Admission> {
    if (this.#served.has(peer) || this.#positionOf(peer) <= this.#free()) return this.#admit(peer)
    const waiting = this.#queue.get(peer)
    if (waiting !== undefined) return this.#hold(peer, waiting, signal)
    if (this.#queue.size >= this.#limits.maxQueued) return { type: 'full' }
    const added: Waiting = { held: new Set(), timer: undefined }
    this.#queue.set(peer, added)
    this.#keepPlace(peer, added)
    return { type: 'queued', position: this.#queue.size }
  }

  /** Nobody waits any more; whoever is held open is told so. */
  close(): void {
    for (const { timer } of this.#served.values()) clearTimeout(timer)
    for (const { timer, held } of this.#queue.values()) {
      clearTimeout(timer)
      for (const tell of held) tell({ type: 'full' })
    }
    this.#served.clear()
    this.#queue.clear()
  }

  #free(): number {
    return this.#limits.slots - this.#served.size
  }

  /** Beginning with 1; who does not wait yet would come last. */
  #positionOf(peer: string): number {
    let position = 1
    for (const other of this.#queue.keys()) {
      if (other === peer) break
      position++
    }
    return position
  }

  #admit(peer: string): Admission {
    clearTimeout(this.#queue.get(peer)?.timer)
    this.#queue.delete(peer)
    const served = this.#served.get(peer) ?? { requests: 0, timer: undefined }
    this.#served.set(peer, served)
    clearTimeout(served.timer)
    served.requests++
    let left = false
    const leave = () => {
      if (left) return
      left = true
      if (--served.requests > 0) return
      served.timer = setTimeout(() => {
        if (this.#served.get(peer) !== served) return
        this.#served.delete(peer)
        this.#serve()
      }, this.#limits.keepSlotMs).unref()
    }
    return { type: 'entered', leave }
  }

  #hold(peer: string, waiting: Waiting, signal: AbortSignal): Promise<Admission> {
    return new Promise((resolve) => {
      const tell = (admission: Admission) => {
        clearTimeout(timer)
        signal.removeEventListener('abort', giveUp)
        waiting.held.delete(tell)
        if (admission.type !== 'entered') this.#keepPlace(peer, waiting)
        resolve(admission)
      }
      const giveUp = () => tell({ type: 'queued', position: this.#positionOf(peer) })
      const timer = setTimeout(giveUp, this.#limits.holdMs)
      clearTimeout(waiting.timer)
      waiting.held.add(tell)
      signal.addEventListener('abort', giveUp)
    })
  }

  /** The peer has to ask again in time, or the next one moves up. */
  #keepPlace(peer: string, waiting: Waiting): void {
    clearTimeout(waiting.timer)
    if (waiting.held.size > 0) return
    waiting.timer = setTimeout(() => {
      if (this.#queue.get(peer) !== waiting) return
      this.#queue.delete(peer)
      this.#serve()
    }, this.#limits.keepPlaceMs).unref()
  }

  /** Slots go to the first in the queue; one who is not asking at the moment has its slot kept for as long as its place. */
  #serve(): void {
    let position = 0
    for (const [peer, waiting] of [...this.#queue]) {
      if (++position > this.#free()) return
      if (waiting.held.size === 0) continue
      for (const tell of [...waiting.held]) tell(this.#admit(peer))
      position--
    }
  }
}
