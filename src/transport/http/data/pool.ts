/** The connections of the data plane: few to each holder, long reads alone on theirs, short ones one behind the other. */
import type { PeerUrl } from '../../../streams/ports.js'
import { type Address, addressOf, type Carrier } from '../carrier.js'
import { CallFailed, StaleConnection } from '../failure.js'
import {
  type HttpLimits,
  MAX_DATA_SOCKETS_PER_PEER,
  MAX_PIPELINE_SOCKETS_PER_PEER,
  MAX_PIPELINED,
  MAX_SOCKETS,
  MAX_WAITING_READS
} from '../limits.js'
import { Connection, type Throttle } from './connection.js'
import type { DataRequest } from './exchange.js'

/** `long` has a connection to itself, `fresh` a new one; `short` shares. */
type Kind = 'long' | 'short' | 'fresh'

interface Place {
  readonly connection: Connection
  /** Nothing is sent behind what it carries now. */
  alone: boolean
}

interface Holder {
  readonly key: string
  readonly address: Address
  readonly places: Set<Place>
  /** Who waits for a place, first come first served. */
  readonly waiting: Set<{ readonly kind: Kind; readonly begin: (place: Place) => void; readonly giveUp: () => void }>
}

interface PoolInit {
  readonly carrier: Carrier
  readonly limits: HttpLimits
  readonly throttleFor: (holder: string) => Throttle
}

export class DataPool {
  readonly #init: PoolInit
  readonly #holders = new Map<string, Holder>()
  #sockets = 0
  #generation = 0

  constructor(init: PoolInit) {
    this.#init = init
  }

  /** Resolves with what the request makes of the head of its answer. Rejects with {@link CallFailed}. */
  async send<T>(peer: PeerUrl, request: DataRequest<T>, kind: 'long' | 'short'): Promise<T> {
    const generation = this.#generation
    try {
      return await this.#send(peer, request, kind)
    } catch (error) {
      const worthwhile = error instanceof StaleConnection && generation === this.#generation && !request.signal.aborted
      if (!worthwhile) throw error
      return await this.#send(peer, request, 'fresh')
    }
  }

  /** Breaks off what is under way and closes everything; whoever asks after that gets new connections. */
  closeAll(): void {
    this.#generation++
    for (const holder of this.#holders.values()) {
      for (const { giveUp } of holder.waiting) giveUp()
      for (const { connection } of holder.places) connection.close()
    }
  }

  #send<T>(peer: PeerUrl, request: DataRequest<T>, kind: Kind): Promise<T> {
    const { signal } = request
    return new Promise<T>((resolve, reject) => {
      if (signal.aborted) throw new CallFailed('reset', 'taken back')
      const address = addressOf(peer, this.#init.carrier)
      const key = `${address.hostname} ${address.port}`
      const holder = this.#holders.get(key) ?? { key, address, places: new Set(), waiting: new Set() }
      this.#holders.set(key, holder)
      // Sent at once, so that the place is seen to be taken by whoever looks next.
      const begin = (place: Place) => {
        place.alone = kind !== 'short'
        place.connection.send(request).then(resolve, reject)
      }
      const place = this.#choose(holder, kind)
      if (place !== undefined) begin(place)
      else this.#wait(holder, kind, signal, begin, reject)
    })
  }

  /** A place to send from at once, if there is one. */
  #choose(holder: Holder, kind: Kind): Place | undefined {
    let best: Place | undefined
    let shared = 0
    for (const place of holder.places) {
      const { takesMore, inFlight } = place.connection
      if (inFlight > 0 && !place.alone) shared++
      if (!takesMore || kind === 'fresh' || (inFlight > 0 && (kind === 'long' || place.alone))) continue
      if (inFlight < (best?.connection.inFlight ?? MAX_PIPELINED)) best = place
    }
    if (best?.connection.inFlight === 0) return best
    const more = kind === 'short' ? shared < MAX_PIPELINE_SOCKETS_PER_PEER : true
    return (more ? this.#connect(holder) : undefined) ?? best
  }

  #connect(holder: Holder): Place | undefined {
    if (holder.places.size >= MAX_DATA_SOCKETS_PER_PEER) this.#closeIdle(holder)
    if (this.#sockets >= MAX_SOCKETS) [...this.#holders.values()].some((other) => this.#closeIdle(other))
    // Looked at again: what has become free may have been taken at once by somebody who waited for it.
    if (holder.places.size >= MAX_DATA_SOCKETS_PER_PEER || this.#sockets >= MAX_SOCKETS) return undefined
    const connection = new Connection({
      address: holder.address,
      carrier: this.#init.carrier,
      limits: this.#init.limits,
      throttle: this.#init.throttleFor(holder.key),
      onChange: ({ isOpen }) => {
        if (isOpen || !holder.places.delete(place)) {
          this.#next(holder)
          return
        }
        const wasFull = this.#sockets-- >= MAX_SOCKETS
        for (const each of wasFull ? [...this.#holders.values()] : [holder]) this.#next(each)
      }
    })
    const place = { connection, alone: false }
    holder.places.add(place)
    this.#sockets++
    return place
  }

  #closeIdle(holder: Holder): boolean {
    for (const { connection } of holder.places) {
      if (connection.inFlight > 0) continue
      connection.close()
      return true
    }
    return false
  }

  #wait(
    { waiting }: Holder,
    kind: Kind,
    signal: AbortSignal,
    begin: (place: Place) => void,
    reject: (error: CallFailed) => void
  ): void {
    if (waiting.size >= MAX_WAITING_READS) throw new CallFailed('refused', 'too many reads wait for this holder')
    const leave = () => {
      waiting.delete(waiter)
      signal.removeEventListener('abort', giveUp)
    }
    const giveUp = () => {
      leave()
      reject(new CallFailed('reset', 'taken back'))
    }
    const waiter = {
      kind,
      giveUp,
      begin: (place: Place) => {
        leave()
        begin(place)
      }
    }
    waiting.add(waiter)
    signal.addEventListener('abort', giveUp)
  }

  /** Something has become free for those who wait for this holder. */
  #next(holder: Holder): void {
    const full = new Set<Kind>()
    for (const waiter of holder.waiting) {
      const place = full.has(waiter.kind) ? undefined : this.#choose(holder, waiter.kind)
      if (place === undefined) full.add(waiter.kind)
      else waiter.begin(place)
    }
    const isEmpty = holder.places.size === 0 && holder.waiting.size === 0
    if (isEmpty && this.#holders.get(holder.key) === holder) this.#holders.delete(holder.key)
  }
}
