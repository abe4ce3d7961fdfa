/** What a pattern finds. All kinds take time in proportion to the text they are tried on, whatever they and the text say. */
import { RE2JS, RE2JSException, RE2Set } from 're2js'
import { P2pError } from '../errors.js'
import type { Pattern } from '../streams/ports.js'
import { fold } from './folded.js'
import { translateGlob } from './glob.js'
import { compiledSize, surelyContains } from './regex.js'

/** More than any name has to be described with; what a find carries over the wire stays small. */
const MAX_FIND_PATTERN_CHARS = 1_024

/** Words that all have to occur. */
const MAX_WORDS = 32

/** Instructions of a regular expression. A text of the longest name takes as many steps for each of its characters at worst. */
const MAX_COMPILED_SIZE = 1_024

/** States that RE2 keeps of one pattern so that it is quick; beyond them it is slower. There may be a hundred patterns. */
const MAX_STATES_BYTES = 1024 * 1024

/** A pattern that makes sense. */
export interface Matcher {
  readonly fits: (text: string) => boolean
  /** How far from its beginning a text fits, as a part of its length: 0 to 1. */
  readonly where: (text: string) => number
  /** Folded texts: a name that fits has all texts of one of these. */
  readonly needs: readonly (readonly string[])[]
  /** The only name that fits. */
  readonly name?: string
}

export const ANYTHING: Matcher = { fits: () => true, where: () => 0, needs: [[]] }

/** Throws BAD_PATTERN. */
export function compilePattern({ kind, text, content = false }: Pattern): Matcher {
  if (text === '') throw bad('The pattern is empty')
  if (text.length > MAX_FIND_PATTERN_CHARS) throw bad(`The pattern has more than ${MAX_FIND_PATTERN_CHARS} characters`)
  if (content && kind !== 'words' && kind !== 'regex') {
    throw bad('In files, only words and regular expressions are looked for')
  }
  switch (kind) {
    case 'name':
      return { fits: (name) => name === text, where: () => 0, needs: [[fold(text)]], name: text }
    case 'words':
      return words(text)
    case 'glob':
      return glob(text)
    case 'regex':
      return regex(text)
    default:
      // From somebody who knows more kinds.
      throw bad('The kind of the pattern is not known')
  }
}

function words(text: string): Matcher {
  const all = fold(text)
    .split(/\s+/)
    .filter((word) => word !== '')
  if (all.length === 0) throw bad('The pattern has no words')
  if (all.length > MAX_WORDS) throw bad(`The pattern has more than ${MAX_WORDS} words`)
  return {
    fits(name) {
      const folded = fold(name)
      return all.every((word) => folded.includes(word))
    },
    where(line) {
      const folded = fold(line)
      return folded.indexOf(all[0] ?? '') / folded.length
    },
    needs: [all]
  }
}

function glob(text: string): Matcher {
  const { source, needs } = translateGlob(text)
  const set = compiled(source, RE2Set.ANCHOR_BOTH)
  return { fits: (name) => set.match(fold(name)).length > 0, where: () => 0, needs }
}

function regex(text: string): Matcher {
  const source = text.normalize('NFC')
  if (compiledSize(source) > MAX_COMPILED_SIZE) throw bad('The regular expression is too large when it is written out')
  const set = compiled(source, RE2Set.UNANCHORED)
  return {
    fits: (name) => set.match(name.normalize('NFC')).length > 0,
    where(line) {
      const composed = line.normalize('NFC')
      const matcher = RE2JS.compile(source).matcher(composed)
      return matcher.find() ? matcher.start() / composed.length : 0
    },
    needs: surelyContains(source).map((runs) => runs.map(fold))
  }
}

function compiled(source: string, anchor: number): RE2Set {
  try {
    const set = new RE2Set(anchor, 0, MAX_STATES_BYTES)
    set.add(source)
    set.compile()
    return set
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    throw bad(`The regular expression cannot be read: ${error.message}`, error)
  }
}

const bad = (message: string, cause?: unknown) => new P2pError('BAD_PATTERN', message, { cause })
