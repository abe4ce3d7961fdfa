/**
 * What is known of the hashes of contents: roots by identity, so that a file that was moved keeps its own, and the hashes
 * of the pieces by root. Kept in the state, when there is one, so that nothing is hashed again by the next process.
 */
import { hash } from 'node:crypto'
import { MAX_SHARED_FILES } from './catalog.js'
import { PIECE_BYTES } from './merkle.js'
import type { State, StatePart } from './state.js'

/** What is not in the folder may come back, as a disk that was not mounted; it is remembered this long. */
const KEPT_DAYS = 30

/** An entry in use is written again when it was written this long ago, so that it does not grow old. */
const RENEWED_DAYS = 7

/** Hashes of pieces held in memory when there is no state: those of 2 TiB of content. */
const MAX_LAYER_BYTES = 64 * 1024 ** 2

/** Between hashing and writing it down; what a process loses that is killed. */
const WRITE_AFTER_MS = 200

const DAY_MS = 86_400_000

export function createHashIndex() {
  const roots = new Map<string, string>()
  /** How many identities of more than one piece each root has: one is dropped for each file that is written over. */
  const uses = new Map<string, number>()
  /** When the entries were written that an earlier process left. */
  const days = new Map<string, number>()
  /** In memory: all of them without a state, and those not written down yet with one. */
  const layers = new Map<string, Uint8Array>()
  /** Identities to write down, and to strike out. */
  const fresh = new Set<string>()
  const dropped = new Set<string>()
  let layerBytes = 0
  /** Which layers the state has. */
  let written: Set<string> | undefined
  let parts: { readonly roots: StatePart<string>; readonly layers: StatePart<Uint8Array> } | undefined
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()

  const today = () => Math.floor(Date.now() / DAY_MS)
  const hasLayer = (root: string) => layers.has(root) || written?.has(root) === true

  function remember(identity: string, root: string, layer?: Uint8Array): void {
    if (layer !== undefined && layer.length > 0 && !hasLayer(root)) keepLayer(root, layer)
    if (isLong(identity) && !hasLayer(root)) return
    setRoot(identity, root)
    if (parts === undefined) return
    fresh.add(identity)
    dropped.delete(identity)
    writeSoon()
  }

  /** Forgets a content that has been written over. */
  function drop(identity: string): void {
    const root = roots.get(identity)
    if (root === undefined) return
    unset(identity)
    if (parts !== undefined) dropped.add(identity)
    if (isLong(identity) && !uses.has(root)) dropLayer(root)
    writeSoon()
  }

  function dropLayer(root: string): void {
    layerBytes -= layers.get(root)?.length ?? 0
    layers.delete(root)
    if (written?.delete(root) === true) parts?.layers.del(root).catch(() => undefined)
  }

  function writeSoon(): void {
    if (parts !== undefined) timer ??= setTimeout(() => void flush(), WRITE_AFTER_MS).unref()
  }

  function setRoot(identity: string, root: string): void {
    // Contents that were rewritten since only take room; the oldest go first.
    for (const oldest of roots.keys()) {
      if (roots.size < MAX_SHARED_FILES) break
      drop(oldest)
    }
    unset(identity)
    roots.set(identity, root)
    if (isLong(identity)) uses.set(root, (uses.get(root) ?? 0) + 1)
  }

  function unset(identity: string): void {
    const root = roots.get(identity)
    roots.delete(identity)
    if (root === undefined || !isLong(identity)) return
    const left = (uses.get(root) ?? 0) - 1
    if (left > 0) uses.set(root, left)
    else uses.delete(root)
  }

  function keepLayer(root: string, layer: Uint8Array): void {
    layers.set(root, layer)
    layerBytes += layer.length
    if (parts !== undefined) return
    for (const [oldest, bytes] of layers) {
      if (layerBytes <= MAX_LAYER_BYTES) break
      layers.delete(oldest)
      layerBytes -= bytes.length
    }
  }

  /** Writes down what is new. What cannot be written is hashed again by the next process. */
  function flush(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    writing = writing.then(write).catch(() => undefined)
    return writing
  }

  async function write(): Promise<void> {
    if (parts === undefined || written === undefined) return
    const day = today()
    const identities = [...fresh]
    const newLayers = [...layers]
    const gone = [...dropped]
    fresh.clear()
    dropped.clear()
    // The hashes of the pieces first: a root without them is of no use.
    await parts.layers.batch(newLayers.map(([key, value]) => ({ type: 'put', key, value })))
    for (const [root, layer] of newLayers) {
      written.add(root)
      layers.delete(root)
      layerBytes -= layer.length
    }
    const known = identities.flatMap((key) => {
      const root = roots.get(key)
      return root === undefined ? [] : [{ type: 'put' as const, key, value: entryOf(key, root, day) }]
    })
    await parts.roots.batch([...known, ...gone.map((key) => ({ type: 'del' as const, key }))])
  }

  /** Takes in what an earlier process left. What is not as we write it is not believed. */
  async function attach(state: State): Promise<void> {
    const opened = { roots: state.text('roots'), layers: state.bytes('layers') }
    const known = new Set<string>()
    for await (const page of opened.layers.keys()) for (const root of page) known.add(root)
    written = known
    for await (const page of opened.roots.entries()) {
      for (const [identity, entry] of page) {
        const [root = '', day = ''] = entry.split(' ')
        if (entry !== entryOf(identity, root, Number(day)) || (isLong(identity) && !known.has(root)))
          days.set(identity, 0)
        else {
          if (!roots.has(identity)) setRoot(identity, root)
          days.set(identity, Number(day))
        }
      }
    }
    parts = opened
    for (const identity of roots.keys()) if (!days.has(identity)) fresh.add(identity)
    await flush()
  }

  /** Once the folder has been read: drops what was not seen for long, and what is too much. */
  async function tidy(inUse: ReadonlySet<string>): Promise<void> {
    if (parts === undefined || written === undefined) return
    const { roots: rootPart, layers: layerPart } = parts
    const day = today()
    const unused = [...days].filter(([identity]) => !inUse.has(identity)).sort(([, one], [, other]) => one - other)
    const spare = Math.max(0, days.size - MAX_SHARED_FILES)
    const old = unused.filter(([, writtenOn], place) => place < spare || day - writtenOn > KEPT_DAYS)
    const renewed = [...days].filter(([identity, on]) => inUse.has(identity) && day - on >= RENEWED_DAYS)
    days.clear()
    for (const [identity] of old) unset(identity)
    for (const [identity] of renewed) if (roots.has(identity)) fresh.add(identity)
    await rootPart.batch(old.map(([key]) => ({ type: 'del', key }))).catch(() => undefined)
    await flush()
    const used = new Set(roots.values())
    const idle = [...written].filter((root) => !used.has(root) && !layers.has(root))
    for (const root of idle) written.delete(root)
    await layerPart.batch(idle.map((key) => ({ type: 'del', key }))).catch(() => undefined)
  }

  return {
    root: (identity: string) => roots.get(identity),
    /** A content of more than one piece needs the hashes of its pieces with its root. */
    remember,
    /** The hashes of the pieces of a content. */
    layer: async (root: string): Promise<Uint8Array | undefined> =>
      layers.get(root) ??
      (written?.has(root) === true ? await parts?.layers.get(root).catch(() => undefined) : undefined),
    drop,
    attach,
    tidy,
    /** Writes down what is left. */
    close: flush
  }
}

/** Whether a content has more than one piece. */
const isLong = (identity: string) => Number(identity.split('-')[2]) > PIECE_BYTES

/** What is written down, with a check of its own: a wrong root would be offered to others. */
function entryOf(identity: string, root: string, day: number): string {
  return `${root} ${day} ${hash('sha256', `${identity} ${root} ${day}`).slice(0, 8)}`
}
