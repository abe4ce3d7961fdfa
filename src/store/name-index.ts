/**
 * Finds names among a million that may fit, without looking at each.
 *
 * Every name has a place, a column of a table of bits; which rows of its column are set follows from all pairs and triples
 * of its characters. A text with so many characters occurs only in names that have all of its rows, so a few rows are
 * laid over one another and what is left is looked at. Rows lie together, a segment of the names at a time.
 */
import { fold } from './folded.js'

/** Names of a segment: its rows stay in the caches of a processor while a name is put in. */
const SEGMENT_NAMES = 4_096

/** Bits for each name. One of 60 characters sets a fifth of them. */
const ROWS = 512

/** Of a row, 32 names each. */
const ROW_WORDS = SEGMENT_NAMES / 32

/** With fewer names in a segment all are looked at: a small share costs no table. */
const WORTH_A_TABLE = 512

/** Characters of a piece that has a row. */
const LONGEST_PIECE = 3

/** Rows that are laid over one another for one text; with more hardly anything else would go. */
const MAX_TEXT_ROWS = 16

interface Segment<T> {
  readonly files: (T | undefined)[]
  count: number
  table: Uint32Array | undefined
}

/** Where a file stands in the index. */
export type Place = number

export function createNameIndex<T extends { readonly name: string }>() {
  const segments: Segment<T>[] = []
  const free: Place[] = []
  let places = 0

  function segmentOf(place: Place): Segment<T> {
    const number = Math.floor(place / SEGMENT_NAMES)
    return (segments[number] ??= { files: [], count: 0, table: undefined })
  }

  function add(file: T): Place {
    const place = free.pop() ?? places++
    const segment = segmentOf(place)
    segment.files[place % SEGMENT_NAMES] = file
    segment.count += 1
    if (segment.table !== undefined) mark(segment.table, place % SEGMENT_NAMES, file.name)
    else if (segment.count >= WORTH_A_TABLE) {
      const table = new Uint32Array(ROWS * ROW_WORDS)
      segment.files.forEach((each, column) => {
        if (each !== undefined) mark(table, column, each.name)
      })
      segment.table = table
    }
    return place
  }

  function remove(place: Place): void {
    const segment = segmentOf(place)
    segment.files[place % SEGMENT_NAMES] = undefined
    segment.count -= 1
    free.push(place)
    if (segment.count === 0) segment.table = undefined
    else if (segment.table !== undefined) clear(segment.table, place % SEGMENT_NAMES)
  }

  /**
   * All files whose names may fit, and some more: those in whose folded names all texts of one of `needs` occur. Nothing,
   * now and then, so that whoever goes through them can have a rest. Who comes meanwhile may be missed.
   */
  function* candidates(needs: readonly (readonly string[])[]): Generator<T | undefined, void> {
    const rows = needs.map(rowsOfAll)
    const columns = new Uint32Array(ROW_WORDS)
    for (const { files, table } of segments) {
      if (table === undefined) yield* files
      else {
        choose(columns, table, rows)
        for (let word = 0; word < ROW_WORDS; word++) {
          for (let bits = columns[word] ?? 0; bits !== 0; bits &= bits - 1) {
            const file = files[word * 32 + 31 - Math.clz32(bits & -bits)]
            if (file !== undefined) yield file
          }
        }
      }
      yield undefined
    }
  }

  return {
    add,
    /** The same name, told of anew. */
    replace(place: Place, file: T): void {
      segmentOf(place).files[place % SEGMENT_NAMES] = file
    },
    remove,
    candidates
  }
}

function mark(table: Uint32Array, column: number, name: string): void {
  const word = column >>> 5
  const bit = 1 << (column & 31)
  forEachRow(fold(name), (row) => {
    const at = row * ROW_WORDS + word
    table[at] = (table[at] ?? 0) | bit
  })
}

function clear(table: Uint32Array, column: number): void {
  const kept = ~(1 << (column & 31))
  for (let at = column >>> 5; at < table.length; at += ROW_WORDS) table[at] = (table[at] ?? 0) & kept
}

/** The columns that have all rows of one of `alternatives`. */
function choose(columns: Uint32Array, table: Uint32Array, alternatives: readonly (readonly number[])[]): void {
  columns.fill(0)
  for (const rows of alternatives) {
    for (let word = 0; word < ROW_WORDS; word++) {
      let bits = ~0
      for (let i = 0; i < rows.length && bits !== 0; i++) bits &= table[(rows[i] ?? 0) * ROW_WORDS + word] ?? 0
      columns[word] = (columns[word] ?? 0) | bits
    }
  }
}

function rowsOfAll(texts: readonly string[]): readonly number[] {
  return [...new Set(texts.flatMap(rowsOf))]
}

/** Those of the longer pieces first: fewer names have them. */
function rowsOf(text: string): number[] {
  const rows: Set<number>[] = [new Set(), new Set(), new Set()]
  forEachRow(text, (row, length) => rows[LONGEST_PIECE - length]?.add(row))
  return [...new Set(rows.flatMap((each) => [...each]))].slice(0, MAX_TEXT_ROWS)
}

/** The rows of a text: each a hash of two or three characters that follow each other, or of one that is not ASCII. */
function forEachRow(text: string, use: (row: number, length: number) => void): void {
  let before = 0
  let last = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    const pair = Math.imul(last, 0x9e3779b1) + Math.imul(unit, 0x85ebca77)
    if (unit > 0x7f) use(rowOf(Math.imul(unit, 0x27d4eb2f)), 1)
    if (i > 0) use(rowOf(pair), 2)
    if (i > 1) use(rowOf(pair + Math.imul(before, 0xc2b2ae3d)), LONGEST_PIECE)
    before = last
    last = unit
  }
}

/** The upper 9 bits, where the products have mixed. */
function rowOf(hash: number): number {
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 23
}
