/** Who asked whom in a find, as a tree for people. */
import type { Trace } from '../index.js'

/** Lines of the tree, the asker first. They hold what others say, and are not yet fit for a terminal. */
export function traceTree(calls: readonly Trace[]): readonly string[] {
  const made = new Map<string, Trace[]>()
  for (const call of calls) {
    const of = keyOf(call.from, call.depth)
    const sofar = made.get(of)
    if (sofar === undefined) made.set(of, [call])
    else sofar.push(call)
  }
  /** What a peer asked hangs below the call that made it ask; all that is taken is no longer there for another. */
  const take = (key: string): readonly Trace[] => {
    const own = made.get(key) ?? []
    made.delete(key)
    return own
  }
  const below = (callsHere: readonly Trace[], indent: string): string[] =>
    callsHere.flatMap((call, index) => {
      const last = index === callsHere.length - 1
      // Whoever had seen it already asked for somebody else's sake.
      const next = call.outcome === 'seen' ? [] : take(keyOf(call.to, call.depth + 1))
      const line = `${indent}${last ? '└─' : '├─'} ${call.to}  ${outcomeOf(call)}`
      return [line, ...below(next, `${indent}${last ? '   ' : '│  '}`)]
    })
  const own = [...made.keys()].filter(isOwn).flatMap(take)
  const tree = ['you', ...below(own, '')]
  // The call that made these ask was taken back, or is told of under another address. The nearest first.
  const lost = [...made.keys()].sort()
  return [...tree, ...lost.flatMap((key) => lostBelow(take(key)))]

  function lostBelow(theirs: readonly Trace[]): readonly string[] {
    const [first] = theirs
    return first === undefined ? [] : [first.from, ...below(theirs, '')]
  }
}

const isOwn = (key: string) => key.startsWith('0 ')
const keyOf = (url: string, depth: number) => `${depth} ${url}`

function outcomeOf({ outcome, hits, tookMs, detail }: Trace): string {
  const time = `${Math.max(1, Math.round(tookMs))} ms`
  const files = `${hits} ${hits === 1 ? 'file' : 'files'}`
  switch (outcome) {
    case 'answered':
      return `${files} in ${time}`
    case 'missed':
      return `nothing, ${time}`
    case 'seen':
      return `had it already, ${time}`
    case 'declined':
      return `declined, ${time}`
    case 'timed-out':
      return `timed out after ${time}${hits > 0 ? `, with ${files}` : ''}`
    case 'taken-back':
      return `taken back after ${time}${hits > 0 ? `, with ${files}` : ''}`
    case 'failed':
      return `failed after ${time}${detail === undefined ? '' : `: ${detail}`}`
  }
}
