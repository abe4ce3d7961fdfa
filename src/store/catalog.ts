import { auditTime, defer, map, merge, of, Subject, takeUntil } from 'rxjs'
import { compareNames } from '../streams/names.js'
import type { FileList, Library, SharedFile } from '../streams/ports.js'
import { createNameIndex, type Place } from './name-index.js'

/** Files that are listed. About 500 bytes each, so that a share that is too large costs its list, not the process. */
export const MAX_SHARED_FILES = 1_000_000

/** Names a page, so that an answer stays near 100 KiB; what xmlrpc takes some milliseconds for. */
const LIST_PAGE_FILES = 500

/** Changes are gathered this long before `file$` says what is there now: a folder of thousands arrives at once. */
const GATHER_CHANGES_MS = 100

/** A file of the share as it was last seen. */
export interface Entry extends SharedFile {
  /** Of its content, see `identityOf`. */
  readonly identity: string
}

/** What is on offer: the table behind `file$`, `change$` and `list`. */
export type Catalog = ReturnType<typeof createCatalog>

export function createCatalog() {
  /** Each with what is told of it, which is made once. */
  const entries = new Map<string, Entry & { readonly told: SharedFile; readonly place: Place }>()
  const names = createNameIndex<SharedFile>()
  /** Names by root: one as it is, since few contents have more. */
  const byRoot = new Map<string, string | Set<string>>()
  const change$ = new Subject<{ type: 'file-added' | 'file-removed'; name: string }>()
  const arrival$ = new Subject<SharedFile>()
  const touched$ = new Subject<void>()
  const closed$ = new Subject<void>()
  let announcing = false

  // Sorted names are made when somebody asks: those known before, without the ones gone, and the new ones merged in.
  let sorted: string[] = []
  let fresh = new Set<string>()
  let anyGone = false
  let snapshot: readonly SharedFile[] | undefined

  function sortedNames(): string[] {
    if (fresh.size === 0 && !anyGone) return sorted
    const added = [...fresh].sort(compareNames)
    const merged: string[] = []
    let next = 0
    for (const name of sorted) {
      for (let first = added[next]; first !== undefined && compareNames(first, name) < 0; first = added[next]) {
        merged.push(first)
        next += 1
      }
      // One that went and came back is among the fresh ones.
      if (entries.has(name) && !fresh.has(name)) merged.push(name)
    }
    for (; next < added.length; next++) merged.push(added[next] ?? '')
    sorted = merged
    fresh = new Set()
    anyGone = false
    return sorted
  }

  function shared(name: string): SharedFile[] {
    const entry = entries.get(name)
    return entry === undefined ? [] : [entry.told]
  }

  function files(): readonly SharedFile[] {
    return (snapshot ??= sortedNames().flatMap(shared))
  }

  function touch(): void {
    snapshot = undefined
    touched$.next()
  }

  function index(name: string, root: string): void {
    const names = byRoot.get(root)
    if (names === undefined || names === name) byRoot.set(root, name)
    else if (typeof names === 'string') byRoot.set(root, new Set([names, name]))
    else names.add(name)
  }

  function unindex(name: string, root: string): void {
    const names = byRoot.get(root)
    if (names === name) byRoot.delete(root)
    else if (typeof names === 'object') {
      names.delete(name)
      if (names.size === 0) byRoot.delete(root)
    }
  }

  /** Whether there was room. */
  function put(entry: Entry): boolean {
    const before = entries.get(entry.name)
    if (before === undefined && entries.size >= MAX_SHARED_FILES) return false
    const told = toShared(entry)
    if (before !== undefined) names.replace(before.place, told)
    entries.set(entry.name, { ...entry, told, place: before?.place ?? names.add(told) })
    if (before?.root !== undefined) unindex(entry.name, before.root)
    if (entry.root !== undefined) index(entry.name, entry.root)
    if (before === undefined) {
      fresh.add(entry.name)
      if (announcing) change$.next({ type: 'file-added', name: entry.name })
    }
    if (before?.identity !== entry.identity || before.root !== entry.root) arrival$.next(told)
    touch()
    return true
  }

  function remove(name: string): void {
    const before = entries.get(name)
    if (before === undefined) return
    entries.delete(name)
    names.remove(before.place)
    if (before.root !== undefined) unindex(name, before.root)
    if (!fresh.delete(name)) anyGone = true
    if (announcing) change$.next({ type: 'file-removed', name })
    touch()
  }

  function list(after: string): FileList {
    const names = sortedNames()
    let low = 0
    for (let high = names.length; low < high; ) {
      const middle = (low + high) >>> 1
      if (compareNames(names[middle] ?? '', after) <= 0) low = middle + 1
      else high = middle
    }
    const end = low + LIST_PAGE_FILES
    return { files: names.slice(low, end).flatMap(shared), more: end < names.length }
  }

  const file$: Library['file$'] = defer(() =>
    merge(of(undefined), touched$.pipe(auditTime(GATHER_CHANGES_MS))).pipe(map(files), takeUntil(closed$))
  )

  return {
    file$,
    change$: change$.asObservable(),
    /** Each file that was not there before, whose content is another now, or has become known. */
    arrival$: arrival$.asObservable(),
    get: (name: string): Entry | undefined => entries.get(name),
    file: (name: string): SharedFile | undefined => entries.get(name)?.told,
    /** Files that may fit, see the index of names. */
    candidates: names.candidates,
    names: () => [...entries.keys()],
    /** The files with this content. */
    named(root: string): string[] {
      const same = byRoot.get(root) ?? []
      return typeof same === 'string' ? [same] : [...same]
    },
    /** The contents of all files, as identities. */
    identities: () => new Set([...entries.values()].map(({ identity }) => identity)),
    put,
    remove,
    list,
    /** From now on comings and goings are told. */
    announce: () => {
      announcing = true
    },
    close: () => {
      closed$.next()
      change$.complete()
      arrival$.complete()
      touched$.complete()
    }
  }
}

function toShared({ name, size, modifiedMs, root }: SharedFile): SharedFile {
  return { name, size, modifiedMs, ...(root === undefined ? {} : { root }) }
}
