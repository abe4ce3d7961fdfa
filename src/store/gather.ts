import type { FileHandle } from 'node:fs/promises'
import { asP2pError, P2pError } from '../errors.js'
import { createRootHasher } from './merkle.js'

/** Bytes per write; smaller ones cost more calls, larger ones only memory. */
const GATHERED_BYTES = 1024 * 1024

/** Chunks per write, so that a neighbour that sends byte by byte does not fill the memory with single bytes. */
const GATHERED_CHUNKS = 512

/** Takes the bytes of a file in their order: hashes them, and writes them as they are, many at a time. */
export interface Gatherer {
  readonly length: number
  /** The chunk belongs to the gatherer from now on. Resolves when there is room for the next one. */
  readonly append: (chunk: Uint8Array) => Promise<void>
  /** Writes what is left, and tells the root of it all. */
  readonly finish: () => Promise<string>
  /** After `finish`: the hashes of its pieces. */
  readonly layer: () => Uint8Array
  /** Waits for what is being written. Nothing is taken after that. */
  readonly stop: () => Promise<void>
}

export function createGatherer(handle: FileHandle): Gatherer {
  const hasher = createRootHasher()
  let length = 0
  let position = 0
  let gathered: Uint8Array[] = []
  let gatheredBytes = 0
  // One write runs while the next one is gathered.
  let writing: Promise<void> = Promise.resolve()

  async function flush(): Promise<void> {
    await writing
    const chunks = gathered
    const at = position
    position += gatheredBytes
    gathered = []
    gatheredBytes = 0
    writing = writeAll(handle, chunks, at)
    // Whoever appends or finishes next hears of it.
    writing.catch(() => undefined)
  }

  return {
    get length() {
      return length
    },
    async append(chunk) {
      if (chunk.length === 0) return
      hasher.update(chunk)
      length += chunk.length
      gathered.push(chunk)
      gatheredBytes += chunk.length
      if (gatheredBytes >= GATHERED_BYTES || gathered.length >= GATHERED_CHUNKS) await flush()
    },
    async finish() {
      if (gathered.length > 0) await flush()
      await writing
      return hasher.digest()
    },
    layer: hasher.layer,
    stop: () => writing.catch(() => undefined)
  }
}

async function writeAll(handle: FileHandle, chunks: Uint8Array[], position: number): Promise<void> {
  let at = position
  for (let rest = chunks; rest.length > 0; ) {
    // A disk that is nearly full takes a part, and says so at the next write only.
    let { bytesWritten } = await handle.writev(rest, at)
    at += bytesWritten
    let whole = 0
    for (let next = rest[whole]; next !== undefined && bytesWritten >= next.length; next = rest[whole]) {
      bytesWritten -= next.length
      whole += 1
    }
    rest = rest.slice(whole)
    const cut = rest[0]
    if (cut !== undefined && bytesWritten > 0) rest[0] = cut.subarray(bytesWritten)
  }
}

/** What went wrong with the disk while `name` was written, in one sentence. */
export function diskError(name: string, cause: unknown): P2pError {
  if (cause instanceof P2pError) return cause
  const { code } = cause as { code?: unknown }
  const reason =
    code === 'ENOSPC' ? 'the disk is full' : code === 'EDQUOT' ? 'the quota is used up' : asP2pError(cause).message
  return new P2pError('DISK', `Cannot write ${name}: ${reason}`, { cause })
}

/** Throws INTEGRITY when what came is not what was offered. */
export function checkContent(
  name: string,
  got: { size: number; root: string },
  expected: { readonly size: number; readonly root?: string }
): void {
  if (got.size !== expected.size) {
    throw new P2pError('INTEGRITY', `${name} has ${got.size} bytes instead of the ${expected.size} that were offered`)
  }
  if (expected.root !== undefined && got.root !== expected.root) {
    throw new P2pError(
      'INTEGRITY',
      `${name} is not what was offered: its root is ${got.root} instead of ${expected.root}`
    )
  }
}
