import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { P2pError } from '../../src/errors.js'
import { compilePattern, type Matcher } from '../../src/store/patterns.js'
import { compiledSize } from '../../src/store/regex.js'
import type { Pattern } from '../../src/streams/ports.js'

const fits = (kind: Pattern['kind'], text: string, name: string) => compilePattern({ kind, text }).fits(name)

const compiledOrRefused = (pattern: Pattern): Matcher | undefined => {
  try {
    return compilePattern(pattern)
  } catch (error) {
    if (error instanceof P2pError && error.code === 'BAD_PATTERN') return undefined
    throw error
  }
}

describe('words', () => {
  test.each([
    ['report', 'docs/Annual Report.pdf'],
    ['REPORT annual', 'docs/Annual Report.pdf'],
    ['  pdf\tdocs ', 'docs/Annual Report.pdf'],
    ['caf\u00e9', 'Cafe\u0301 de Flore.jpg'],
    ['cafe\u0301', 'CAF\u00c9.jpg'],
    ['STRASSE', 'Hauptstraße.png'],
    ['οδος', 'ΟΔΟΣ 12'],
    ['ΟΔΟΣ', 'οδοσα'],
    ['猫', '子猫.jpg'],
    ['.*', 'a.*b']
  ])('%j finds %j', (text, name) => expect(fits('words', text, name)).toBe(true))

  test.each([
    ['report annual', 'docs/Report.pdf'],
    ['cafe', 'caf\u00e9.jpg'],
    ['re*rt', 'report.pdf']
  ])('%j does not find %j', (text, name) => expect(fits('words', text, name)).toBe(false))
})

describe('globs', () => {
  test.each([
    ['*.pdf', 'docs/a.PDF'],
    ['*.pdf', '.pdf'],
    ['docs/*.pdf', 'Docs/a.pdf'],
    ['**/2001/*', '2001/a'],
    ['**/2001/*', 'a/b/2001/c'],
    ['a/**/z', 'a/z'],
    ['a/**/z', 'a/b/c/z'],
    ['a/**', 'a/b/c'],
    ['**', '.hidden/.file'],
    ['report?.txt', 'report1.txt'],
    ['caf?', 'cafe\u0301'],
    ['[a-c]x[!0-9]', 'BxY'],
    ['[]-]x', ']x'],
    ['[]-]x', '-x'],
    ['\\[x\\]', '[X]'],
    ['[x', '[x'],
    ['{jpg,png', '{jpg,png'],
    ['{a}', '{a}'],
    ['*.{jpg,p{n,s}g}', 'a/b.psg'],
    ['{docs,**/old}/*.txt', 'a/b/old/x.txt'],
    ['{,un}done', 'undone'],
    ['{,un}done', 'done'],
    ['report (1).pdf', 'report (1).pdf'],
    ['!x', '!x'],
    ['a+b|c$.^', 'a+b|c$.^'],
    ['*line', 'two\nline'],
    ['[+-9]', '5'],
    ['?', '😀']
  ])('%j finds %j', (text, name) => expect(fits('glob', text, name)).toBe(true))

  test.each([
    ['*.pdf', 'a.pdf/b'],
    ['docs/*.pdf', 'x/docs/a.pdf'],
    ['docs/*.pdf', 'docs/x/a.pdf'],
    ['a?c', 'a/c'],
    ['a[!x]c', 'a/c'],
    ['a[+-9]c', 'a/c'],
    ['a/**/z', 'az'],
    ['a/**', 'a'],
    ['a**z', 'a/z'],
    ['[!a]', 'A'],
    ['*.{jpg,png}', 'x.gif'],
    ['report', 'report.pdf'],
    ['a.c', 'abc']
  ])('%j does not find %j', (text, name) => expect(fits('glob', text, name)).toBe(false))
})

describe('regular expressions', () => {
  test.each([
    ['^[0-9]{4}/', '2001/x'],
    ['(?i)REPORT', 'report'],
    ['\\.pdf$', 'a/b.pdf'],
    ['a|b', 'xbx'],
    ['caf\u00e9', 'cafe\u0301'],
    ['\\p{Greek}', 'αβγ'],
    ['x{2,3}', 'xx']
  ])('%j finds %j', (text, name) => expect(fits('regex', text, name)).toBe(true))

  test.each([
    ['REPORT', 'report'],
    ['^b', 'ab'],
    ['a.c', 'a\nc']
  ])('%j does not find %j', (text, name) => expect(fits('regex', text, name)).toBe(false))
})

test('a name is that very name, byte for byte', () => {
  expect(fits('name', 'a.txt', 'a.txt')).toBe(true)
  expect(fits('name', 'a.txt', 'A.txt')).toBe(false)
  expect(fits('name', 'caf\u00e9', 'cafe\u0301')).toBe(false)
})

