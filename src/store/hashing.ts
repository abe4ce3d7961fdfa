/** Hashes files in the background, in threads of their own: here is only who is next. */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Hashed, HashOrder } from './hash-worker.js'
import { threadUrl } from './thread.js'

/** Threads that hash: with more a disk would only seek, and the peer has other things to do. */
const MAX_WORKERS = Math.max(1, Math.min(2, availableParallelism()))

/** Handed to a thread at a time. Many small files cost one message; few large ones leave some for the other thread. */
const MAX_BATCH_FILES = 512
const MAX_BATCH_BYTES = 64 * 1024 ** 2

/** A thread that has had nothing to do for this long goes, and its memory with it. */
const IDLE_MS = 5_000

interface HashingInit {
  readonly root: string
  /** Whether a name need not be hashed any more. */
  readonly isKnown: (name: string) => boolean
  readonly onHashed: (name: string, content: NonNullable<Hashed['content']>) => void
}

interface Thread {
  readonly worker: Worker
  /** What it has been given, with the size as far as it is known. */
  readonly given: Map<string, number>
  givenBytes: number
  idle: NodeJS.Timeout | undefined
}

export function createHashing({ root, isKnown, onHashed }: HashingInit) {
  /** Names with their sizes. */
  const waiting = new Map<string, number>()
  const wants = new Map<string, { readonly done: Promise<void>; readonly tell: () => void }>()
  const threads = new Set<Thread>()
  const ending = new Set<Promise<unknown>>()
  let closed = false

  function startThread(): Thread {
    // Flags of the process are not for a thread: with --input-type, for one, it would not start.
    const worker = new Worker(threadUrl('hash-worker.js'), { workerData: { root }, execArgv: [] })
    // What is not hashed is no reason to go on living.
    worker.unref()
    const thread: Thread = { worker, given: new Map(), givenBytes: 0, idle: undefined }
    threads.add(thread)
    worker.on('message', (results: Hashed[]) => {
      for (const { name, content } of results) {
        takeBack(thread, name)
        if (content !== undefined) onHashed(name, content)
        tellWanters(name)
      }
      fill(thread)
    })
    // Also when it failed: what it had is offered without a root.
    worker.on('error', () => undefined)
    worker.on('exit', () => {
      threads.delete(thread)
      clearTimeout(thread.idle)
      for (const name of thread.given.keys()) tellWanters(name)
      if (!closed) spread()
    })
    return thread
  }

  /** Nothing is given to it from here on. */
  function end(thread: Thread): void {
    threads.delete(thread)
    const ended = thread.worker.terminate().finally(() => ending.delete(ended))
    ending.add(ended)
  }

  function takeBack(thread: Thread, name: string): void {
    thread.givenBytes -= thread.given.get(name) ?? 0
    thread.given.delete(name)
  }

  function give(thread: Thread, name: string, sizeBytes: number): void {
    thread.given.set(name, sizeBytes)
    thread.givenBytes += sizeBytes
    clearTimeout(thread.idle)
    thread.idle = undefined
  }

  function tellWanters(name: string): void {
    wants.get(name)?.tell()
    wants.delete(name)
  }

  /** Gives a thread the next batch before it has done with the last one. */
  function fill(thread: Thread): void {
    const names: string[] = []
    if (thread.given.size <= MAX_BATCH_FILES / 2 && thread.givenBytes <= MAX_BATCH_BYTES / 2) {
      let batchBytes = 0
      for (const [name, sizeBytes] of waiting) {
        if (names.length >= MAX_BATCH_FILES || batchBytes >= MAX_BATCH_BYTES) break
        waiting.delete(name)
        if (isKnown(name) || isGiven(name)) continue
        names.push(name)
        batchBytes += sizeBytes
        give(thread, name, sizeBytes)
      }
    }
    if (names.length > 0) thread.worker.postMessage({ names, wanted: false } satisfies HashOrder)
    else if (thread.given.size === 0) thread.idle ??= setTimeout(() => end(thread), IDLE_MS).unref()
  }

  const isGiven = (name: string) => [...threads].some(({ given }) => given.has(name))

  /** Sees to it that what waits is being worked on. */
  function spread(): void {
    if (closed || waiting.size === 0) return
    for (const thread of threads) fill(thread)
    while (waiting.size > 0 && threads.size < MAX_WORKERS) fill(startThread())
  }

  function wantedThread(name: string): Thread {
    const all = [...threads]
    const having = all.find(({ given }) => given.has(name))
    if (having !== undefined) return having
    const free = all.find(({ given }) => given.size === 0)
    if (free !== undefined) return free
    if (threads.size < MAX_WORKERS) return startThread()
    return all.reduce((best, other) => (other.given.size < best.given.size ? other : best))
  }

  return {
    /** When there is time. */
    add(name: string, sizeBytes: number): void {
      if (closed) return
      waiting.set(name, sizeBytes)
      spread()
    },
    /** Next. Resolves when it has been tried. */
    want(name: string): Promise<void> {
      const before = wants.get(name)
      if (closed || before !== undefined) return before?.done ?? Promise.resolve()
      let tell: () => void = () => undefined
      const done = new Promise<void>((resolve) => (tell = resolve))
      wants.set(name, { done, tell: () => tell() })
      const thread = wantedThread(name)
      if (!thread.given.has(name)) give(thread, name, waiting.get(name) ?? 0)
      waiting.delete(name)
      thread.worker.postMessage({ names: [name], wanted: true } satisfies HashOrder)
      return done
    },
    async close(): Promise<void> {
      closed = true
      waiting.clear()
      for (const thread of threads) end(thread)
      await Promise.all(ending)
    }
  }
}
