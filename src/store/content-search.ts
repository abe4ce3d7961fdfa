/** Looks into text files, in a thread for each search, so that stopping one stops it wherever it is. */
import { Worker } from 'node:worker_threads'
import pLimit from 'p-limit'
import { P2pError } from '../errors.js'
import type { Match, MatchedLine, Pattern, SharedFile } from '../streams/ports.js'
import type { ContentOrder, ContentSaid } from './content-worker.js'
import { MAX_TEXT_BYTES } from './text-lines.js'
import { threadUrl } from './thread.js'

/** Searches that read at once, and others that wait for that: each has a thread, and the disk is one. */
const MAX_READING = 2
const MAX_WAITING = 16

/** How long a search may read, and how much longer the thread may take for the file it is at. */
const READ_MS = 5_000
const LAST_FILE_MS = 500

/** Of a thread: a text, its lines in one form and another, and the states of its pattern. */
const MAX_THREAD_MIB = 256

interface Searching {
  readonly signal: AbortSignal
  /** Waits however many others do: there is a bounded number of them already. */
  readonly patient: boolean
}

export function createContentSearch(root: () => string) {
  const limit = pLimit(MAX_READING)
  const readers = new Set<ReturnType<typeof createReader>>()

  /** Waits for a place; gives it back when called. */
  function takePlace(isPatient: boolean): Promise<() => void> {
    if (!isPatient && limit.pendingCount >= MAX_WAITING) throw new P2pError('BUSY', 'Too many searches read files')
    return new Promise((resolve) => void limit(() => new Promise<void>((leave) => resolve(leave))))
  }

  async function* search(
    pattern: Pattern,
    groups: AsyncIterable<readonly SharedFile[]>,
    { signal, patient }: Searching
  ): AsyncGenerator<readonly Match[]> {
    const leave = await takePlace(patient)
    if (signal.aborted) {
      leave()
      return
    }
    const reader = createReader(root(), pattern)
    const stop = () => void reader.close()
    readers.add(reader)
    signal.addEventListener('abort', stop)
    // Whoever is slow to take what was found does not keep others waiting: a thread has its time, and its place as long.
    void reader.ended.then(() => {
      readers.delete(reader)
      leave()
    })
    try {
      for await (const group of groups) {
        if (reader.isOver()) return
        const files = group.filter(({ size }) => size > 0 && size <= MAX_TEXT_BYTES)
        const found = await reader.read(files.map(({ name }) => name))
        const matches = files.flatMap((file) => {
          const lines = found.get(file.name)
          return lines === undefined ? [] : [{ ...file, lines }]
        })
        if (matches.length > 0) yield matches
      }
    } finally {
      signal.removeEventListener('abort', stop)
      await reader.close()
    }
  }

  return {
    search,
    async close(): Promise<void> {
      await Promise.all([...readers].map((reader) => reader.close()))
    }
  }
}

/** Reads some files after the other, until its time is over. */
function createReader(root: string, pattern: Pattern) {
  const worker = new Worker(threadUrl('content-worker.js'), {
    workerData: { root, pattern, readMs: READ_MS } satisfies ContentOrder,
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: MAX_THREAD_MIB }
  })
  worker.unref()
  const timer = setTimeout(() => void close(), READ_MS + LAST_FILE_MS).unref()
  let found = new Map<string, readonly MatchedLine[]>()
  let isOver = false
  let answer: () => void = () => undefined

  worker.on('message', (said: ContentSaid) => {
    if (said.type === 'found') found.set(said.name, said.lines)
    else {
      isOver ||= said.isOver
      answer()
    }
  })
  // What it has found so far is true also when it has failed.
  worker.on('error', () => undefined)
  const ended = new Promise<void>((resolve) => {
    worker.on('exit', () => {
      isOver = true
      answer()
      resolve()
    })
  })

  async function close(): Promise<void> {
    clearTimeout(timer)
    await worker.terminate()
  }

  return {
    async read(names: readonly string[]): Promise<ReadonlyMap<string, readonly MatchedLine[]>> {
      found = new Map()
      if (isOver || names.length === 0) return found
      const answered = new Promise<void>((resolve) => (answer = resolve))
      worker.postMessage(names)
      await answered
      return found
    },
    isOver: () => isOver,
    ended,
    close
  }
}
