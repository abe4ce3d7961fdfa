/** Hashing and writing beside the event loop: pieces in shared memory, and threads that work on them. */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { P2pError } from '../errors.js'
import { createSlotPool, MAX_SLOTS, SLOT_BYTES, type Slot, type SlotShare } from './piece-memory.js'
import type { PieceAnswer, PieceJob, PutJob } from './piece-worker.js'
import { threadUrl } from './thread.js'

/** Two that write into one file wait for each other; only where there are cores to spare is the second one's hashing worth it. */
const THREADS = availableParallelism() > 2 ? 2 : 1
/** A thread that has had nothing to do for this long is ended: it holds some 10 MB. */
const IDLE_MS = 10_000

interface PieceWork extends Pick<PieceJob, 'type' | 'fd' | 'lengthBytes' | 'position' | 'sizeBytes'> {
  readonly slot: Slot
  readonly expected?: Uint8Array | undefined
  readonly directFd?: number | undefined
}

export interface Pieces {
  /** The memory of one download. */
  readonly share: () => SlotShare
  /** Starts a thread, which takes some time, while there is nothing to do for it yet. */
  readonly warm: () => void
  /** Rejects with what the disk said. Bounded by the slots there are. */
  readonly run: (work: PieceWork) => Promise<{ readonly right: boolean; readonly hash: Uint8Array }>
  /** Writes a whole file and gives it its name. Rejects with what the disk said, EEXIST when the name is taken. */
  readonly put: (work: Omit<PutJob, 'id' | 'type' | 'slot'> & { readonly slot: Slot }) => Promise<unknown>
  /** Ends the threads; work that has not been done is rejected. */
  readonly close: () => Promise<void>
}

interface Waiting {
  readonly thread: Worker
  readonly done: (result: { right: boolean; hash: Uint8Array }) => void
  readonly fail: (cause: Error) => void
}

export function createPieces(): Pieces {
  const pool = createSlotPool()
  const threads: Worker[] = []
  const waiting = new Map<number, Waiting>()
  let lastId = 0
  let idle: NodeJS.Timeout | undefined
  let closed = false

  function start(): Worker {
    // Flags of the process are not for a thread: with --input-type, for one, it would not start.
    const workerData = { memory: pool.shared, slotBytes: SLOT_BYTES }
    const thread = new Worker(threadUrl('piece-worker.js'), { workerData, execArgv: [] })
    thread.unref()
    thread.on('message', (answer: PieceAnswer) => settle(answer))
    thread.on('error', (error) => lose(thread, error))
    threads.push(thread)
    return thread
  }

  function settle(answer: PieceAnswer): void {
    const { done, fail, thread } = waiting.get(answer.id) ?? {}
    waiting.delete(answer.id)
    if (answer.type === 'done') done?.(answer)
    else fail?.(Object.assign(new Error(answer.message), { code: answer.code }))
    if (![...waiting.values()].some((other) => other.thread === thread)) thread?.unref()
    if (waiting.size === 0) rest()
  }

  function rest(): void {
    clearTimeout(idle)
    idle = setTimeout(() => void endThreads(), IDLE_MS).unref()
  }

  /** A thread that breaks is a bug or a machine without memory; its work is lost, the next work gets a new one. */
  function lose(thread: Worker, cause: Error): void {
    const at = threads.indexOf(thread)
    if (at >= 0) threads.splice(at, 1)
    for (const [id, { thread: busy, fail }] of waiting) {
      if (busy !== thread) continue
      waiting.delete(id)
      fail(cause)
    }
  }

  async function endThreads(): Promise<void> {
    await Promise.all(threads.splice(0).map((thread) => thread.terminate()))
  }

  /** The one with the least to do. */
  function choose(): Worker {
    const load = new Map(threads.map((thread) => [thread, 0]))
    for (const { thread } of waiting.values()) load.set(thread, (load.get(thread) ?? 0) + 1)
    const [least] = [...load].sort(([, one], [, other]) => one - other)
    if (least !== undefined && (least[1] === 0 || threads.length >= THREADS)) return least[0]
    return start()
  }

  function send(jobOf: (id: number) => PieceJob | PutJob): Promise<{ right: boolean; hash: Uint8Array }> {
    return new Promise((done, fail) => {
      if (closed) {
        fail(gone())
        return
      }
      if (waiting.size > MAX_SLOTS) throw new Error('more pieces than there is memory for')
      clearTimeout(idle)
      const thread = choose()
      const id = ++lastId
      waiting.set(id, { thread, done, fail })
      thread.ref()
      thread.postMessage(jobOf(id))
    })
  }

  return {
    share: pool.share,
    warm() {
      if (closed || threads.length > 0) return
      start()
      rest()
    },
    run: ({ slot, expected, directFd, ...work }) =>
      send((id) => ({
        id,
        slot: slot.number,
        ...work,
        ...(expected === undefined ? {} : { expected }),
        ...(directFd === undefined ? {} : { directFd })
      })),
    put: ({ slot, ...work }) => send((id) => ({ id, type: 'put', slot: slot.number, ...work })),
    async close() {
      closed = true
      clearTimeout(idle)
      pool.end(gone())
      await endThreads()
      for (const { fail } of waiting.values()) fail(gone())
      waiting.clear()
    }
  }
}

const gone = () => new P2pError('CLOSED', 'The peer is closed')
