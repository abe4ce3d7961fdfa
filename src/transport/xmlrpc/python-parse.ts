/**
 * Reads a pattern of Python 2's `re` into a tree, by its rules and with its refusals. What a regular language cannot say
 * (references, looks around, conditions) is refused too; so is what depends on the machine it runs on.
 */
import { type Category, classEscape, escape, type Literal, PatternRefused, Tokens } from './python-tokens.js'

export type Item = Literal | Category | { readonly type: 'range'; readonly from: number; readonly to: number }

type Place = 'A' | 'Z' | 'b' | 'B' | '^' | '$'

/** Groups are there to be repeated: nobody asks what they held. */
export type Node =
  | { readonly type: 'any' }
  | { readonly type: 'set'; readonly negated: boolean; readonly items: readonly Item[] }
  | { readonly type: 'place'; readonly place: Place }
  | { readonly type: 'repeat'; readonly node: Node; readonly least: number; readonly most: number }
  | { readonly type: 'group'; readonly choices: readonly (readonly Node[])[] }

export interface Parsed {
  readonly choices: readonly (readonly Node[])[]
  readonly flags: ReadonlySet<string>
}

/** Groups in groups. Python gives up at some hundred. */
const MAX_DEPTH = 64
/** Python's own. */
const MAX_GROUPS = 99
/** A count beyond it is none that a name could reach. Far more than the size of a pattern allows. */
const MAX_COUNT_DIGITS = 6

const SPACE = new Set(' \t\n\r\v\f')
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/
const FLAGS = /^[iLmstux]$/
const PLACES = new Set<string>(['A', 'Z', 'b', 'B'])

/** Throws {@link PatternRefused}. */
export function parsePython(text: string): Parsed {
  // One character in one build of Python 2, two in another.
  if (/[\ud800-\udfff]/.test(text)) throw new PatternRefused('characters beyond U+FFFF are not answered here')
  const first = new Parser(text, new Set()).parse()
  if (!first.flags.has('x')) return first
  // From the beginning, with all that was found at the end: so Python does it.
  return new Parser(text, new Set(first.flags)).parse()
}

class Parser {
  readonly #tokens: Tokens
  readonly #flags: Set<string>
  readonly #names = new Set<string>()
  #groups = 0

  constructor(text: string, flags: Set<string>) {
    this.#tokens = new Tokens(text)
    this.#flags = flags
  }

