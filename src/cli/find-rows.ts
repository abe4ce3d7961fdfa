/** Found files as rows of a table, as plain functions. The name is last, since it alone may have any length. */
import type { FoundFile } from '../index.js'
import { formatSize, printable } from './output.js'
import { shortened } from './rows.js'

/** The longest IPv4 address with a port, and how many others have it. */
const WHO_CHARS = 26

export const FIND_HEAD = `${'SIZE'.padStart(10)}  COPIES  HOPS  ${'WHO'.padEnd(WHO_CHARS)}  NAME`

/** A file in one line; what is in it comes from others and is not yet fit for a terminal. */
export function findRow({ name, size, holders, hops }: FoundFile): string {
  const copies = `${holders.length}`.padStart('COPIES'.length)
  return `${formatSize(size).padStart(10)}  ${copies}  ${`${hops}`.padStart('HOPS'.length)}  ${whoHas(holders, hops).padEnd(WHO_CHARS)}  ${name}`
}

/** The nearest holder, without what all addresses have in common, and how many others. */
function whoHas([first = '', ...others]: readonly string[], hops: number): string {
  const more = others.length === 0 ? '' : ` +${others.length}`
  const who = hops === 0 ? 'you' : first.replace(/^https?:\/\//, '').replace(/\/$/, '')
  return `${shortened(who, WHO_CHARS - more.length)}${more}`
}

/** The lines in which it was found, as grep shows them. */
export function matchedLines({ name, lines = [] }: FoundFile): readonly string[] {
  return lines.map(({ number, text }) => `${name}:${number}: ${text}`)
}

/** The table while it grows: what fits into the window, and how many more there are. */
export function windowOf(files: readonly FoundFile[], columns: number, height: number): readonly string[] {
  // Beside the head and the last line, one where the cursor stands.
  const room = Math.max(1, height - 3)
  const shown = files.length <= room ? files : files.slice(0, room - 1)
  const rows = [FIND_HEAD, ...shown.map((file) => cut(printable(findRow(file)), columns))]
  return shown.length === files.length ? rows : [...rows, `and ${files.length - shown.length} more`]
}

/** By code points, so that no half of a surrogate pair is left. */
function cut(text: string, chars: number): string {
  if (text.length <= chars) return text
  const points = Array.from(text)
  return points.length <= chars ? text : `${points.slice(0, chars - 1).join('')}…`
}
