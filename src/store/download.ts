/** One file on its way in: pieces in any order into a partial file, each verified before it is written. */
import { P2pError } from '../errors.js'
import type { Download, IfExists } from '../streams/ports.js'
import { openDirect } from './direct.js'
import { expectedPieces } from './expected.js'
import { checkContent, diskError } from './gather.js'
import { BLOCK_BYTES, EMPTY_ROOT, PIECE_BYTES, PIECE_LAYER, pieceHash, subtreeRoot, treeHeight } from './merkle.js'
import { giveName } from './naming.js'
import type { Partial } from './partial.js'
import { locate } from './paths.js'
import type { Slot } from './piece-memory.js'
import type { Pieces } from './pieces.js'
import type { Places } from './places.js'

/** Pieces up to this size are hashed at once: a thread would take longer to be told. */
const SMALL_BYTES = 64 * 1024
/** Where the end waits for the disk, it is told to write while more comes, so that there is little left to wait for. */
const SYNC_EVERY_BYTES = 64 * 1024 * 1024
const HASH_BYTES = 32

interface DownloadInit {
  readonly root: string
  readonly name: string
  readonly sizeBytes: number
  readonly contentRoot: string | undefined
  readonly ifExists: IfExists
  readonly partial: Partial
  readonly pieces: Pieces
  readonly places: Places
  /** Told of a file in its place before `finish` resolves. */
  readonly placed: (name: string, content: { size: number; root: string; layer: Uint8Array }) => Promise<void>
  /** Called when nothing is left to do. */
  readonly ended: () => Promise<void>
}

