/** Patterns that hang other engines, in every way a pattern reaches a share (T27). The figures are in the bench; here is room for a slow machine. */
import { readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { lastValueFrom, type Observable, reduce, tap } from 'rxjs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { asP2pError } from '../../src/errors.js'
import { createLibrary } from '../../src/store/library.js'
import type { Matches, Pattern } from '../../src/streams/ports.js'
import { folder } from '../peer/network.js'

/** What is wanted is 1 s and 200 ms. */
const MAX_ANSWER_MS = 1_000
const MAX_DELAY_MS = 1_000

interface Case {
  readonly pattern: string
  /** The text that the pattern is slow on; any long one where there is none. */
  readonly name_suffix: string
}

const corpus = new URL('../corpora/redos/patterns.json', import.meta.url)
const { cases } = JSON.parse(await readFile(corpus, 'utf8')) as { cases: readonly Case[] }

const ways: [string, (text: string) => Pattern][] = [
  ['a regular expression', (text) => ({ kind: 'regex', text })],
  ['a glob', (text) => ({ kind: 'glob', text })],
  ['words', (text) => ({ kind: 'words', text })],
  ['a name', (text) => ({ kind: 'name', text })],
  ['words in content', (text) => ({ kind: 'words', text, content: true })],
  ['a regular expression in content', (text) => ({ kind: 'regex', text, content: true })]
]

/** A share with the names that the patterns are slow on, and texts of such lines. */
async function share() {
  const attacks = new Set(
    cases.map(({ name_suffix }) => name_suffix.replaceAll(/[/\0-\x1f]/g, '_') || 'ab'.repeat(100))
  )
  const dir = await folder()
  for (const [number, attack] of [...attacks].entries()) {
    const paths = ['', '1', '22'].map((start) => join(dir, start + attack.slice(-250)))
    for (const path of [...paths, join(dir, `${number}.txt`)]) {
      await writeFile(path, `${attack}\n${attack.repeat(100)}\n`)
      await utimes(path, 1e9, 1e9)
    }
  }
  const library = createLibrary({ dir, searchContent: true })
  onTestFinished(() => library.close())
  await library.start()
  return (pattern: Pattern) => library.search?.(pattern)
}

const count = (found: Observable<Matches> | undefined) =>
  lastValueFrom(
    (found ?? expect.fail('no search')).pipe(
      tap(({ next }) => next()),
      reduce((sum, { files }) => sum + files.length, 0)
    )
  )

describe.each(ways)('as %s', (_, patternOf) => {
  test('each is answered or refused in time, and the peer is not held up', { timeout: 120_000 }, async () => {
    const search = await share()
    // What is loaded with the first pattern is not counted.
    await count(search(patternOf('a')))
    const delay = monitorEventLoopDelay({ resolution: 1 })
    const slow: string[] = []
    delay.enable()
    for (const { pattern } of cases) {
      const startMs = performance.now()
      const code = await count(search(patternOf(pattern))).then(
        () => 'found',
        (error: unknown) => asP2pError(error).code
      )
      expect(['found', 'BAD_PATTERN']).toContain(code)
      if (performance.now() - startMs >= MAX_ANSWER_MS) slow.push(pattern)
    }
    delay.disable()
    expect(slow).toEqual([])
    expect(delay.max / 1e6).toBeLessThan(MAX_DELAY_MS)
  })
})
