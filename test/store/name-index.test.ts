import fc from 'fast-check'
import { expect, test } from 'vitest'
import { P2pError } from '../../src/errors.js'
import { createCatalog } from '../../src/store/catalog.js'
import { compilePattern, type Matcher } from '../../src/store/patterns.js'
import type { Pattern } from '../../src/streams/ports.js'

const entry = (name: string) => ({ name, size: 1, modifiedMs: 0, identity: name })

/** As many names as make a table worth it, of few words so that many fit. */
const background = Array.from(
  { length: 2_000 },
  (_, i) => `folder ${i % 7}/Summer ${i % 13} ${i}.${i % 3 ? 'jpg' : 'pdf'}`
)

function found(catalog: ReturnType<typeof createCatalog>, { fits, needs }: Matcher): string[] {
  const names: string[] = []
  for (const file of catalog.candidates(needs)) if (file !== undefined && fits(file.name)) names.push(file.name)
  return names.sort()
}

function compiled(pattern: Pattern): Matcher | undefined {
  try {
    return compilePattern(pattern)
  } catch (error) {
    if (error instanceof P2pError) return undefined
    throw error
  }
}

const letter = fc.constantFrom(...Array.from('abcABC19 ./éÉſßςΣ猫'))
const someName = fc.oneof(
  fc.constantFrom(...background),
  fc.array(letter, { minLength: 1, maxLength: 10 }).map((letters) => letters.join(''))
)
const change = fc.record({ type: fc.constantFrom('put', 'remove'), name: someName })
const pattern = fc.oneof(
  fc.record({
    kind: fc.constant('words' as const),
    text: fc.oneof(someName, letter, fc.constantFrom('summer 5', 'jpg'))
  }),
  fc.record({ kind: fc.constant('name' as const), text: someName }),
  fc.record({
    kind: fc.constantFrom('glob' as const, 'regex' as const),
    text: fc
      .array(fc.oneof(letter, fc.constantFrom('*', '?', '[ab]', '{1,2}', '|', 'Summer', '.pdf', '(?i)')), {
        minLength: 1,
        maxLength: 6
      })
      .map((pieces) => pieces.join(''))
  })
)

test('the index finds what a look at every name finds, whatever came and went', () => {
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 60 }),
      fc.array(pattern, { minLength: 1, maxLength: 8 }),
      fc.boolean(),
      (changes, patterns, isLarge) => {
        const catalog = createCatalog()
        if (isLarge) for (const name of background) catalog.put(entry(name))
        for (const { type, name } of changes) {
          if (type === 'put') catalog.put(entry(name))
          else catalog.remove(name)
        }
        for (const each of patterns) {
          const matcher = compiled(each)
          if (matcher === undefined) continue
          expect(found(catalog, matcher)).toEqual(catalog.names().filter(matcher.fits).sort())
        }
      }
    ),
    { numRuns: 150, seed: 11 }
  )
})

test('names of many segments are found, also in the places of others that have gone', () => {
  const catalog = createCatalog()
  const name = (i: number) => `f${i % 100}/file ${i} of many.txt`
  for (let i = 0; i < 10_000; i++) catalog.put(entry(name(i)))
  for (let i = 0; i < 10_000; i += 2) catalog.remove(name(i))
  for (let i = 0; i < 5_000; i++) catalog.put(entry(`late/arrival ${i}.bin`))

  const count = (text: string) => found(catalog, compilePattern({ kind: 'words', text })).length
  expect(count('many')).toBe(5_000)
  expect(count('late arrival')).toBe(5_000)
  expect(count('arrival 4999')).toBe(1)
  expect(count('file 9998')).toBe(0)
})

test('few names are looked at for a rare word', () => {
  const catalog = createCatalog()
  for (let i = 0; i < 20_000; i++) catalog.put(entry(`photos/summer ${i}.jpg`))
  catalog.put(entry('documents/thesis.pdf'))
  const candidates = [...catalog.candidates(compilePattern({ kind: 'words', text: 'thesis' }).needs)]
  // The last segment is too small for a table.
  expect(candidates.filter((file) => file !== undefined).length).toBeLessThan(5_000)
})
