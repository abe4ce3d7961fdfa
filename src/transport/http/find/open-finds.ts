/** How many finds are open, for whom: each holds a connection here and at every peer behind us. */
import { MAX_FINDS, MAX_FINDS_PER_CALLER, MAX_STANDING_FINDS, MAX_STANDING_FINDS_PER_CALLER } from '../limits.js'

export interface OpenFinds {
  /** Gives what to call when the find has ended, or nothing when there is no room for one more. */
  readonly enter: (caller: string, isStanding: boolean) => (() => void) | undefined
}

export function createOpenFinds(): OpenFinds {
  const standing = createCount(MAX_STANDING_FINDS_PER_CALLER)
  const others = createCount(MAX_FINDS_PER_CALLER)
  return {
    enter(caller, isStanding) {
      if (standing.all() + others.all() >= MAX_FINDS) return undefined
      if (!isStanding) return others.enter(caller)
      return standing.all() >= MAX_STANDING_FINDS ? undefined : standing.enter(caller)
    }
  }
}

/** How many of one kind there are of each caller. */
function createCount(maxPerCaller: number) {
  const counts = new Map<string, number>()
  let all = 0
  return {
    all: () => all,
    enter(caller: string): (() => void) | undefined {
      const own = counts.get(caller) ?? 0
      if (own >= maxPerCaller) return undefined
      counts.set(caller, own + 1)
      all++
      return () => {
        const left = (counts.get(caller) ?? 0) - 1
        if (left > 0) counts.set(caller, left)
        else counts.delete(caller)
        all--
      }
    }
  }
}
