/**
 * Writing past the page cache. A large file would push out of memory what the machine needs there, and finding the memory for
 * it costs more time than the disk: on the machine of BENCHMARKS 0.4 to 2 s a GiB, against 0.65 s straight to the disk.
 * Only Linux, and only while the disk keeps up: the page cache takes a burst that a slow disk cannot.
 */
import { write } from 'node:fs'
import { constants, type FileHandle, open } from 'node:fs/promises'
import { promisify } from 'node:util'
import pLimit from 'p-limit'

/** Smaller files are welcome in the page cache: whoever fetched one will look at it. */
const MIN_BYTES = 64 * 1024 * 1024
/** Writes under way at once, so that hashing goes on meanwhile; one of the four disk threads of a process is left to others. */
const MAX_UNDER_WAY = 3
/** What such a write has to be a multiple of, on any disk in use. */
const SECTOR_BYTES = 4096
/** With three at once, a disk that writes 150 MB/s takes this long for a piece of 1 MiB. */
const SLOW_MS = 20
const JUDGED_WRITES = 16

const writeLater = promisify(write)

/** The same file once more, to be written past the page cache; nothing where that does not pay or is not possible. */
export async function openDirect(handle: FileHandle, sizeBytes: number): Promise<FileHandle | undefined> {
  if (process.platform !== 'linux' || sizeBytes < MIN_BYTES) return undefined
  // The name may be gone or another's by now; the descriptor is the file.
  return open(`/proc/self/fd/${handle.fd}`, constants.O_WRONLY | constants.O_DIRECT).catch(() => undefined)
}

/** Resolves to false where the bytes have to be written in the ordinary way, which then tells the reason. */
export function createDirectWriter(
  now: () => number
): (fd: number, bytes: Buffer, position: number) => Promise<boolean> {
  const isSlow = createJudge()
  const limit = pLimit(MAX_UNDER_WAY)
  let slow = false

  return async (fd, bytes, position) => {
    if (slow || bytes.length % SECTOR_BYTES !== 0) return false
    return limit(async () => {
      const begun = now()
      const written = await writeLater(fd, bytes, 0, bytes.length, position).catch(() => undefined)
      slow = isSlow(now() - begun)
      return written?.bytesWritten === bytes.length
    })
  }
}

/** Told how long each write took, says whether the last ones were slow on average. */
export function createJudge(): (tookMs: number) => boolean {
  const last: number[] = []
  return (tookMs) => {
    if (last.push(tookMs) < JUDGED_WRITES) return false
    const sumMs = last.reduce((sum, ms) => sum + ms, 0)
    last.shift()
    return sumMs > JUDGED_WRITES * SLOW_MS
  }
}
