/**
 * Who is served now and who waits: one slot for each peer that downloads, whatever number of requests it makes, and a
 * queue in the order in which the others came. A place in it outlives a request, so that a peer may ask again and again.
 *
 * A peer says itself who it is, so one address could be any number of them: some slots and places are always for others.
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

/**
 * The part of the slots, and of the places in the queue, that one address can have, loopback included: many peers may be
 * behind one, but somebody who invents peers does not shut the others out.
 */
const ADDRESS_PART = 0.75

/** Who downloads. */
export interface Downloader {
  readonly address: string
  /** Tells it from the others at its address. */
  readonly id: string
  /** It is the same peer then, wherever it comes from. */
  readonly isProven?: boolean
}

/** Under which a peer is counted. */
export function nameOfPeer({ address, id, isProven = false }: Downloader): string {
  return isProven ? id : `${address} ${id}`
}

/** What a request is told. Whoever may enter has to `leave` once, when its answer has ended. */
export type Admission =
  | { readonly type: 'entered'; readonly leave: () => void }
  | { readonly type: 'queued'; readonly position: number }
  | { readonly type: 'full' }

interface Served {
  readonly address: string
  requests: number
  timer: NodeJS.Timeout | undefined
}

interface Waiting {
  readonly address: string
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
  enter(downloader: Downloader, signal: AbortSignal): Admission | Promise<Admission> {
    const { address } = downloader
    const peer = nameOfPeer(downloader)
    const waiting = this.#queue.get(peer)
    const asking: Waiting = waiting ?? { address, held: new Set(), timer: undefined }
    if (this.#served.has(peer) || this.#next(new Map(this.#queue).set(peer, asking)).includes(peer))
      return this.#admit(peer, address)
    if (waiting !== undefined) return this.#hold(peer, waiting, signal)
    const { maxQueued } = this.#limits
    const ofAddress = countsOf(this.#queue).get(address) ?? 0
    if (this.#queue.size >= maxQueued || ofAddress >= partOf(maxQueued)) return { type: 'full' }
    this.#queue.set(peer, asking)
    this.#keepPlace(peer, asking)
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

  /** Who of a queue can have a slot now. Who has to leave room for other addresses is passed over. */
  #next(queue: ReadonlyMap<string, Waiting>): readonly string[] {
    const { slots } = this.#limits
    let free = slots - this.#served.size
    const counts = countsOf(this.#served)
    const chosen: string[] = []
    for (const [peer, { address }] of queue) {
      if (free <= 0) break
      const count = counts.get(address) ?? 0
      if (count >= partOf(slots)) continue
      counts.set(address, count + 1)
      chosen.push(peer)
      free--
    }
    return chosen
  }

  /** Beginning with 1. */
  #positionOf(peer: string): number {
    let position = 1
    for (const other of this.#queue.keys()) {
      if (other === peer) break
      position++
    }
    return position
  }

  #admit(peer: string, address: string): Admission {
    clearTimeout(this.#queue.get(peer)?.timer)
    this.#queue.delete(peer)
    const served = this.#served.get(peer) ?? { address, requests: 0, timer: undefined }
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
    for (const peer of this.#next(this.#queue)) {
      const { held, address } = this.#queue.get(peer) ?? { held: [], address: '' }
      for (const tell of [...held]) tell(this.#admit(peer, address))
    }
  }
}

/** What one address can have of so many; never nothing. */
const partOf = (all: number) => Math.max(1, Math.floor(all * ADDRESS_PART))

/** How many there are of each address. */
function countsOf(peers: ReadonlyMap<string, { readonly address: string }>): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { address } of peers.values()) counts.set(address, (counts.get(address) ?? 0) + 1)
  return counts
}
