/** A Python 2 pattern cut into tokens, and what its escapes mean. */

/** A pattern that Python 2 refuses, or one that is not answered here. The text is for whoever sent it. */
export class PatternRefused extends Error {}

/** A set of bytes as an escape names it; `\W` is `\w` negated. */
export interface Category {
  readonly type: 'category'
  readonly name: 'd' | 's' | 'w'
  readonly negated: boolean
}

export interface Literal {
  readonly type: 'literal'
  /** UTF-16 unit: beyond 255 it is no byte, and fits nothing. */
  readonly code: number
}

const BACKSLASH = '\\'
const HEX = /^[0-9a-fA-F]$/
const OCTAL = /^[0-7]$/
const DIGIT = /^[0-9]$/
const CONTROLS = new Map(Object.entries({ a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11, '\\': 92 }))

/** One token ahead, as Python reads: a character, or a backslash with the one behind it. */
export class Tokens {
  next: string | undefined
  #at = 0

  constructor(readonly text: string) {
    this.#advance()
  }

  #advance(): void {
    const character = this.text[this.#at]
    if (character !== BACKSLASH) this.next = character
    else if (this.#at + 1 === this.text.length) throw new PatternRefused('bogus escape (end of line)')
    else this.next = this.text.slice(this.#at, this.#at + 2)
    this.#at += this.next?.length ?? 0
  }

  get(): string | undefined {
    const token = this.next
    this.#advance()
    return token
  }

  /** Takes the next token if it is this one. */
  match(token: string): boolean {
    if (this.next !== token) return false
    this.#advance()
    return true
  }

  /** Takes tokens as long as they are one of these, at most so many. */
  while(kind: RegExp, most = Number.POSITIVE_INFINITY): string {
    let taken = ''
    while (taken.length < most && this.next !== undefined && kind.test(this.next)) taken += this.get() ?? ''
    return taken
  }

  /** Takes all up to `end`, and that. */
  until(end: string, otherwise: string): string {
    let taken = ''
    for (;;) {
      const token = this.get()
      if (token === undefined) throw new PatternRefused(otherwise)
      if (token === end) return taken
      taken += token
    }
  }

  digits = (): string => this.while(DIGIT)

  tell(): () => void {
    const [at, next] = [this.#at, this.next]
    return () => {
      this.#at = at
      this.next = next
    }
  }
}

function categoryOf(letter: string): Category | undefined {
  const name = letter.toLowerCase()
  if (name !== 'd' && name !== 's' && name !== 'w') return undefined
  return { type: 'category', name, negated: name !== letter }
}

/** An escape within brackets. */
export function classEscape(tokens: Tokens, letter: string): Literal | Category {
  const control = CONTROLS.get(letter)
  if (control !== undefined) return literal(control)
  const category = categoryOf(letter)
  if (category !== undefined) return category
  if (letter === 'x') return hexadecimal(tokens)
  if (OCTAL.test(letter)) return octal(letter + tokens.while(OCTAL, 2))
  if (DIGIT.test(letter)) throw bogus(letter)
  return literal(letter.charCodeAt(0))
}

/** An escape elsewhere, but for those that are a place: `\A`, `\b`, `\B`, `\Z`. */
export function escape(tokens: Tokens, letter: string): Literal | Category {
  const category = categoryOf(letter)
  if (category !== undefined) return category
  const control = CONTROLS.get(letter)
  if (control !== undefined) return literal(control)
  if (letter === 'x') return hexadecimal(tokens)
  if (letter === '0') return octal(letter + tokens.while(OCTAL, 2))
  if (DIGIT.test(letter)) return octalOrReference(tokens, letter)
  // Python 2 has no \u for patterns: it is a u.
  return literal(letter.charCodeAt(0))
}

/** `\141` is a byte, everything else with a digit first is a reference to a group. */
function octalOrReference(tokens: Tokens, first: string): Literal {
  const second = tokens.while(DIGIT, 1)
  if (OCTAL.test(first) && OCTAL.test(second) && tokens.next !== undefined && OCTAL.test(tokens.next))
    return octal(first + second + tokens.while(OCTAL, 1))
  throw new PatternRefused(`references to groups, like \\${first}${second}, are not answered here`)
}

function hexadecimal(tokens: Tokens): Literal {
  const digits = tokens.while(HEX, 2)
  if (digits.length !== 2) throw bogus(`x${digits}`)
  return literal(Number.parseInt(digits, 16))
}

const octal = (digits: string): Literal => literal(Number.parseInt(digits, 8) & 0xff)

const literal = (code: number): Literal => ({ type: 'literal', code })

const bogus = (letters: string) => new PatternRefused(`bogus escape: ${BACKSLASH}${letters}`)
