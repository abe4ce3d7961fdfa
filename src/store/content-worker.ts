/** The thread that looks into text files for one search. */
import { closeSync, fstatSync, readSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import type { MatchedLine, Pattern } from '../streams/ports.js'
import { openInsideSync } from './paths.js'
import { compilePattern } from './patterns.js'
import { MAX_TEXT_BYTES, matchedLines, PROBE_BYTES, textOf } from './text-lines.js'

export interface ContentOrder {
  readonly root: string
  readonly pattern: Pattern
  /** How long it may go on, from its start. */
  readonly readMs: number
}

export type ContentSaid =
  | { readonly type: 'found'; readonly name: string; readonly lines: readonly MatchedLine[] }
  /** All names of one message were looked at; or no more are, because the search has had enough. */
  | { readonly type: 'done'; readonly isOver: boolean }

/** What one search may read of the disk. */
const MAX_READ_BYTES = 256 * 1024 ** 2

const { root, pattern, readMs } = workerData as ContentOrder
const matcher = compilePattern(pattern)
const untilMs = performance.now() + readMs
let buffer = Buffer.allocUnsafeSlow(256 * 1024)
let leftBytes = MAX_READ_BYTES

function read(name: string): string | undefined {
  const fd = openInsideSync(root, name)
  if (fd === undefined) return undefined
  try {
    const { size } = fstatSync(fd)
    // It may have been smaller a moment ago.
    if (size > MAX_TEXT_BYTES) return undefined
    if (buffer.length < size) buffer = Buffer.allocUnsafeSlow(MAX_TEXT_BYTES)
    const probed = readSync(fd, buffer, 0, Math.min(PROBE_BYTES, size), 0)
    leftBytes -= probed
    if (buffer.subarray(0, probed).includes(0)) return undefined
    let length = probed
    while (length < size) {
      const bytesRead = readSync(fd, buffer, length, size - length, length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    leftBytes -= length - probed
    return textOf(buffer.subarray(0, length))
  } catch {
    // As if it were not there.
    return undefined
  } finally {
    closeSync(fd)
  }
}

const isOver = () => leftBytes <= 0 || performance.now() >= untilMs
const say = (said: ContentSaid) => parentPort?.postMessage(said)

parentPort?.on('message', (names: readonly string[]) => {
  for (const name of names) {
    if (isOver()) break
    const text = read(name)
    const lines = text === undefined ? [] : matchedLines(text, matcher)
    if (lines.length > 0) say({ type: 'found', name, lines })
  }
  say({ type: 'done', isOver: isOver() })
})
