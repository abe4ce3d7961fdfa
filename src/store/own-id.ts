/** The id of a peer without a key: random, and the same in each of its processes, so that it is known again at another address. */
import type { StatePart } from './state.js'

const KEY = 'id'
const MAX_ID_CHARS = 64

/** The id of earlier processes, or from now on this one. */
export async function keptId(part: StatePart<string>, fresh: string): Promise<string> {
  const kept = await part.get(KEY)
  if (kept !== undefined && kept !== '' && kept.length <= MAX_ID_CHARS) return kept
  await part.put(KEY, fresh)
  return fresh
}
