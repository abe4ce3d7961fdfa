/** What can be said of a regular expression from its text, before it is compiled. */

/** Characters of a class of Unicode, as `\pL`, are hundreds of ranges. */
const UNICODE_CLASS_SIZE = 8

/** `{3}`, `{3,}` and `{3,5}`. */
const COUNT = /\{(\d{1,9})(,(\d{0,9}))?\}/y

/**
 * Instructions that an expression compiles to, or more: `(a{1000}){1000}` is a million, and would be made before they
 * could be counted.
 */
export function compiledSize(source: string): number {
  /** Sizes of what is before each group that is open. */
  const outer: number[] = []
  let total = 0
  let last = 0
  const add = (size: number) => {
    total += size
    last = size
  }
  for (let i = 0; i < source.length; i++) {
    const character = source[i]
    if (character === '(') {
      outer.push(total)
      total = 0
      last = 0
    } else if (character === ')') {
      // An empty one is an instruction, too.
      const size = total + 3
      total = outer.pop() ?? 0
      add(size)
    } else if (character === '{') {
      COUNT.lastIndex = i
      const count = COUNT.exec(source)
      if (count === null) add(1)
      else {
        const [text, least, , most] = count
        const times = most === undefined || most === '' ? Number(least) + 1 : Number(most)
        total -= last
        // One for each that may be left out.
        add(last * times + times)
        i += text.length - 1
      }
    } else if (character === '*' || character === '+' || character === '?') {
      total += 2
      last += 2
    } else if (character === '[') {
      const { end, size } = readClass(source, i)
      add(size)
      i = end
    } else if (character === '\\') {
      const { end, size } = readEscape(source, i)
      add(size)
      i = end
    } else if (character === '|') add(2)
    else add(1)
  }
  return outer.reduce((sum, size) => sum + size, total)
}

function readEscape(source: string, start: number): { end: number; size: number } {
  const kind = source[start + 1]
  if (kind === 'Q') {
    const end = source.indexOf('\\E', start)
    const stop = end === -1 ? source.length : end + 2
    return { end: stop - 1, size: stop - start }
  }
  if (kind === 'p' || kind === 'P') return { end: start + 1, size: UNICODE_CLASS_SIZE }
  return { end: start + 1, size: 1 }
}

/** To the first bracket that could close it; where RE2 reads on, more is counted rather than less. */
function readClass(source: string, start: number): { end: number; size: number } {
  let size = 1
  let i = start + 1
  if (source[i] === '^') i += 1
  for (let isFirst = true; i < source.length && (isFirst || source[i] !== ']'); isFirst = false, i++) {
    if (source[i] !== '\\') continue
    i += 1
    if (source[i] === 'p' || source[i] === 'P') size += UNICODE_CLASS_SIZE
  }
  return { end: i, size }
}

/** Escapes of one letter that stand for no certain character. */
const PLAIN_ESCAPE = /[dDwWsSbBAzC]/

/** Characters that stand for themselves behind a backslash. */
const QUOTABLE = /[!-/:-@[-`{-~]/

/**
 * Texts that whatever fits surely has, all of one of these. Only what is plain to see: groups and classes are skipped, and
 * where more than that stands in the expression, it has to be tried everywhere.
 */
export function surelyContains(source: string): readonly (readonly string[])[] {
  const alternatives: string[][] = []
  let runs: string[] = []
  let run: string[] = []
  let depth = 0
  const endRun = () => {
    if (run.length > 0) runs.push(run.join(''))
    run = []
  }
  for (let i = 0; i < source.length; i++) {
    const character = String.fromCodePoint(source.codePointAt(i) ?? 0)
    i += character.length - 1
    if (character === '\\') {
      const next = source[(i += 1)] ?? ''
      const isText = QUOTABLE.test(next)
      if (!isText && !PLAIN_ESCAPE.test(next)) return NOTHING_SURE
      if (isText && depth === 0) run.push(next)
      else endRun()
    } else if (character === '[') {
      endRun()
      const { end } = readClass(source, i)
      // A class within the class may have closed there.
      if (source.slice(i + 1, end).includes('[')) return NOTHING_SURE
      i = end
    } else if (character === '(' || character === ')') {
      endRun()
      depth += character === '(' ? 1 : -1
    } else if (depth > 0) continue
    else if (character === '|') {
      endRun()
      alternatives.push(runs)
      runs = []
    } else if (/[*+?{]/.test(character)) {
      // What stands before it may be missing.
      run.pop()
      endRun()
      COUNT.lastIndex = i
      i += (COUNT.exec(source)?.[0].length ?? 1) - 1
    } else if (/[.^$]/.test(character)) endRun()
    else run.push(character)
  }
  endRun()
  return [...alternatives, runs]
}

const NOTHING_SURE = [[]]