describe('refused with a sentence', () => {
  const refusals: [string, Pattern][] = [
    ['nothing', { kind: 'words', text: '' }],
    ['blanks only', { kind: 'words', text: ' \t' }],
    ['more than 32 words', { kind: 'words', text: 'a '.repeat(33) }],
    ['more than 1,024 characters', { kind: 'glob', text: 'a'.repeat(1_025) }],
    ['a range that runs backwards', { kind: 'glob', text: '[z-a]' }],
    ['braces that spell out too much', { kind: 'glob', text: '{a,b}'.repeat(7) }],
    [
      'braces that spell out too much, one in the other',
      { kind: 'glob', text: `${'{a,'.repeat(65)}b${'}'.repeat(65)}` }
    ],
    ['braces that spell out too many characters', { kind: 'glob', text: `{a,b,c,d,e,f,g,h}${'x'.repeat(900)}` }],
    ['a class that is not closed', { kind: 'regex', text: '[a' }],
    ['a group that is not closed', { kind: 'regex', text: '(a' }],
    ['a reference back', { kind: 'regex', text: '(a)\\1' }],
    ['a look ahead', { kind: 'regex', text: '(?=a)' }],
    ['counts within counts', { kind: 'regex', text: '(a{1000}){1000}' }],
    ['counts one after the other', { kind: 'regex', text: 'a{500}b{500}c{500}' }],
    ['a count of a class of Unicode', { kind: 'regex', text: '\\pL{1000}' }],
    ['a count hidden behind a quoted bracket', { kind: 'regex', text: '\\Q[\\E(?:abc){500}' }],
    ['a glob in contents', { kind: 'glob', text: '*', content: true }],
    ['a kind of tomorrow', { kind: 'soundex' as 'words', text: 'a' }]
  ]
  test.each(refusals)('%s', (_, pattern) => {
    expect(() => compilePattern(pattern)).toThrow(expect.objectContaining({ code: 'BAD_PATTERN' }))
  })
})

test('whatever is said is a pattern or a bad pattern', () => {
  const kind = fc.constantFrom('words', 'glob', 'regex', 'name')
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fc.constantFrom(...Array.from('ab*?[]{},!^\\/|().+-$0123456789:pQEx'))).map((all) => all.join(''))
  )
  fc.assert(
    fc.property(kind, text, fc.string({ unit: 'grapheme' }), (kind, text, name) => {
      compiledOrRefused({ kind, text })?.fits(name)
    }),
    { numRuns: 600, seed: 5 }
  )
})

test('whatever fits has the texts that the pattern says it needs', async () => {
  const { fold } = await import('../../src/store/folded.js')
  const letters = fc.constantFrom(...'aabbAB12.-_ éſKßς'.split(''))
  const piece = fc.oneof(
    letters,
    fc.constantFrom(
      '*',
      '?',
      '+',
      '.',
      '[ab]',
      '[^a]',
      '[[:alpha:]]',
      '(a|b)',
      '(?i)',
      '(?:ab)?',
      '|',
      '{2}',
      '{0,1}',
      '{x',
      '\\.',
      '\\d',
      '\\x41',
      '\\Qa*\\E',
      '^',
      '$',
      '**',
      '/',
      '{a,b}',
      '{',
      '}'
    )
  )
  const text = fc.array(piece, { minLength: 1, maxLength: 8 }).map((all) => all.join(''))
  const name = fc.array(letters, { minLength: 1, maxLength: 12 }).map((all) => all.join(''))
  let fitted = 0
  fc.assert(
    fc.property(
      fc.constantFrom('words', 'glob', 'regex'),
      text,
      fc.array(name, { minLength: 20 }),
      (kind, text, names) => {
        const matcher = compiledOrRefused({ kind, text })
        for (const each of matcher === undefined ? [] : names.filter(matcher.fits)) {
          fitted += 1
          expect(matcher?.needs.some((texts) => texts.every((part) => fold(each).includes(part)))).toBe(true)
        }
      }
    ),
    { numRuns: 600, seed: 5 }
  )
  expect(fitted).toBeGreaterThan(300)
})

test('the size of an expression is not underestimated', async () => {
  const { RE2JS } = await import('re2js')
  const piece = fc.constantFrom(
    'a',
    'b',
    '(',
    ')',
    '(?:',
    '[a(b]',
    '[^]]',
    '|',
    '*',
    '+',
    '?',
    '{3}',
    '{2,}',
    '{2,5}',
    '\\d',
    '\\Q[\\E',
    '\\pL',
    '.'
  )
  let compiled = 0
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 20 }), (pieces) => {
      const source = pieces.join('')
      let size: number
      try {
        size = RE2JS.compile(source).programSize()
      } catch {
        return
      }
      compiled += 1
      // Two instructions begin and end every program.
      expect(compiledSize(source) + 2).toBeGreaterThanOrEqual(size)
    }),
    { numRuns: 2_000, seed: 5 }
  )
  expect(compiled).toBeGreaterThan(200)
})
