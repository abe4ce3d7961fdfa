import { type BigIntStats, fstatSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { P2pError } from '../errors.js'
import type { Source } from '../streams/ports.js'

/** Bytes per read; 256 KiB costs a third more processor time, 1 MiB nothing less, and two are held per reader. */
const READ_BYTES = 512 * 1024

/** Stands for one content of one file: as long as it is the same, so are the bytes. */
export function identityOf(stat: BigIntStats): string {
  return `${stat.dev}-${stat.ino}-${stat.size}-${stat.mtimeNs}`
}

/** Stands in for the root in an etag until it is known; the `s` tells it from one. */
function standInOf(stat: BigIntStats): string {
  return `s${stat.size.toString(16)}-${stat.mtimeNs.toString(16)}`
}

interface SourceInit {
  readonly name: string
  readonly handle: FileHandle
  /** What the handle said when it was opened. */
  readonly stat: BigIntStats
  readonly root: string | undefined
  /** Called once, when nobody reads any more. */
  readonly close: () => Promise<void>
}

/** Reads from an open file, by several readers at once if need be. */
export function createSource({ name, handle, stat, root, close }: SourceInit): Source {
  const size = Number(stat.size)
  const identity = identityOf(stat)
  let closing: Promise<void> | undefined

  async function readAt(memory: Uint8Array, position: number): Promise<number> {
    if (closing !== undefined) throw new P2pError('CLOSED', `${name} has been closed`)
    const length = Math.max(0, Math.min(memory.length, size - position))
    let filled = 0
    while (filled < length) {
      const { bytesRead } = await handle.read(memory, filled, length - filled, position + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    // After the read: bytes that were there before the file changed are still right, those read since may not be.
    if (filled < length || identityOf(fstatSync(handle.fd, { bigint: true })) !== identity) {
      throw new P2pError('INTEGRITY', `${name} was changed while it was read`, { advice: 'Ask for it again.' })
    }
    return length
  }

  async function* read(start = 0, end = size): AsyncGenerator<Uint8Array, void, undefined> {
    const stop = Math.min(end, size)
    const readFrom = (position: number) => {
      const memory = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, stop - position))
      const reading = readAt(memory, position).then(() => memory)
      // It runs ahead of the reader, who may leave before it fails.
      reading.catch(() => undefined)
      return reading
    }
    let ahead = start < stop ? readFrom(start) : undefined
    for (let position = start; ahead !== undefined; ) {
      const chunk: Uint8Array = await ahead
      position += chunk.length
      ahead = position < stop ? readFrom(position) : undefined
      yield chunk
    }
  }

  return {
    size,
    ...(root === undefined ? {} : { root }),
    etag: root ?? standInOf(stat),
    read,
    readAt,
    close: () => (closing ??= close())
  }
}

/** All of a small file. */
export async function whole(source: Source): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source.read()) chunks.push(chunk)
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)
}
