/**
 * Files seen on the disk a moment ago. Many may ask for one name at once, and each look costs several turns through
 * the disk threads, so what was seen less than a second ago is not looked at again, and a small file not read again.
 */
import type { Source } from '../streams/ports.js'

/** How old an answer may be: as long as a new file may take to be found. */
const RECENT_MS = 1_000
/** Files up to this size are kept with their bytes: notes and lists, not media. */
export const SMALL_BYTES = 64 * 1024
/** The same for a name that is not there: with the time a new file has to settle, still less than `RECENT_MS`. */
const ABSENT_MS = 250
/** Files remembered: with their bytes 16 MiB at the most. */
const MAX_RECENT = 256

export interface RecentFile {
  readonly name: string
  /** Bytes. */
  readonly size: number
  readonly modifiedMs: number
  /** Stands for this content. */
  readonly identity: string
  readonly etag: string
  readonly bytes?: Uint8Array
}

export function createRecentFiles() {
  const files = new Map<string, { readonly file: RecentFile | 'absent'; readonly untilMs: number }>()
  function remember(name: string, file: RecentFile | 'absent', forMs: number): void {
    files.delete(name)
    // The one put in first is the first to expire, more or less.
    for (const oldest of files.keys()) {
      if (files.size < MAX_RECENT) break
      files.delete(oldest)
    }
    files.set(name, { file, untilMs: performance.now() + forMs })
  }

  return {
    get(name: string): RecentFile | 'absent' | undefined {
      const seen = files.get(name)
      if (seen !== undefined && seen.untilMs > performance.now()) return seen.file
      files.delete(name)
      return undefined
    },
    put: (file: RecentFile) => remember(file.name, file, RECENT_MS),
    putAbsent: (name: string) => remember(name, 'absent', ABSENT_MS),
    drop: (name: string) => void files.delete(name)
  }
}

/** Reads from bytes that are here already. */
export function sourceOf({ size, etag }: RecentFile, bytes: Uint8Array, root: string | undefined): Source {
  return {
    size,
    ...(root === undefined ? {} : { root }),
    etag: root ?? etag,
    bytes,
    async *read(start = 0, end = size) {
      if (start < Math.min(end, size)) yield await Promise.resolve(bytes.subarray(start, end))
    },
    close: () => Promise.resolve()
  }
}
