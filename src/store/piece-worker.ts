/** The thread that hashes pieces, and reads and writes them, and puts small files in their places: all that takes time and needs no event loop. */
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { createDirectWriter } from './direct.js'
import { leavesOf, pieceHash } from './merkle.js'
import { putBesideSync } from './put-beside.js'

/** A piece to be looked at. Descriptors belong to the process, so any thread may use them. */
export interface PieceJob {
  readonly id: number
  /** `keep`: in memory, to be written if right. `check`: on the disk, to be read. `leaves`: in memory, to be told the hashes of its blocks. */
  readonly type: 'keep' | 'check' | 'leaves'
  readonly fd: number
  /** Which stretch of the shared memory. */
  readonly slot: number
  readonly lengthBytes: number
  /** Where it lies in its file. */
  readonly position: number
  /** Of the whole file, bytes. */
  readonly sizeBytes: number
  /** Anything is right when absent. */
  readonly expected?: Uint8Array
  /** The same file, opened to be written past the page cache. */
  readonly directFd?: number
}

/** A whole file in memory, to be written and given its name unless the name is taken. */
export interface PutJob {
  readonly id: number
  readonly type: 'put'
  readonly slot: number
  readonly lengthBytes: number
  readonly from: string
  readonly goal: string
}

export type PieceAnswer =
  | { readonly id: number; readonly type: 'done'; readonly right: boolean; readonly hash: Uint8Array }
  | { readonly id: number; readonly type: 'failed'; readonly code: string | undefined; readonly message: string }

/**
 * Bytes of one write. Linux takes memory for the page cache in stretches of that size: small ones are at hand and warm, large
 * ones have to be found, which took up to 1 s a GiB here.
 */
const WRITE_BYTES = 16 * 1024

const { memory, slotBytes } = workerData as { memory: SharedArrayBuffer; slotBytes: number }

const writeDirect = createDirectWriter(() => performance.now())

async function work({ type, fd, slot, lengthBytes, position, sizeBytes, expected, directFd }: PieceJob) {
  const bytes = Buffer.from(memory, slot * slotBytes, lengthBytes)
  if (type === 'leaves') return { right: true, hash: leavesOf(bytes) }
  if (type === 'check' && !readWhole(fd, bytes, position)) return { right: false, hash: new Uint8Array() }
  const hash = pieceHash(bytes, sizeBytes)
  const right = expected === undefined || hash.equals(expected)
  if (type === 'keep' && right && !(directFd !== undefined && (await writeDirect(directFd, bytes, position)))) {
    writeWhole(fd, bytes, position)
  }
  return { right, hash }
}

function put({ slot, lengthBytes, from, goal }: PutJob) {
  const fd = openSync(from, 'wx')
  try {
    writeWhole(fd, Buffer.from(memory, slot * slotBytes, lengthBytes), 0)
  } finally {
    closeSync(fd)
  }
  try {
    putBesideSync(from, goal)
  } finally {
    rmSync(from, { force: true })
  }
  return { right: true, hash: new Uint8Array() }
}

function readWhole(fd: number, bytes: Buffer, position: number): boolean {
  for (let at = 0; at < bytes.length; ) {
    const read = readSync(fd, bytes, at, bytes.length - at, position + at)
    if (read === 0) return false
    at += read
  }
  return true
}

function writeWhole(fd: number, bytes: Buffer, position: number): void {
  // A disk that is nearly full takes a part, and says so at the next write only.
  for (let at = 0; at < bytes.length; ) {
    at += writeSync(fd, bytes, at, Math.min(WRITE_BYTES, bytes.length - at), position + at)
  }
}

async function answer(job: PieceJob | PutJob): Promise<PieceAnswer> {
  try {
    return { id: job.id, type: 'done', ...(job.type === 'put' ? put(job) : await work(job)) }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return { id: job.id, type: 'failed', code, message }
  }
}

parentPort?.on('message', (job: PieceJob | PutJob) => {
  void answer(job).then((result) => parentPort?.postMessage(result))
})
