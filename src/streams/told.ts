/**
 * What has been told already, as hashes of 53 bits in bounded memory: never the things themselves. When it is full, what was
 * told longest ago is forgotten, and may be told again.
 */

export interface Told {
  /** Remembers a {@link hash53}, and says whether it is new. */
  readonly add: (hash: number) => boolean
}

export function createTold(capacity: number): Told {
  // Two halves: when the young one is full, it becomes the old one, and what was old is forgotten.
  const half = Math.max(1, Math.ceil(capacity / 2))
  let young = new Numbers()
  let old = new Numbers()
  return {
    add(hash) {
      if (!young.add(hash)) return false
      const isNew = !old.has(hash)
      if (young.size >= half) {
        old = young
        young = new Numbers()
      }
      return isNew
    }
  }
}

/** Numbers other than 0, in 16 to 32 bytes each; a `Set` takes twice that, and the collector walks through it. */
class Numbers {
  #slots = new Float64Array(64)
  #size = 0

  get size(): number {
    return this.#size
  }

  has(number: number): boolean {
    return this.#slots[this.#slotOf(number)] === number
  }

  add(number: number): boolean {
    const slot = this.#slotOf(number)
    if (this.#slots[slot] === number) return false
    this.#slots[slot] = number
    this.#size++
    if (this.#size * 2 > this.#slots.length) this.#grow()
    return true
  }

  /** Where the number is, or belongs: from its own place on, the first that is free. */
  #slotOf(number: number): number {
    const last = this.#slots.length - 1
    // The low bits of the number, which may have more than 32.
    let slot = number & last
    while (this.#slots[slot] !== 0 && this.#slots[slot] !== number) slot = slot === last ? 0 : slot + 1
    return slot
  }

  #grow(): void {
    const before = this.#slots
    this.#slots = new Float64Array(before.length * 2)
    for (const number of before) if (number !== 0) this.#slots[this.#slotOf(number)] = number
  }
}

/**
 * Two lanes of 32 bits, each turned and multiplied for every character; never 0. A seed that nobody else knows keeps others
 * from making up a text that passes for another one. The hash of one text may be the seed of the next.
 */
export function hash53(text: string, seed: number): number {
  let low = seed ^ 0x2545f491
  let high = Math.floor(seed / 2 ** 21) ^ 0x1b873593
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    low = Math.imul(((low << 5) | (low >>> 27)) ^ unit, 0x9e3779b1)
    high = Math.imul(((high << 7) | (high >>> 25)) ^ unit, 0x85ebca6b)
  }
  low = stirred(low ^ (high >>> 11))
  high = stirred(high ^ (low >>> 7))
  return (high & 0x1fffff) * 2 ** 32 + (low >>> 0) || 1
}

function stirred(bits: number): number {
  const once = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  const twice = Math.imul(once ^ (once >>> 13), 0xc2b2ae35)
  return twice ^ (twice >>> 16)
}
