/** Globs beside picomatch, which the programs people know use, where its README says what it does. */
import fc from 'fast-check'
import picomatch from 'picomatch'
import { expect, test } from 'vitest'
import { compilePattern } from '../../src/store/patterns.js'

const NAMES = [
  'a',
  'b',
  'ab',
  'abc',
  'a.b',
  'a.txt',
  '.a',
  '.txt',
  'a/b',
  'a/.b',
  'a/b.txt',
  'a/b/c',
  'a/b/c.txt',
  'ab/a',
  'b/a/b/a',
  '.a/.b/.c',
  '-',
  'a-b',
  '1',
  'a1/b2.txt'
]

/** A glob with a slash means the same to both; one without is tried on the last part of a path by us. */
const oursAndTheirs = (glob: string) => {
  const theirs = picomatch(glob, { dot: true, nocase: true, nonegate: true })
  const base = (name: string) => name.slice(name.lastIndexOf('/') + 1)
  const { fits } = compilePattern({ kind: 'glob', text: glob })
  return {
    ours: NAMES.filter(fits),
    theirs: NAMES.filter((name) => theirs(name) || (!glob.includes('/') && theirs(base(name))))
  }
}

test.each([
  '*',
  '**',
  '*.txt',
  '**/*.txt',
  '**/a',
  'a/*',
  'a/**/c',
  '*/*',
  '*/**/*.txt',
  'a**',
  'a***/b',
  '?',
  'a?b',
  '?/?',
  '[ab]',
  '[^a]*',
  '[a-c]*/[^a]',
  '{a,b}',
  '{a,b}/*',
  'a/{b,b/c}.txt',
  '{a/b,*}/c',
  '*.{txt,b}',
  '\\*'
])('%s finds what picomatch finds', (glob) => {
  const { ours, theirs } = oursAndTheirs(glob)
  expect(ours).toEqual(theirs)
})

test('globs of common pieces find what picomatch finds', () => {
  const part = fc
    .array(fc.constantFrom('a', 'b', '.', '*', '?', '[ab]', '[^a]', 'txt', '-'), { minLength: 1, maxLength: 4 })
    .map((pieces) => pieces.join(''))
    // Its README has no word for stars in a row beside other wildcards, nor for parts of dots only.
    .filter((text) => !text.includes('**') && !/^\.+$/.test(text))
  const glob = fc
    .array(fc.oneof(part, fc.constant('**')), { minLength: 1, maxLength: 4 })
    // At an end `**` is what lies in a folder: to picomatch now and then also what is called like the folder.
    .filter((parts) => parts.length === 1 || parts.at(-1) !== '**')
    .map((parts) => parts.join('/'))
  fc.assert(
    fc.property(glob, (text) => {
      const { ours, theirs } = oursAndTheirs(text)
      expect(ours).toEqual(theirs)
    }),
    { numRuns: 2_000, seed: 7 }
  )
})
