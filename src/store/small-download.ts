/**
 * A file of one piece on its way in. It stays in memory until it is whole and right, and a thread then does all the disk
 * has to do in one go: of thousands of small files each would otherwise take a dozen turns through the disk threads.
 */
import { P2pError } from '../errors.js'
import { PRIVATE_FOLDER } from '../streams/names.js'
import type { Download } from '../streams/ports.js'
import { expectedPieces } from './expected.js'
import { checkContent, diskError } from './gather.js'
import { BLOCK_BYTES, EMPTY_ROOT, pieceHash } from './merkle.js'
import { existsError } from './naming.js'
import { temporaryEntry } from './partial.js'
import { locate } from './paths.js'
import type { Slot } from './piece-memory.js'
import type { Pieces } from './pieces.js'
import type { Places } from './places.js'

interface SmallDownloadInit {
  readonly root: string
  readonly name: string
  readonly sizeBytes: number
  readonly contentRoot: string | undefined
  readonly pieces: Pieces
  readonly places: Places
  /** Told of a file in its place before `finish` resolves. */
  readonly placed: (name: string, content: { size: number; root: string; layer: Uint8Array }) => Promise<void>
  /** Called when nothing is left to do. */
  readonly ended: () => Promise<void>
}

export function createSmallDownload(init: SmallDownloadInit): Download {
  const { root, name, sizeBytes, contentRoot, pieces, places, placed } = init
  const memory = pieces.share()
  const expected = contentRoot === undefined ? undefined : expectedPieces(contentRoot, sizeBytes)
  let kept: { readonly slot: Slot; readonly root: string } | undefined
  let ended: Promise<void> | undefined
  let finishing: Promise<unknown> = Promise.resolve()

  function drop(): void {
    kept?.slot.release()
    kept = undefined
  }

  function end(): Promise<void> {
    ended ??= (async () => {
      drop()
      await init.ended()
    })()
    return ended
  }

  /** Beside the partial files, since only a file on the same disk can be given a name in one step. */
  function put(slot: Slot): Promise<unknown> {
    const parts = name.split('/')
    return places.within(root, [PRIVATE_FOLDER], (gathering) =>
      places.within(root, parts.slice(0, -1), (target) =>
        pieces.put({
          slot,
          lengthBytes: sizeBytes,
          from: gathering.at(temporaryEntry(name)),
          goal: target.at(parts.at(-1) ?? '')
        })
      )
    )
  }

  async function finish(promised: string | undefined): Promise<{ path: string; root: string }> {
    if (ended !== undefined) throw new P2pError('CLOSED', `The download of ${name} has ended`)
    const found = sizeBytes === 0 ? EMPTY_ROOT : kept?.root
    if (found === undefined) throw new P2pError('INTEGRITY', `${name} is not whole`)
    const expectedRoot = promised === undefined ? {} : { root: promised }
    checkContent(name, { size: sizeBytes, root: found }, { size: sizeBytes, ...expectedRoot })
    try {
      const slot = kept?.slot ?? (await memory.take())
      kept = { slot, root: found }
      await put(slot)
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code === 'EEXIST' ? existsError(name) : diskError(name, error)
    }
    await end()
    await placed(name, { size: sizeBytes, root: found, layer: Buffer.alloc(0) })
    return { path: locate(root, name), root: found }
  }

  return {
    size: sizeBytes,
    pieces: sizeBytes === 0 ? 0 : 1,
    remains: undefined,
    memory: memory.take,
    memoryNow: memory.tryTake,
    wants: () => undefined,
    learn: () => false,
    keep(_, given) {
      const bytes = given.bytes.subarray(0, sizeBytes)
      const hash = pieceHash(bytes, sizeBytes).toString('hex')
      if (contentRoot !== undefined && hash !== contentRoot) return Promise.resolve({ type: 'wrong' })
      drop()
      if (ended === undefined) kept = { slot: given as Slot, root: hash }
      else given.release()
      return Promise.resolve({ type: 'kept' })
    },
    wantsBlocks: (piece) => (expected ?? expectedPieces(EMPTY_ROOT, sizeBytes)).wantsBlocks(piece),
    wrongBlocks(piece, given, answer) {
      const bytes = given.bytes.subarray(0, sizeBytes)
      const wrong = expected?.wrongBlocks(expected.wantsBlocks(piece), bytes, answer)
      return wrong?.map((block) => {
        const start = block * BLOCK_BYTES
        return { start, end: Math.min(start + BLOCK_BYTES, sizeBytes) }
      })
    },
    async *check() {
      // Nothing is left of an earlier try.
    },
    rewind() {
      drop()
      return Promise.resolve()
    },
    finish(promised = contentRoot) {
      const finished = finish(promised)
      finishing = finished.catch(() => undefined)
      return finished
    },
    async abandon() {
      // Half way to its name, its memory is still read.
      await finishing
      await end()
    }
  }
}
