import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { run, serve, testFolder } from './program.js'

const PATIENT = { timeout: 10_000, interval: 200 }

async function withPeer(files: Record<string, string>) {
  const folder = await testFolder()
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, 'theirs', name)), { recursive: true })
    await writeFile(join(folder, 'theirs', name), content)
  }
  const { url } = await serve(folder, 'theirs', ['--state-dir', 'elsewhere'])
  const listed = async () => (await run(folder, ['ls', '--peer', url])).out.split('\n').length - 1
  await expect.poll(listed, PATIENT).toBe(Object.keys(files).length)
  return { folder, url }
}

const PHOTOS = { 'photos/one.jpg': '1', 'photos/old/two.jpg': '22', 'photos/three.png': '333', 'notes.txt': 'n' }

/** Whom to ask: a peer that is named, or one that runs and knows it. */
describe.each(['named', 'running'])('get from a peer that is %s', (way) => {
  const asking = async (files: Record<string, string>) => {
    const { folder, url } = await withPeer(files)
    if (way === 'running') await serve(folder, 'ours', ['--peer', url])
    const get = (...args: string[]) =>
      run(folder, ['get', ...args, '-o', 'here', ...(way === 'named' ? ['--peer', url] : [])])
    return { folder, url, get, here: (name: string) => readFile(join(folder, 'here', name), 'utf8') }
  }

  test('fetches several names, and goes on after one that nobody has', async () => {
    const { get, here } = await asking({ 'a.txt': 'a', 'b b.txt': 'b' })
    const ended = await get('a.txt', 'fooo', 'b b.txt', 'a.txt')
    expect(ended).toMatchObject({ code: 7, out: '' })
    expect(ended.err.split('\n').sort()).toEqual([
      '',
      'Created the folder here.',
      expect.stringMatching(/^Fetched a\.txt \(1 B\) to .*here\/a\.txt$/),
      expect.stringMatching(/^Fetched b b\.txt \(1 B\) to .*here\/b b\.txt$/),
      expect.stringMatching(/^p2p-rx: Couldn't find the file fooo\. \S/)
    ])
    expect(await here('b b.txt')).toBe('b')
  })

  test('ends with the code of the failure when nothing came', async () => {
    const { get } = await asking({ 'a.txt': 'a' })
    expect((await get('foo', 'bar')).code).toBe(3)
  })

  test('fetches all that a pattern matches', async () => {
    const { get, folder } = await asking(PHOTOS)
    const ended = await get('photos/**')
    expect(ended.err).toMatch(/^Fetched 3 files \(6 B\) of photos\/\*\* to .*here$/m)
    expect(ended.code).toBe(0)
    expect((await readdir(join(folder, 'here'))).filter((name) => !name.startsWith('.'))).toEqual(['photos'])
    expect((await readdir(join(folder, 'here/photos'))).sort()).toEqual(['old', 'one.jpg', 'three.png'])
  })

  test('takes a name with the letters of a pattern for a name first', async () => {
    const { get, here } = await asking({ '*.txt': 'star', 'a.txt': 'a', 'b.txt': 'b' })
    const ended = await get('*.txt')
    expect(ended.err).toMatch(/^Fetched \*\.txt \(4 B\) to /m)
    expect(await here('*.txt')).toBe('star')
  })

  test('says when a pattern matches nothing', async () => {
    const { get } = await asking({ 'a.txt': 'a' })
    const ended = await get('*.pdf')
    expect(ended.code).toBe(3)
    expect(ended.err).toMatch(/^p2p-rx: None of the known peers lists a file like \*\.pdf\. .+\n$/m)
  })

  test('refuses, replaces, renames or skips what is here already', async () => {
    const { get, here, folder } = await asking({ 'a.txt': 'new' })
    await mkdir(join(folder, 'here'))
    await writeFile(join(folder, 'here/a.txt'), 'old')
    const refused = await get('a.txt')
    expect(refused.code).toBe(13)
    expect(refused.err).toMatch(/a\.txt.*--overwrite .*--rename .*--skip\.\n$/)
    const skipped = await get('a.txt', '--skip')
    expect(skipped).toMatchObject({ code: 0, err: 'Skipped a.txt: it is here already.\n' })
    expect(await here('a.txt')).toBe('old')
    const renamed = await get('a.txt', '--rename')
    const [, path = ''] = /to (.*)\n$/.exec(renamed.err) ?? []
    expect(await readFile(path, 'utf8')).toBe('new')
    expect(path).not.toBe(join(folder, 'here/a.txt'))
    expect(await here('a.txt')).toBe('old')
    expect((await get('a.txt', '--overwrite')).code).toBe(0)
    expect(await here('a.txt')).toBe('new')
  })

  test('lists some of many failures of a pattern', async () => {
    const names = Array.from({ length: 13 }, (_, n) => `f/${String(n).padStart(2, '0')}.txt`)
    const { get, here, folder } = await asking(Object.fromEntries(names.map((name) => [name, 'new'])))
    await mkdir(join(folder, 'here/f'), { recursive: true })
    for (const name of names.slice(1)) await writeFile(join(folder, 'here', name), 'old')
    const ended = await get('f/*')
    expect(ended.code).toBe(7)
    expect(ended.err).toMatch(/^Fetched 1 file \(3 B\) of f\/\* to .*here$/m)
    expect(ended.err).toMatch(/^p2p-rx: 12 of 13 files of f\/\* failed\. .*:$/m)
    expect(ended.err.match(/^ {2}f\/\d\d\.txt: .+$/gm)).toHaveLength(10)
    expect(ended.err).toMatch(/^ {2}and 2 more$/m)
    const skipped = await get('f/*', '--skip')
    expect(skipped.code).toBe(0)
    expect(skipped.err).toMatch(/^Fetched 0 files \(0 B\) of f\/\* to .*here; 13 files here already$/m)
    expect((await get('f/*', '--overwrite')).code).toBe(0)
    expect(await here('f/12.txt')).toBe('new')
  })

  test('puts one file only on stdout', async () => {
    const { folder, url } = await asking(PHOTOS)
    const args = way === 'named' ? ['--peer', url] : []
    const several = await run(folder, ['get', 'notes.txt', 'photos/one.jpg', '-o', '-', ...args])
    expect(several).toMatchObject({ code: 2, out: '', err: expect.stringContaining('Only one file') as string })
    const pattern = await run(folder, ['get', 'photos/*', '-o', '-', ...args])
    expect(pattern).toMatchObject({ code: 3, out: '' })
  })
})

describe('the flags of get', () => {
  test('what is typed counts more than the environment', async () => {
    const { folder, url } = await withPeer({ 'a.txt': 'new' })
    await writeFile(join(folder, 'a.txt'), 'old')
    const env = { P2PRX_OVERWRITE: '1', P2PRX_DOWN: '10M', P2PRX_NO_INPUT: '1', P2PRX_VERBOSE: '1' }
    const skipped = await run(folder, ['get', 'a.txt', '--skip', '--peer', url], { env })
    expect(skipped).toMatchObject({ code: 0, err: 'Skipped a.txt: it is here already.\n' })
    expect((await run(folder, ['get', 'a.txt', '--peer', url], { env })).code).toBe(0)
    expect(await readFile(join(folder, 'a.txt'), 'utf8')).toBe('new')
  })
})

describe('the shell', () => {
  test('fetches several names and patterns, and shows and changes the caps', async () => {
    const { folder, url } = await withPeer(PHOTOS)
    const input = [
      `hello ${url}`,
      'fetch "notes.txt" "photos/one.jpg"',
      'fetch photos/**',
      'fetch a.txt b.txt',
      'fetch notes.txt',
      'up 1M',
      'down fast',
      'limits',
      ''
    ].join('\n')
    const args = ['start', '--dir', 'ours', '--port', '0', '--down', '500K', '--slots', '3', '--cache', '1G']
    const ended = await run(folder, args, { input })
    expect(ended.err).toContain('Fetched notes.txt (1 B).\n')
    expect(ended.err).toContain('Fetched photos/one.jpg (1 B).\n')
    expect(ended.err).toMatch(/^Fetched 2 files \(5 B\) of photos\/\*\*/m)
    expect(ended.err).toContain('If these were several names, put each in quotes: fetch "a.txt" "b.txt".\n')
    expect(ended.err).toContain('You have notes.txt already. Move it away first to fetch it again.\n')
    expect(ended.err).toContain('Up: 1.0 MiB/s.\n')
    expect(ended.err).toMatch(/^A rate is bytes a second, .+\.$/m)
    expect(ended.out).toContain(
      [
        'up             1.0 MiB/s',
        'down           500.0 KiB/s',
        'up per peer    none',
        'down per peer  none',
        'slots          3',
        'cache          1.0 GiB',
        ''
      ].join('\n')
    )
    expect(ended.code).toBe(0)
  })
})
