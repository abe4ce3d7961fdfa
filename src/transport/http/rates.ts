/** How fast bytes may come and go: token buckets, over all and for each peer, which may change while bytes flow. */

/** Bytes a second; what is absent has no bound. A rate is taken as at least 32 KiB/s. */
export interface Rates {
  readonly uploadBytesPerSecond?: number | undefined
  readonly downloadBytesPerSecond?: number | undefined
  /** To each peer, for itself. */
  readonly uploadBytesPerSecondPerPeer?: number | undefined
  /** From each holder, for itself. */
  readonly downloadBytesPerSecondPerPeer?: number | undefined
}

/** Slower than that, time-outs of both sides would end what is just slow. */
const LEAST_BYTES_PER_SECOND = 32 * 1_024
/** What is taken at once at the most: so much time of the rate. Changes are felt after it, and nobody hears nothing for long. */
const SLICE_MS = 25
/** What may be saved up while nobody waits: the time that a sender needs between two slices. Who is away longer has saved nothing. */
const SAVED_MS = 50
/** What may be owed, so that a slice of a high rate is no silence at a low one. */
const OWED_MS = 2_000
/** Peers whose buckets are remembered; a forgotten one begins anew with an empty one. */
const MAX_PEERS = 1_024

/** One rate, shared first come first served. Without a rate it costs nothing. */
export class Bucket {
  #rate: number | undefined
  #tokens = 0
  #filledAtMs = 0
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(bytesPerSecond?: number) {
    this.setRate(bytesPerSecond)
  }

  /** Takes effect at once, for those who wait too. */
  setRate(bytesPerSecond: number | undefined): void {
    const rate = bytesPerSecond === undefined ? undefined : Math.max(LEAST_BYTES_PER_SECOND, bytesPerSecond)
    if (rate === this.#rate) return
    this.#fill()
    // What was owed at the old rate was owed in time, not in bytes.
    if (this.#rate !== undefined && rate !== undefined) this.#tokens *= rate / this.#rate
    else this.#tokens = 0
    this.#rate = rate
    this.#filledAtMs = performance.now()
    this.#serve()
  }

  sliceBytes(): number {
    return this.#rate === undefined ? Infinity : Math.ceil((this.#rate * SLICE_MS) / 1_000)
  }

  /** Resolves when it is this one's turn; nothing when there is nothing to wait for. */
  take(bytes: number): Promise<void> | undefined {
    if (this.#rate === undefined) return undefined
    this.#fill()
    if (this.#waiting.length === 0 && this.#tokens >= this.#price(bytes)) {
      this.#tokens -= bytes
      return undefined
    }
    return new Promise((go) => {
      if (this.#waiting.push({ bytes, go }) === 1) this.#serve()
    })
  }

  /** What has to be there beforehand; what is larger than a slice (it has come already) is paid off afterwards. */
  #price(bytes: number): number {
    return Math.min(bytes, this.sliceBytes())
  }

  #fill(): void {
    if (this.#rate === undefined) return
    const nowMs = performance.now()
    this.#tokens += ((nowMs - this.#filledAtMs) * this.#rate) / 1_000
    this.#filledAtMs = nowMs
    // A timer that comes late takes nothing from those who wait.
    const saved = (this.#rate * SAVED_MS) / 1_000
    if (this.#waiting.length === 0 && this.#tokens > saved) this.#tokens = 0
  }

  #serve(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#fill()
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (this.#rate !== undefined) {
        const mostOwed = (this.#rate * OWED_MS) / 1_000
        const missing = this.#price(first.bytes) - this.#tokens
        if (missing > 0) {
          this.#timer = setTimeout(() => this.#serve(), Math.max(1, (missing / this.#rate) * 1_000))
          return
        }
        this.#tokens = Math.max(this.#tokens - first.bytes, -mostOwed)
      }
      this.#waiting.shift()
      first.go()
    }
  }
}

/** One direction: a bucket for all, and one for each peer. */
class Direction {
  readonly #all = new Bucket()
  readonly #peers = new Map<string, Bucket>()
  #perPeer: number | undefined

  setRates(all: number | undefined, perPeer: number | undefined): void {
    this.#all.setRate(all)
    this.#perPeer = perPeer
    for (const bucket of this.#peers.values()) bucket.setRate(perPeer)
    if (perPeer === undefined) this.#peers.clear()
  }

  sliceBytes(peer: string): number {
    return Math.min(this.#all.sliceBytes(), this.#of(peer)?.sliceBytes() ?? Infinity)
  }

  take(peer: string, bytes: number): Promise<void> | undefined {
    const own = this.#of(peer)?.take(bytes)
    return own === undefined ? this.#all.take(bytes) : own.then(() => this.#all.take(bytes))
  }

  #of(peer: string): Bucket | undefined {
    if (this.#perPeer === undefined) return undefined
    const known = this.#peers.get(peer)
    if (known !== undefined) return known
    const [oldest] = this.#peers.keys()
    if (this.#peers.size >= MAX_PEERS && oldest !== undefined) this.#peers.delete(oldest)
    const bucket = new Bucket(this.#perPeer)
    this.#peers.set(peer, bucket)
    return bucket
  }
}

/** The rates of one peer. */
export class RateLimits {
  readonly upload = new Direction()
  readonly download = new Direction()

  constructor(rates: Rates = {}) {
    this.set(rates)
  }

  set(rates: Rates): void {
    this.upload.setRates(rates.uploadBytesPerSecond, rates.uploadBytesPerSecondPerPeer)
    this.download.setRates(rates.downloadBytesPerSecond, rates.downloadBytesPerSecondPerPeer)
  }
}
