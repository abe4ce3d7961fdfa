/** How many copies there are of what is in reach. Pure. */
import type { FoundFile, PeerUrl } from '../index.js'
import { holdersOf, type Named } from './findings.js'
import { formatSize } from './output.js'

/** One content, whatever it is called. */
export interface NetworkFile {
  readonly name: string
  /** What else it is called. */
  readonly otherNames?: readonly string[]
  readonly size: number
  /** Absent while nobody has hashed it: then it is told apart by its name and size alone. */
  readonly root?: string
  /** Peers that have it. */
  readonly copies: number
  readonly holders: readonly PeerUrl[]
}

/** In the order of their names. */
export function networkFiles(found: readonly FoundFile[], named: Named): readonly NetworkFile[] {
  const groups = new Map<string, FoundFile[]>()
  for (const file of found) {
    const key = file.root ?? `${file.size} ${file.name}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [file])
    else group.push(file)
  }
  return [...groups.values()].map((group) => together(group, named)).sort(byName)
}

function together(group: readonly FoundFile[], named: Named): NetworkFile {
  const names = [...new Set(group.flatMap(({ name, otherNames = [] }) => [name, ...otherNames]))]
  const holders = [...holdersOf(group, named)]
  const [name = '', ...otherNames] = names
  const { size = 0, root } = group[0] ?? {}
  return {
    name,
    ...(otherNames.length === 0 ? {} : { otherNames }),
    size,
    ...(root === undefined ? {} : { root }),
    copies: holders.length,
    holders
  }
}

/** What is lost when one peer leaves, by peer. */
export function rareFiles(files: readonly NetworkFile[]): readonly NetworkFile[] {
  const owner = ({ holders: [holder = ''] }: NetworkFile) => holder
  return files
    .filter(({ copies }) => copies === 1)
    .sort((one, other) => compare(owner(one), owner(other)) || byName(one, other))
}

/** All of it in one sentence. */
export function totalsOf(files: readonly NetworkFile[]): string {
  const rare = rareFiles(files)
  const renamed = files.filter(({ otherNames }) => otherNames !== undefined).length
  const unhashed = files.filter(({ root }) => root === undefined).length
  const peers = holdersOf(files, (url) => url).size
  return [
    `${filesOf(files.length)} (${bytesOf(files)}) at ${peers} ${peers === 1 ? 'peer' : 'peers'}`,
    `${rare.length} of them (${bytesOf(rare)}) at one only`,
    ...(renamed === 0 ? [] : [`${renamed} under several names`]),
    ...(unhashed === 0 ? [] : [`${unhashed} not hashed yet`])
  ].join('; ')
}

export const filesOf = (count: number) => `${count} ${count === 1 ? 'file' : 'files'}`

function bytesOf(files: readonly NetworkFile[]): string {
  return formatSize(files.reduce((sum, { size }) => sum + size, 0))
}

const byName = (one: NetworkFile, other: NetworkFile) => compare(one.name, other.name)

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
