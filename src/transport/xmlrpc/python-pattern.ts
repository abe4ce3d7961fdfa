/**
 * `re.search` of Python 2 over names, in linear time: the pattern is read by Python's rules and written anew for re2, so
 * that nothing is left to mean another thing there. Like Python 2 it looks at the bytes of a name, not at its characters.
 */
import { RE2JS, RE2JSException } from 're2js'
import { type Item, type Node, parsePython } from './python-parse.js'
import { type Category, PatternRefused } from './python-tokens.js'

/** In UTF-16 units. A name has at most 255 bytes. */
const MAX_PATTERN_CHARS = 1_000
/** Sets and places with all repeats written out. Each costs a step for every byte of every name. */
const MAX_SIZE = 2_000

const LINE_FEED = 10
/** Stands for a line feed within a name, and is in every set that has that one; see {@link searchable}. */
const INNER_LINE_FEED = 0x100

/** Whether a name fits. */
export type Search = (name: string) => boolean

/** Throws {@link PatternRefused}. */
export function pythonSearch(pattern: string): Search {
  if (pattern === '') return () => true
  if (pattern.length > MAX_PATTERN_CHARS) throw new PatternRefused(`more than ${MAX_PATTERN_CHARS} characters`)
  const { choices, flags } = parsePython(pattern)
  if (sizeOf({ type: 'group', choices }) > MAX_SIZE) throw new PatternRefused('it repeats too much')
  const re2 = compiled(new Writer(flags).choices(choices))
  const multiline = flags.has('m')
  return (name) => re2.test(searchable(name, multiline))
}

function compiled(text: string): RE2JS {
  try {
    return RE2JS.compile(text)
  } catch (error) {
    // It counts repeats within repeats together.
    if (error instanceof RE2JSException) throw new PatternRefused('it repeats too much')
    throw error
  }
}

function sizeOf(node: Node): number {
  switch (node.type) {
    case 'any':
    case 'set':
    case 'place':
      return 1
    case 'group':
      return node.choices.flat().reduce((sum, part) => sum + sizeOf(part), node.choices.length)
    case 'repeat': {
      const times = Number.isFinite(node.most) ? node.most : node.least + 1
      return 1 + sizeOf(node.node) * times
    }
  }
}

/**
 * The bytes of a name as characters. Python's `$` fits at the end and before a line feed there, re2's (`(?m:$)`) before
 * every line feed; with another character for those within, both are the same.
 */
function searchable(name: string, multiline: boolean): string {
  const bytes = Buffer.from(name).toString('latin1')
  if (multiline || !bytes.includes('\n')) return bytes
  return bytes.replace(/\n(?=[^])/g, String.fromCharCode(INNER_LINE_FEED))
}

class Writer {
  constructor(readonly flags: ReadonlySet<string>) {}

  choices(choices: readonly (readonly Node[])[]): string {
    return `(?:${choices.map((nodes) => nodes.map((node) => this.#node(node)).join('')).join('|')})`
  }

  #node(node: Node): string {
    switch (node.type) {
      case 'any':
        return written(Uint8Array.from({ length: 256 }, (_, byte) => Number(this.flags.has('s') || byte !== LINE_FEED)))
      case 'set':
        return written(bytesOf(node.items, node.negated, this.flags.has('i')))
      case 'group':
        return this.choices(node.choices)
      case 'repeat':
        return `(?:${this.#node(node.node)})${counts(node.least, node.most)}`
      case 'place':
        if (node.place === '^') return this.flags.has('m') ? '(?m:^)' : '\\A'
        return node.place === '$' ? '(?m:$)' : node.place === 'Z' ? '\\z' : `\\${node.place}`
    }
  }
}

function counts(least: number, most: number): string {
  return Number.isFinite(most) ? `{${least},${most}}` : least === 0 ? '*' : `{${least},}`
}

/** In ASCII alone: without other flags Python knows no letters beyond. */
const lower = (code: number): number => (code >= 0x41 && code <= 0x5a ? code + 0x20 : code)
const upper = (code: number): number => (code >= 0x61 && code <= 0x7a ? code - 0x20 : code)

/** Which bytes are in a set. Python asks whether the small letter of a byte is the small letter of something in it. */
function bytesOf(items: readonly Item[], negated: boolean, ignoreCase: boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => {
    const cases = ignoreCase ? [lower(byte), upper(byte)] : [byte]
    return Number(items.some((item) => isIn(item, cases)) !== negated)
  })
}

const CATEGORIES: Readonly<Record<Category['name'], RegExp>> = { d: /[0-9]/, s: /[ \t\n\r\f\v]/, w: /[A-Za-z0-9_]/ }

function isIn(item: Item, [byte = 0, ...others]: readonly number[]): boolean {
  switch (item.type) {
    case 'literal':
      return [byte, ...others].includes(item.code)
    case 'range':
      return [byte, ...others].some((code) => code >= item.from && code <= item.to)
    case 'category':
      return CATEGORIES[item.name].test(String.fromCharCode(byte)) !== item.negated
  }
}

/** A set as re2 reads it. */
function written(bytes: Uint8Array): string {
  const ranges: string[] = []
  for (let from = bytes.indexOf(1); from !== -1; ) {
    const end = bytes.indexOf(0, from)
    const to = (end === -1 ? bytes.length : end) - 1
    ranges.push(from === to ? hex(from) : `${hex(from)}-${hex(to)}`)
    from = bytes.indexOf(1, to + 1)
  }
  if (bytes[LINE_FEED] === 1) ranges.push(hex(INNER_LINE_FEED))
  // What fits nothing.
  return ranges.length === 0 ? '[^\\x{0}-\\x{10ffff}]' : `[${ranges.join('')}]`
}

const hex = (code: number): string => `\\x{${code.toString(16)}}`
