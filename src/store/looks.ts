/** Sees what lies at names on the disk. */
import type { BigIntStats } from 'node:fs'
import { access, constants, lstat } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import { locate } from './paths.js'
import { identityOf } from './source.js'
import { threadUrl } from './thread.js'

/** What tells one content of a file from another. */
export interface Facts {
  readonly identity: string
  /** Bytes. */
  readonly size: number
  /** Milliseconds since 1970. */
  readonly modifiedMs: number
}

/** What lies at a name; `none` is also what is not shared: links, pipes, devices. */
export type Look =
  | ({ readonly type: 'file'; readonly readable: boolean } & Facts)
  | { readonly type: 'folder' }
  | { readonly type: 'none' }

export const NONE: Look = { type: 'none' }

/** Fewer are looked at without the thread, which takes some 40 ms to start. */
const WORTH_A_THREAD = 64

/** The thread goes when nothing was asked for this long. */
const IDLE_MS = 2_000

export function factsOf(stat: BigIntStats): Facts {
  return { identity: identityOf(stat), size: Number(stat.size), modifiedMs: Number(stat.mtimeMs) }
}

async function lookAt(root: string, name: string): Promise<Look> {
  const path = locate(root, name)
  const stat = await lstat(path, { bigint: true }).catch(() => undefined)
  if (stat?.isDirectory() === true) return { type: 'folder' }
  if (stat?.isFile() !== true) return NONE
  const readable = await access(path, constants.R_OK).then(
    () => true,
    () => false
  )
  return { type: 'file', readable, ...factsOf(stat) }
}

/** Looks at names below a root; the looks come in the order of the names. */
export function createLooks(root: string) {
  let worker: Worker | undefined
  let idle: NodeJS.Timeout | undefined
  /** Answers come in the order of the questions. */
  const asked: { readonly names: readonly string[]; readonly answer: (looks: Promise<Look[]> | Look[]) => void }[] = []
  const ending = new Set<Promise<unknown>>()

  const here = (names: readonly string[]) => Promise.all(names.map((name) => lookAt(root, name)))

  function start(): Worker {
    const started = new Worker(threadUrl('look-worker.js'), { workerData: { root }, execArgv: [] })
    started.on('message', (looks: Look[]) => {
      asked.shift()?.answer(looks)
      if (asked.length > 0) return
      started.unref()
      idle = setTimeout(stop, IDLE_MS).unref()
    })
    started.on('error', () => undefined)
    started.on('exit', () => {
      if (worker !== started) return
      worker = undefined
      for (const { names, answer } of asked.splice(0)) answer(here(names))
    })
    return started
  }

  function stop(): void {
    const ended = worker?.terminate().finally(() => ending.delete(ended ?? Promise.resolve()))
    worker = undefined
    if (ended !== undefined) ending.add(ended)
    for (const { names, answer } of asked.splice(0)) answer(names.map(() => NONE))
  }

  return {
    look(names: readonly string[]): Promise<Look[]> {
      if (names.length < WORTH_A_THREAD) return here(names)
      clearTimeout(idle)
      worker ??= start()
      const looks = new Promise<Look[]>((answer) => asked.push({ names, answer }))
      // Somebody waits: the process must not end meanwhile.
      worker.ref()
      worker.postMessage(names)
      return looks
    },
    async close(): Promise<void> {
      clearTimeout(idle)
      stop()
      await Promise.all(ending)
    }
  }
}