  parse(): Parsed {
    const choices = this.#choices(0)
    // Nothing but a parenthesis ends it early.
    if (this.#tokens.next !== undefined) throw new PatternRefused('unbalanced parenthesis')
    return { choices, flags: this.#flags }
  }

  #choices(depth: number): Node[][] {
    if (depth > MAX_DEPTH) throw new PatternRefused(`more than ${MAX_DEPTH} groups in each other`)
    const choices = [this.#sequence(depth)]
    while (this.#tokens.match('|')) choices.push(this.#sequence(depth))
    return choices
  }

  #sequence(depth: number): Node[] {
    const tokens = this.#tokens
    const nodes: Node[] = []
    while (tokens.next !== undefined && tokens.next !== '|' && tokens.next !== ')') {
      const token = tokens.get() ?? ''
      if (this.#flags.has('x') && (SPACE.has(token) || token === '#')) {
        if (token === '#') this.#skipLine()
        continue
      }
      switch (token) {
        case '[':
          nodes.push(this.#brackets())
          break
        case '*':
        case '+':
        case '?':
        case '{':
          this.#repeat(token, nodes)
          break
        case '.':
          nodes.push({ type: 'any' })
          break
        case '(': {
          const group = this.#group(depth)
          if (group !== undefined) nodes.push(group)
          break
        }
        case '^':
        case '$':
          nodes.push({ type: 'place', place: token })
          break
        default:
          nodes.push(token.length === 2 ? this.#escaped(token.charAt(1)) : one(literal(token)))
      }
    }
    return nodes
  }

  #skipLine(): void {
    for (let token = this.#tokens.get(); token !== undefined && token !== '\n'; ) token = this.#tokens.get()
  }

  #escaped(letter: string): Node {
    if (PLACES.has(letter)) return { type: 'place', place: letter as Place }
    return one(escape(this.#tokens, letter))
  }

  #brackets(): Node {
    const tokens = this.#tokens
    const negated = tokens.match('^')
    const items: Item[] = []
    for (;;) {
      // As the first one it is an ordinary character.
      if (items.length > 0 && tokens.match(']')) break
      const from = this.#item()
      if (!tokens.match('-')) {
        items.push(from)
        continue
      }
      if (tokens.match(']')) {
        items.push(from, literal('-'))
        break
      }
      const to = this.#item()
      if (from.type !== 'literal' || to.type !== 'literal' || to.code < from.code)
        throw new PatternRefused('bad character range')
      items.push({ type: 'range', from: from.code, to: to.code })
    }
    return { type: 'set', negated, items }
  }

  #item(): Literal | Category {
    const token = this.#tokens.get()
    if (token === undefined) throw new PatternRefused('unexpected end of regular expression')
    return token.length === 2 ? classEscape(this.#tokens, token.charAt(1)) : literal(token)
  }

  #repeat(token: '*' | '+' | '?' | '{', nodes: Node[]): void {
    const counts = token === '{' ? this.#counts() : COUNTS[token]
    if (counts === undefined) {
      nodes.push(one(literal('{')))
      return
    }
    const node = nodes.pop()
    if (node === undefined || node.type === 'place') throw new PatternRefused('nothing to repeat')
    if (node.type === 'repeat') throw new PatternRefused('multiple repeat')
    // Whether as many or as few as possible is the same to whoever asks for a yes or a no.
    this.#tokens.match('?')
    nodes.push({ type: 'repeat', node, least: counts[0], most: counts[1] })
  }

  /** What stands in braces; nothing, and nothing is taken, where it is no count and the brace a character. */
  #counts(): readonly [number, number] | undefined {
    const tokens = this.#tokens
    if (tokens.next === '}') return undefined
    const back = tokens.tell()
    const low = tokens.digits()
    const high = tokens.match(',') ? tokens.digits() : low
    if (!tokens.match('}')) {
      back()
      return undefined
    }
    const significant = Math.max(...[low, high].map((digits) => digits.replace(/^0+/, '').length))
    if (significant > MAX_COUNT_DIGITS) throw new PatternRefused('the repetition number is too large')
    const [least, most] = [Number(low), high === '' ? Number.POSITIVE_INFINITY : Number(high)]
    if (most < least) throw new PatternRefused('bad repeat interval')
    return [least, most]
  }

  /** Nothing for what is no part of the pattern: flags and comments. */
  #group(depth: number): Node | undefined {
    const tokens = this.#tokens
    if (!tokens.match('?')) this.#count()
    else if (tokens.match('P')) this.#named()
    else if (tokens.match('#')) {
      tokens.until(')', 'unbalanced parenthesis')
      return undefined
    } else if (!tokens.match(':')) {
      this.#setFlags()
      return undefined
    }
    const choices = this.#choices(depth + 1)
    if (!tokens.match(')')) throw new PatternRefused('unbalanced parenthesis')
    return { type: 'group', choices }
  }

  #count(): void {
    if (++this.#groups > MAX_GROUPS) throw new PatternRefused(`more than ${MAX_GROUPS} groups`)
  }

  #named(): void {
    if (!this.#tokens.match('<')) throw new PatternRefused('references to groups are not answered here')
    const name = this.#tokens.until('>', 'unterminated name')
    if (!NAME.test(name)) throw new PatternRefused('bad character in group name')
    if (this.#names.has(name)) throw new PatternRefused('redefinition of group name')
    this.#names.add(name)
    this.#count()
  }

  #setFlags(): void {
    const tokens = this.#tokens
    const flags = tokens.while(FLAGS)
    if (flags === '') throw new PatternRefused('what begins with (? here is not answered, or no pattern')
    // With these a byte is a letter or not by the settings of the machine, or as if names were Latin-1.
    if (/[Ltu]/.test(flags)) throw new PatternRefused(`the flags (?${flags}) are not answered here`)
    if (!tokens.match(')')) throw new PatternRefused('unknown extension')
    for (const flag of flags) this.#flags.add(flag)
  }
}

const COUNTS = {
  '*': [0, Number.POSITIVE_INFINITY],
  '+': [1, Number.POSITIVE_INFINITY],
  '?': [0, 1]
} as const

const literal = (character: string): Literal => ({ type: 'literal', code: character.charCodeAt(0) })

const one = (item: Item): Node => ({ type: 'set', negated: false, items: [item] })
