/** A place in a small XML text that moves over what it understands, and gives up on anything else. */
import { isXmlCodePoint } from './guard.js'

/** Thrown and caught, never seen outside. One for all: making an error takes longer than reading a call. */
export const GIVE_UP = new Error('Not in the everyday form.')

/** Those of 2^53. Of so many digits, what is beyond 2^53 is seen to be so, even where it is not exact. */
const MAX_QUICK_DIGITS = 16

const NAMED = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"]
])
const NUMERIC = /^#(?:(\d{1,7})|x([\da-fA-F]{1,6}))$/

const TAB = 0x09
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const AMPERSAND = 0x26
const SLASH = 0x2f
const ZERO = 0x30
const LESS = 0x3c
const FIRST_NOT_XML = 0xfffe

export class Cursor {
  readonly #text: string
  #at = 0

  /** The text comes from valid UTF-8: surrogates are not looked at. */
  constructor(text: string) {
    this.#text = text
  }

  /** Steps over `literal` where it stands here. */
  take(literal: string): boolean {
    if (!this.#text.startsWith(literal, this.#at)) return false
    this.#at += literal.length
    return true
  }

  /** Steps over `literal`, or gives up. */
  expect(literal: string): void {
    if (!this.take(literal)) throw GIVE_UP
  }

  /** Steps over `tag` and the space behind it, or gives up. */
  next(tag: string): void {
    this.expect(tag)
    this.space()
  }

  /** Steps over what matches a sticky pattern. */
  skip(pattern: RegExp): void {
    pattern.lastIndex = this.#at
    if (pattern.test(this.#text)) this.#at = pattern.lastIndex
  }

  space(): void {
    let unit = this.#unit(0)
    while (unit === LF || unit === SPACE || unit === TAB || unit === CR) {
      this.#at++
      unit = this.#unit(0)
    }
  }

  /** Steps over space, unless something other than an opening tag comes behind it. */
  spaceBeforeTag(): boolean {
    const start = this.#at
    this.space()
    if (this.#unit(0) === LESS && this.#unit(1) !== SLASH) return true
    this.#at = start
    return false
  }

  end(): void {
    if (this.#at !== this.#text.length) throw GIVE_UP
  }

  /** Character data up to the next tag, which must be `end`. */
  characters(end: string): string {
    const text = this.#text
    let before = ''
    let start = this.#at
    let at = start
    // Behind the end of the text a unit is NaN, which is nothing at all.
    for (let unit = text.charCodeAt(at); unit !== LESS; unit = text.charCodeAt(++at)) {
      if (unit === AMPERSAND) {
        const semicolon = text.indexOf(';', at)
        before += text.slice(start, at) + referent(text.slice(at + 1, semicolon))
        start = semicolon + 1
        at = semicolon
      } else if (!(unit >= SPACE && unit < FIRST_NOT_XML) && unit !== LF && unit !== TAB && unit !== CR) {
        throw GIVE_UP
      }
    }
    this.#at = at
    this.expect(end)
    return before + text.slice(start, at)
  }

  /** Digits, perhaps behind a minus, up to the tag `end`. Never -0. */
  integer(end: string): number {
    const isNegative = this.take('-')
    const start = this.#at
    let value = 0
    for (let unit = this.#unit(0); unit >= ZERO && unit <= ZERO + 9; unit = this.#unit(0)) {
      value = value * 10 + (unit - ZERO)
      this.#at++
    }
    if (this.#at === start || this.#at - start > MAX_QUICK_DIGITS) throw GIVE_UP
    if (!Number.isSafeInteger(value)) throw GIVE_UP
    this.expect(end)
    return isNegative && value !== 0 ? -value : value
  }

  #unit(offset: number): number {
    return this.#text.charCodeAt(this.#at + offset)
  }
}

/** What stands for `&name;`. */
function referent(name: string): string {
  const named = NAMED.get(name)
  if (named !== undefined) return named
  const [, decimal, hex = ''] = NUMERIC.exec(name) ?? []
  const point = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)
  if (!isXmlCodePoint(point)) throw GIVE_UP
  return String.fromCodePoint(point)
}
