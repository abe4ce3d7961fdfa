/** `p2p-rx query`: who has the file of one name; fetches nothing. */
import { lastValueFrom, takeUntil } from 'rxjs'
import type { FindBody } from '../control/messages.js'
import { type Offer, P2pError } from '../index.js'
import { gather } from './find-output.js'
import { type Finder, type FinderFlags, finderOf, nothingFound, timeoutMsOf, waitedInVain } from './finder.js'
import { createFindings } from './findings.js'
import { answer, formatSize, writeJson } from './output.js'
import { type Stops, stoppedExitCode, watchStops } from './stop.js'
import { traceTree } from './trace-tree.js'

export interface QueryFlags extends FinderFlags {
  readonly trace?: boolean
  readonly json?: boolean
}

export async function query(name: string, flags: QueryFlags): Promise<number> {
  const stops = watchStops()
  const finder = await finderOf(flags)
  try {
    const offer = await (flags.trace ? traced(name, finder, flags, stops) : offered(name, finder, stops))
    if (stops.reason !== undefined) return stoppedExitCode(stops.reason)
    if (offer !== undefined) tell(offer, flags.json === true)
    return 0
  } finally {
    await finder.close()
  }
}

/** The first offer, as `get` would take it. */
async function offered(name: string, finder: Finder, { stop$ }: Stops): Promise<Offer | undefined> {
  return lastValueFrom(finder.query(name).pipe(takeUntil(stop$)), { defaultValue: undefined })
}

/** A find of this very name hears all, and of every call. */
async function traced(name: string, finder: Finder, flags: QueryFlags, stops: Stops): Promise<Offer | undefined> {
  const timeoutMs = timeoutMsOf(flags)
  const body: FindBody = { pattern: { kind: 'name', text: name }, timeoutMs, trace: true }
  const findings = createFindings()
  const tookMs = await gather(finder.find(body).pipe(takeUntil(stops.stop$)), findings)
  const calls = findings.calls()
  if (flags.json) for (const call of calls) writeJson({ type: 'call', ...call })
  else for (const line of traceTree(calls)) answer(line)
  const [first] = findings.files()
  if (first !== undefined || stops.reason !== undefined) return first
  const known = await finder.peers()
  const missed = nothingFound(`Couldn't find the file ${name}`, known, waitedInVain(tookMs, timeoutMs))
  throw new P2pError(missed.code, missed.message, { advice: 'Check the spelling, or ask more peers.' })
}

function tell({ name, size, root, holders, relays }: Offer, json: boolean): void {
  if (json) {
    writeJson({ type: 'offer', name, size, root, holders, ...(relays === undefined ? {} : { relays }) })
    return
  }
  answer(row('name', name))
  answer(row('size', formatSize(size)))
  answer(row('root', root ?? 'not known yet'))
  for (const holder of holders) answer(row('holder', holder))
}

const row = (what: string, value: string) => `${what.padEnd(8)}${value}`
