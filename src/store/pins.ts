/** Whom we met where at first contact, kept in the state where there is one. */
import type { Pins } from '../streams/ports.js'
import type { State, StatePart } from './state.js'

/** Addresses remembered, several for each peer one can know; the one that was not met for longest goes first. */
const MAX_PINS = 4_096

export interface StatePins extends Pins {
  /** Has to come first. */
  readonly load: () => Promise<void>
}

/** `onProblem` is told when something could not be written; it is remembered until the process ends then. */
export function createPins(open: (() => Promise<State>) | undefined, onProblem: (error: unknown) => void): StatePins {
  const pins = new Map<string, string>()
  let part: StatePart<string> | undefined

  function forget(address: string): void {
    if (pins.delete(address)) part?.del(address).catch(onProblem)
  }

  return {
    async load() {
      part = (await open?.())?.text('pins')
      if (part === undefined) return
      for await (const page of part.entries()) for (const [address, id] of page) pins.set(address, id)
    },
    get(address) {
      const id = pins.get(address)
      if (id === undefined) return undefined
      pins.delete(address)
      pins.set(address, id)
      return id
    },
    set(address, id) {
      const [oldest] = pins.keys()
      if (pins.size >= MAX_PINS && !pins.has(address) && oldest !== undefined) forget(oldest)
      pins.set(address, id)
      part?.put(address, id).catch(onProblem)
    },
    forget
  }
}
