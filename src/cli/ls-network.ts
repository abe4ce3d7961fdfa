/** `p2p-rx ls --network`: every file in reach, and how many copies there are of it. */
import { takeUntil } from 'rxjs'
import { type FindBody, MAX_FIND_LIMIT } from '../control/messages.js'
import { gather } from './find-output.js'
import { type FinderFlags, finderOf, nothingFound, timeoutMsOf, waitedInVain } from './finder.js'
import { createFindings, namedBy } from './findings.js'
import { type NetworkFile, networkFiles, rareFiles, totalsOf } from './network-files.js'
import { answer, formatSize, say, writeJson } from './output.js'
import { stoppedExitCode, watchStops } from './stop.js'

export interface LsNetworkFlags extends FinderFlags {
  readonly rare?: boolean
  readonly json?: boolean
}

export async function lsNetwork(flags: LsNetworkFlags): Promise<number> {
  const stops = watchStops()
  const timeoutMs = timeoutMsOf(flags)
  const body: FindBody = { pattern: { kind: 'glob', text: '**' }, limit: MAX_FIND_LIMIT, timeoutMs }
  const finder = await finderOf(flags)
  try {
    const findings = createFindings()
    const tookMs = await gather(finder.find(body).pipe(takeUntil(stops.stop$)), findings)
    if (stops.reason !== undefined) return stoppedExitCode(stops.reason)
    const known = await finder.peers()
    const found = findings.files()
    if (found.length === 0) throw nothingFound('There is no file in reach', known, waitedInVain(tookMs, timeoutMs))
    const files = networkFiles(found, namedBy(known))
    show(flags.rare ? rareFiles(files) : files, flags)
    say(`${totalsOf(files)}.`)
    if (found.length >= MAX_FIND_LIMIT) say(`Stopped at ${MAX_FIND_LIMIT} files: there may be more, and more copies.`)
    if (waitedInVain(tookMs, timeoutMs)) say('Not all peers may have answered in time: there may be more copies.')
    return 0
  } finally {
    await finder.close()
  }
}

function show(files: readonly NetworkFile[], { rare = false, json = false }: LsNetworkFlags): void {
  if (json) {
    for (const file of files) writeJson(file)
    return
  }
  for (const { name, otherNames = [], size, copies, holders } of files) {
    // Of what one peer has, it matters which.
    const where = rare ? `  ${holders[0] ?? ''}` : `${copies}`.padStart(4)
    answer(`${formatSize(size).padStart(10)}${where}  ${name}`)
    for (const other of otherNames) answer(`${' '.repeat(10)}${rare ? '  ' : '    '}  also ${other}`)
  }
}
