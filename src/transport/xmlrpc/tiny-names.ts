/** Which of our files a TinyP2P client may know of. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { compareNames } from '../../streams/names.js'
import type { Inbound } from '../../streams/ports.js'
import type { Search } from './python-pattern.js'
import { Fault, OTHER_FAULT } from './serve.js'

/** Names in one answer; what XML-RPC carries is not much more. */
const MAX_TINY_NAMES = 40_000
/** What one pattern may take for all names; others are answered meanwhile. */
const MAX_SEARCH_MS = 800
/** How long names are compared before others have their turn. */
const TURN_MS = 10

/** Nothing sorts behind it in its folder but what begins with it. */
const LAST = '\u{10ffff}'

/**
 * The names that fit. A folder there has no folders: whoever is told `photos/a.jpg` cannot write it, and stops (WIRE W26).
 * Throws a {@link Fault}.
 */
export async function tinyNames(list: Inbound['list'], fits: Search): Promise<string[]> {
  const endMs = performance.now() + MAX_SEARCH_MS
  let turnEndMs = performance.now() + TURN_MS
  const found: string[] = []
  let after = ''
  for (let more = true; more; ) {
    const page = list(after)
    for (const { name } of page.files) {
      after = name
      if (isTinyName(name) && fits(name)) found.push(name)
      if (found.length > MAX_TINY_NAMES) throw new Fault(OTHER_FAULT, `more than ${MAX_TINY_NAMES} names fit`)
      if (performance.now() < turnEndMs) continue
      await nextTurn()
      turnEndMs = performance.now() + TURN_MS
      if (turnEndMs > endMs) throw new Fault(OTHER_FAULT, 'the pattern takes too long')
    }
    more = page.more && page.files.length > 0
    after = behindFolder(after)
  }
  return found
}

/** Whether it is a name without a folder. */
export function isTinyName(name: string): boolean {
  return !name.includes('/')
}

/** From within a folder to behind it: no need to go through thousands that are not told of. */
function behindFolder(name: string): string {
  if (isTinyName(name)) return name
  const end = `${name.slice(0, name.indexOf('/') + 1)}${LAST}`
  return compareNames(end, name) > 0 ? end : name
}
