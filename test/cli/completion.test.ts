import { execFileSync, spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { completableNames } from '../../src/cli/last-find.js'
import { environment, run, testFolder } from './program.js'

const has = (shell: string) => spawnSync(shell, ['-c', 'exit 0']).status === 0

/** What Tab offers in bash after these words. */
async function offered(words: readonly string[], names = '') {
  const folder = await testFolder()
  await mkdir(join(folder, '.local/state/p2p-rx'), { recursive: true })
  await writeFile(join(folder, '.local/state/p2p-rx/last-find'), names)
  const { out } = await run(folder, ['completion', 'bash'])
  await writeFile(join(folder, 'script'), out)
  const quoted = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
  // `compopt` knows only completions that are under way.
  const asked = `compopt() { :; }; source ./script; COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; _p2p_rx; printf '%s\\n' "\${COMPREPLY[@]}"`
  const text = execFileSync('bash', ['-c', asked], { cwd: folder, env: environment(folder), encoding: 'utf8' })
  return text.split('\n').filter((line) => line !== '')
}

describe.skipIf(!has('bash'))('in bash', () => {
  test.each([
    ['commands', ['p2p-rx', 'fi'], ['find']],
    ['their aliases', ['p2p-rx', 'fet'], ['fetch']],
    ['flags', ['p2p-rx', 'find', '--re'], ['--regex']],
    ['flags of the command that is meant', ['p2p-rx', 'hash', '--re'], []],
    ['commands of a command', ['p2p-rx', 'network', 'ro'], ['rotate']],
    ['names that were found', ['p2p-rx', 'get', 'no'], ['notes/a b.txt', 'nothing.txt']],
    ['names that are quoted', ['p2p-rx', 'get', '"notes/a b'], ['notes/a b.txt']],
    ['names with an escaped blank', ['p2p-rx', 'fetch', 'notes/a\\ '], ['notes/a b.txt']],
    ['no names where a file is meant', ['p2p-rx', 'hash', 'no'], []]
  ])('%s', async (_, words, expected) => {
    expect(await offered(words, 'notes/a b.txt\nnothing.txt\nother.txt\n')).toEqual(expected)
  })

  test('a name is never taken for a command or a pattern', async () => {
    const hostile = ['$(touch pwned)', '`touch pwned`', '*', '${HOME}', "'; touch pwned; '", '-rf', '~root']
    expect(await offered(['p2p-rx', 'get', ''], `${hostile.join('\n')}\n`)).toEqual(hostile)
    expect(await offered(['p2p-rx', 'get', '$('], `${hostile.join('\n')}\n`)).toEqual(['$(touch pwned)'])
  })
})

test.each(['bash', 'zsh', 'fish'])('the script for %s is one that it can read', async (shell) => {
  const folder = await testFolder()
  const { out, code } = await run(folder, ['completion', shell])
  expect(code).toBe(0)
  for (const word of ['find', 'query', 'network', 'rotate', 'last-find']) expect(out).toContain(word)
  if (!has(shell)) return
  await writeFile(join(folder, 'script'), out)
  expect(spawnSync(shell, ['-n', join(folder, 'script')], { encoding: 'utf8' })).toMatchObject({
    status: 0,
    stderr: ''
  })
})

test('names are kept once each, in lines, without what acts on a terminal, and a thousand at most', () => {
  const names = ['a', 'b c', 'a', 'x\ny', 'z\x1b[2J', 'w\u202e', 'ü']
  expect(completableNames(names.map((name) => ({ name })))).toEqual(['a', 'b c', 'ü'])
  expect(completableNames(Array.from({ length: 5_000 }, (_, at) => ({ name: `${at}` })))).toHaveLength(1_000)
})