export function createDownload(init: DownloadInit): Download {
  const { root, name, sizeBytes, contentRoot, ifExists, partial, pieces, places, placed } = init
  const count = Math.ceil(sizeBytes / PIECE_BYTES)
  /** The hash of each piece that is on the disk. */
  const hashes = Buffer.alloc(count * HASH_BYTES)
  const have = new Uint8Array(count)
  const memory = pieces.share()
  const expected = contentRoot === undefined ? undefined : expectedPieces(contentRoot, sizeBytes)
  const replaces = ifExists === 'overwrite'
  let unsyncedBytes = 0
  let syncing: Promise<void> = Promise.resolve()
  let ended: Promise<void> | undefined
  /** What uses the descriptor at the moment: closed under it, its number may soon be that of another file. */
  const using = new Set<Promise<unknown>>()
  let finishing: Promise<unknown> = Promise.resolve()

  const lengthOf = (piece: number) => Math.min(PIECE_BYTES, sizeBytes - piece * PIECE_BYTES)
  const handle = partial.handle
  const direct = openDirect(handle, sizeBytes)

  async function onDisk<T>(work: () => Promise<T>): Promise<T> {
    if (ended !== undefined) throw new P2pError('CLOSED', `The download of ${name} has ended`)
    try {
      return await work()
    } catch (error) {
      throw diskError(name, error)
    }
  }

  async function use<T>(work: Promise<T>): Promise<T> {
    using.add(work)
    try {
      return await work
    } finally {
      using.delete(work)
    }
  }

  function remember(piece: number, hash: Uint8Array): void {
    hashes.set(hash, piece * HASH_BYTES)
    have[piece] = 1
  }

  async function write(piece: number, slot: Slot) {
    const [lengthBytes, position] = [lengthOf(piece), piece * PIECE_BYTES]
    const promised = expected?.hash(piece)
    if (lengthBytes > SMALL_BYTES) {
      const work = { type: 'keep', fd: handle.fd, directFd: (await direct)?.fd, slot, lengthBytes, position } as const
      return pieces.run({ ...work, sizeBytes, expected: promised })
    }
    const bytes = slot.bytes.subarray(0, lengthBytes)
    const hash = pieceHash(bytes, sizeBytes)
    const right = promised === undefined || hash.equals(promised)
    for (let at = 0; right && at < lengthBytes; ) {
      at += (await handle.write(bytes, at, lengthBytes - at, position + at)).bytesWritten
    }
    return { right, hash }
  }

  function syncNowAndThen(bytes: number): void {
    unsyncedBytes += bytes
    if (!replaces || unsyncedBytes < SYNC_EVERY_BYTES) return
    unsyncedBytes = 0
    // Whoever finishes waits for the rest, and hears of a disk that failed.
    syncing = syncing.then(() => handle.datasync())
    syncing.catch(() => undefined)
  }

  function end(forget: () => boolean): Promise<void> {
    ended ??= (async () => {
      await Promise.allSettled([...using, syncing])
      // Only a second way to the same file: what it says is of no concern by now.
      await (await direct)?.close().catch(() => undefined)
      try {
        await partial.close(forget())
      } finally {
        await init.ended()
      }
    })()
    return ended
  }

  function rootOfAll(): string {
    if (count === 0) return EMPTY_ROOT
    const height = treeHeight(sizeBytes)
    return count === 1 ? hashes.toString('hex') : subtreeRoot(hashes, PIECE_LAYER, height).toString('hex')
  }

  return {
    size: sizeBytes,
    pieces: count,
    remains: partial.remains,
    memory: memory.take,
    memoryNow: memory.tryTake,
    wants: (piece) => expected?.wants(piece),
    learn: (request, bytes) => expected?.learn(request, bytes) ?? false,
    async keep(piece, given) {
      const slot = given as Slot
      let right = true
      try {
        const result = await onDisk(() => use(write(piece, slot)))
        right = result.right
        if (!right) return { type: 'wrong' }
        remember(piece, result.hash)
        syncNowAndThen(lengthOf(piece))
        return { type: 'kept' }
      } finally {
        if (right) slot.release()
      }
    },
    wantsBlocks: (piece) => (expected ?? expectedPieces(rootOfAll(), sizeBytes)).wantsBlocks(piece),
    wrongBlocks(piece, given, answer) {
      const bytes = given.bytes.subarray(0, lengthOf(piece))
      const wrong = expected?.wrongBlocks(expected.wantsBlocks(piece), bytes, answer)
      return wrong?.map((block) => {
        const start = piece * PIECE_BYTES + block * BLOCK_BYTES
        return { start, end: Math.min(start + BLOCK_BYTES, sizeBytes) }
      })
    },
    async *check() {
      for (let piece = 0; piece < count; piece++) {
        const promised = expected?.hash(piece)
        if (promised === undefined || have[piece] === 1) continue
        const slot = await memory.take()
        try {
          const work = { type: 'check', fd: handle.fd, slot, lengthBytes: lengthOf(piece) } as const
          const found = await onDisk(() =>
            use(pieces.run({ ...work, position: piece * PIECE_BYTES, sizeBytes, expected: promised }))
          )
          if (!found.right) continue
          remember(piece, found.hash)
        } finally {
          slot.release()
        }
        yield piece
      }
    },
    rewind: () =>
      onDisk(async () => {
        have.fill(0)
        await syncing
        await handle.truncate(0)
      }),
    finish(promised = contentRoot) {
      const finished = onDisk(async () => {
        const missing = have.indexOf(0)
        const got = rootOfAll()
        if (missing >= 0) throw new P2pError('INTEGRITY', `${name} is not whole: piece ${missing} is missing`)
        checkContent(name, { size: sizeBytes, root: got }, { size: sizeBytes, ...withRoot(promised) })
        await syncing
        if (partial.remains !== undefined) await handle.truncate(sizeBytes)
        // The content before the name: after a power cut there must be the old file or the new one. One that replaces
        // nothing can be fetched again, and waiting for the disk would take a third of the time.
        if (replaces) await handle.datasync()
        const given = await partial.withPath((from) => giveName(places, { root, name, from, ifExists }))
        await end(() => true)
        await placed(given, { size: sizeBytes, root: got, layer: count > 1 ? hashes : Buffer.alloc(0) })
        return { path: locate(root, given), root: got }
      })
      finishing = finished.catch(() => undefined)
      return finished
    },
    async abandon({ forget = false } = {}) {
      // Half way to its name, it would be there under both.
      await finishing
      // A file of one piece is not looked for: fetching it anew costs no more.
      await end(() => forget || count <= 1 || (!have.includes(1) && partial.remains === undefined))
    }
  }
}

const withRoot = (root: string | undefined) => (root === undefined ? {} : { root })
