/**
 * Globs as RE2 expressions, to be matched against folded names as a whole. The packages for globs make expressions that
 * JavaScript tries one way after the other, which some names make take for ever.
 */
import { P2pError } from '../errors.js'
import { fold } from './folded.js'

/** What braces may spell out. Each is a pattern of its own. */
const MAX_ALTERNATIVES = 64
/** All of them together. */
const MAX_EXPANDED_CHARS = 4_096

/** Stands for whole folders: a part of the path that is nothing else. */
const ANY_FOLDERS = '**'
const NOT_A_SLASH = '[^/]'

export interface Translated {
  readonly source: string
  /** Folded texts that each name has that fits: all of one of these. */
  readonly needs: readonly (readonly string[])[]
}

/** Throws BAD_PATTERN. */
export function translateGlob(glob: string): Translated {
  const alternatives = expandBraces(glob.normalize('NFC'))
  if (alternatives.reduce((chars, { length }) => chars + length, 0) > MAX_EXPANDED_CHARS) throw tooMany()
  const translated = alternatives.map(translate)
  return {
    source: `(?s:${translated.map(({ source }) => source).join('|')})`,
    needs: translated.map(({ needs }) => needs)
  }
}

const tooMany = () =>
  new P2pError('BAD_PATTERN', `The braces of the glob spell out more than ${MAX_ALTERNATIVES} names`)

/** `{a,b}c` as `ac` and `bc`. Braces without a comma, or without their partner, are letters. */
function expandBraces(glob: string): string[] {
  const group = firstBraces(glob)
  if (group === undefined) return [glob]
  const middles = group.parts.flatMap(expandBraces)
  const tails = expandBraces(group.after)
  if (middles.length * tails.length > MAX_ALTERNATIVES) throw tooMany()
  return middles.flatMap((middle) => tails.map((tail) => group.before + middle + tail))
}

function firstBraces(glob: string) {
  /** Of each brace that is open, where it is and the commas directly in it. */
  const open: { readonly at: number; readonly commas: number[] }[] = []
  let found: { at: number; end: number; commas: number[] } | undefined
  for (let i = 0; i < glob.length; i++) {
    const character = glob[i]
    if (character === '\\') i += 1
    else if (character === '{') open.push({ at: i, commas: [] })
    else if (character === ',') open.at(-1)?.commas.push(i)
    else if (character === '}') {
      const closed = open.pop()
      // The outer ones close later, and begin before those found in them.
      if (closed !== undefined && closed.commas.length > 0 && (found === undefined || closed.at < found.at)) {
        found = { ...closed, end: i }
      }
      if (found !== undefined && open.length === 0) break
    }
  }
  if (found === undefined) return undefined
  const edges = [found.at, ...found.commas, found.end]
  return {
    before: glob.slice(0, found.at),
    parts: edges.slice(1).map((edge, index) => glob.slice((edges[index] ?? 0) + 1, edge)),
    after: glob.slice(found.end + 1)
  }
}

/** Without a slash, the last part of a path is meant. */
function translate(glob: string): { source: string; needs: readonly string[] } {
  const parts = glob.split('/')
  if (parts.length === 1) parts.unshift(ANY_FOLDERS)
  const needs: string[] = []
  let run = ''
  let source = ''
  let slash = ''
  const endRun = () => {
    if (run !== '') needs.push(run)
    run = ''
  }
  parts.forEach((part, index) => {
    if (part === ANY_FOLDERS) {
      endRun()
      const isLast = index === parts.length - 1
      // What is in a folder; a file is none.
      if (isLast) source += `${slash}.*`
      else source += `${slash}(?:.*/)?`
      slash = ''
      return
    }
    source += slash
    run += slash
    slash = '/'
    for (const token of tokensOf(part)) {
      if ('literal' in token) {
        const folded = fold(token.literal)
        run += folded
        source += quoted(folded)
      } else {
        endRun()
        source += token.source
      }
    }
  })
  endRun()
  return { source, needs }
}

type Token = { readonly literal: string } | { readonly source: string }

function* tokensOf(part: string): Generator<Token> {
  const characters = Array.from(part)
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i] ?? ''
    if (character === '*') {
      while (characters[i + 1] === '*') i += 1
      yield { source: `${NOT_A_SLASH}*` }
    } else if (character === '?') yield { source: NOT_A_SLASH }
    else if (character === '[') {
      const read = readClass(characters, i)
      if (read === undefined) yield { literal: '[' }
      else {
        yield { source: read.source }
        i = read.end
      }
    } else if (character === '\\') {
      // At the end it is a letter.
      i += i + 1 < characters.length ? 1 : 0
      yield { literal: characters[i] ?? '' }
    } else yield { literal: character }
  }
}

/** A class from its bracket on; nothing when it is not closed, and the bracket a letter. */
function readClass(characters: readonly string[], start: number): { source: string; end: number } | undefined {
  let i = start + 1
  const isNegated = characters[i] === '!' || characters[i] === '^'
  if (isNegated) i += 1
  const next = () => {
    if (characters[i] === '\\') i += 1
    return characters[i++]
  }
  let items = ''
  for (let isFirst = true; isFirst || characters[i] !== ']'; isFirst = false) {
    const low = next()
    if (low === undefined) return undefined
    let high: string | undefined = low
    if (characters[i] === '-' && characters[i + 1] !== ']' && i + 1 < characters.length) {
      i += 1
      high = next()
      if (high === undefined) return undefined
    }
    items += range(low, high)
  }
  return { source: classOf(items, isNegated), end: i }
}

function classOf(items: string, isNegated: boolean): string {
  if (isNegated) return `(?i:[^/${items}])`
  // A slash alone, which no part of a path has.
  return items === '' ? '[^\\x00-\\x{10ffff}]' : `(?i:[${items}])`
}

/** Without the slash, which parts paths even where it lies between the ends. */
function range(low: string, high: string): string {
  const [from = 0, to = 0] = [low.codePointAt(0), high.codePointAt(0)]
  if (from > to) throw new P2pError('BAD_PATTERN', `The range ${low}-${high} in the glob runs backwards`)
  if (from <= 0x2f && to >= 0x2f) return between(from, 0x2e) + between(0x30, to)
  return between(from, to)
}

const between = (from: number, to: number) => (from > to ? '' : `\\x{${from.toString(16)}}-\\x{${to.toString(16)}}`)

/** As a text of an RE2 expression that stands for itself. */
const quoted = (text: string) => text.replace(/[!-/:-@[-`{-~]/g, '\\$&')
