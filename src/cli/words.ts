/** What a transfer says in passing: that it goes on from an earlier try, that its source has changed, or what it waits for. */
import { tap } from 'rxjs'
import type { Progress } from '../index.js'
import type { Engine } from './fetching.js'
import { formatSize, printable, type Say } from './output.js'
import { waitsFor } from './rows.js'

/** The same engine, with a word where something happens that silence, or a bar where there is one, would not tell. */
export function worded(engine: Engine, tell: Say, hasBar: boolean): Engine {
  /** Said once for each reason, not with each of many tries. */
  const told = new Set<string>()
  const speak = ({ name, state, code = '', resumed }: Progress) => {
    if (resumed !== undefined) tell(...goesOn(name, resumed))
    const key = `${name} ${code}`
    if (hasBar || state !== 'waiting' || told.has(key)) return
    told.add(key)
    tell(`${printable(name)} ${waitsFor(code)}, and goes on by itself then.`, 'yellow')
  }
  return { ...engine, fetch: (name, options) => engine.fetch(name, options).pipe(tap(speak)) }
}

function goesOn(name: string, { bytes, changed }: { bytes: number; changed: boolean }): Parameters<Say> {
  const size = formatSize(bytes)
  if (!changed) return [`Going on with ${printable(name)}: ${size} are here already.`]
  return [
    `${printable(name)} has changed since the last try: begun again, with ${size} that are still right.`,
    'yellow'
  ]
}
