/** What a find has brought so far, put together from its lines. */
import type { FindLine } from '../control/messages.js'
import type { FoundFile, KnownPeer, PeerUrl, Trace } from '../index.js'

/** Of a trace: as many as a peer believes of one neighbour. */
const MAX_CALLS = 10_000

export interface Findings {
  readonly take: (line: FindLine) => void
  /** In the order of their first arrival; as many as were wanted. */
  readonly files: () => readonly FoundFile[]
  readonly calls: () => readonly Trace[]
}

export function createFindings(): Findings {
  const files = new Map<string, FoundFile>()
  const calls: Trace[] = []
  return {
    take(line) {
      if (line.type === 'found') {
        const { type: _, ...file } = line
        files.set(file.key, file)
      } else if (line.type === 'holder-found') {
        const known = files.get(line.key)
        if (known === undefined) return
        const names = [...(known.otherNames ?? []), ...(line.otherNames ?? [])]
        const holders = [...known.holders, ...line.holders]
        files.set(line.key, { ...known, holders, ...(names.length === 0 ? {} : { otherNames: names }) })
      } else if (calls.length < MAX_CALLS) {
        const { type: _, ...call } = line
        calls.push(call)
      }
    },
    files: () => [...files.values()],
    calls: () => calls
  }
}

/** One name for a peer with several addresses, as far as they are known to be its. */
export type Named = (url: PeerUrl) => PeerUrl

export function namedBy(known: readonly KnownPeer[]): Named {
  const names = new Map<PeerUrl, PeerUrl>()
  for (const { url, urls = [] } of known) for (const other of urls) names.set(other, url)
  return (url) => names.get(url) ?? url
}

/** Everybody who has one of these, once. */
export function holdersOf(files: readonly Pick<FoundFile, 'holders'>[], named: Named): ReadonlySet<PeerUrl> {
  return new Set(files.flatMap(({ holders }) => holders.map(named)))
}
