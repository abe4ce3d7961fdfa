/** The lines of a text that fit a pattern. */
import { isUtf8 } from 'node:buffer'
import { MAX_HIT_LINES, MAX_LINE_CHARS } from '../streams/hits.js'
import type { MatchedLine } from '../streams/ports.js'
import type { Matcher } from './patterns.js'

/** Larger files are no texts that people read. */
export const MAX_TEXT_BYTES = 16 * 1024 ** 2

/** Whether a file is text shows here, as it does for grep and git. */
export const PROBE_BYTES = 8 * 1024

/** Nothing when the bytes are no UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  return isUtf8(bytes) ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8') : undefined
}

export function matchedLines(text: string, matcher: Matcher): readonly MatchedLine[] {
  const lines: MatchedLine[] = []
  let number = 1
  for (let start = 0; start < text.length && lines.length < MAX_HIT_LINES; number++) {
    const end = text.indexOf('\n', start)
    const stop = end === -1 ? text.length : end
    const line = text.slice(start, text[stop - 1] === '\r' && stop > start ? stop - 1 : stop)
    if (matcher.fits(line)) lines.push({ number, text: cut(line, matcher) })
    start = stop + 1
  }
  return lines
}

/** A part of a long line, with what fits at a third of it. */
function cut(line: string, { where }: Matcher): string {
  if (line.length <= MAX_LINE_CHARS) return line
  const wanted = Math.floor(where(line) * line.length - MAX_LINE_CHARS / 3)
  let start = Math.max(0, Math.min(wanted, line.length - MAX_LINE_CHARS))
  let end = start + MAX_LINE_CHARS
  // No half of a character at either end.
  if (isSecondHalf(line, start)) start += 1
  if (isSecondHalf(line, end)) end -= 1
  return line.slice(start, end)
}

function isSecondHalf(text: string, at: number): boolean {
  const unit = text.charCodeAt(at)
  return unit >= 0xdc00 && unit < 0xe000
}
