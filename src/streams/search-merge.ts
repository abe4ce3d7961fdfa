/**
 * Many sources, one consumer, and the pace is the consumer's: each source waits with one batch until that is taken and more is
 * asked for. So a find holds one batch for each neighbour, however much there is.
 */
import { bytesOf, MAX_BATCH_BYTES, MAX_BATCH_HITS } from './hits.js'
import type { Hit, Trace } from './ports.js'

export type Item = Hit | Trace

export interface MergeInit {
  /** What of an item is to be told, if anything. */
  readonly fit: (item: Item) => Item | undefined
  /** No more is to be told. */
  readonly isEnough: () => boolean
  /** Takes a batch to the consumer; the next one comes when `next` was called, once. */
  readonly out: (items: readonly Item[], next: () => void) => void
  /** All that could be told for the time being has been told. */
  readonly settled: () => void
}

export interface Merge {
  /** What a source has to say. It says no more before `next` is called, which happens once. */
  readonly put: (items: readonly Item[], next: () => void) => void
  /** Whether nothing waits. */
  readonly isEmpty: () => boolean
  /** Drops what waits and takes no more. These last ones are told as far as the consumer asks for them now. */
  readonly close: (last: readonly Item[]) => void
}

interface Waiting {
  readonly items: readonly Item[]
  readonly next: () => void
  at: number
  /** Taken already, but there was no room for it. */
  held?: Item | undefined
}

export function createMerge({ fit, isEnough, out, settled }: MergeInit): Merge {
  // At most one of each source.
  const waiting: Waiting[] = []
  /** The sources of the batch that the consumer has now. */
  let taken: (() => void)[] = []
  let wanted = true
  let flowing = false
  let closed = false

  /** Tells what can be told. Sources and the consumer may answer at once, from within: then the same loop goes on. */
  function flow(): void {
    if (flowing) return
    flowing = true
    while (wanted && !closed && !isEnough() && waiting.length > 0) {
      const items = take()
      if (items.length > 0) send(items)
    }
    flowing = false
    if (!closed) settled()
  }

  function send(items: readonly Item[]): void {
    let asked = false
    wanted = false
    out(items, () => {
      if (asked) return
      asked = true
      wanted = true
      const sources = taken
      taken = []
      if (closed) return
      if (!isEnough()) for (const next of sources) next()
      flow()
    })
  }

  /** A batch made of what the sources have, the one that has waited longest first. */
  function take(): readonly Item[] {
    const items: Item[] = []
    let bytes = 0
    for (let [first] = waiting; first !== undefined; [first] = waiting) {
      const before = items.length
      while (first.at < first.items.length && !isEnough()) {
        const item = first.held ?? fit(first.items[first.at] as Item)
        first.held = undefined
        if (item !== undefined) {
          const size = bytesOf(item)
          if (items.length === MAX_BATCH_HITS || (bytes + size > MAX_BATCH_BYTES && items.length > 0)) {
            first.held = item
            return items
          }
          items.push(item)
          bytes += size
        }
        first.at++
      }
      waiting.shift()
      // Who had nothing new takes no room, and may go on.
      if (items.length > before) taken.push(first.next)
      else first.next()
      if (isEnough() || closed) break
    }
    return items
  }

  return {
    put(items, next) {
      if (closed) return
      waiting.push({ items, next, at: 0 })
      flow()
    },
    isEmpty: () => waiting.length === 0,
    close(last) {
      closed = true
      waiting.length = 0
      for (let at = 0; at < last.length && wanted; at += MAX_BATCH_HITS) send(last.slice(at, at + MAX_BATCH_HITS))
    }
  }
}
