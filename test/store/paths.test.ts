import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, link, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createDownloads } from '../../src/store/downloads.js'
import { isSpeltSo, locate, openInside, openPlace, rootOf } from '../../src/store/paths.js'
import { isPlainName } from '../../src/streams/names.js'
import { naughtyNames, newFolder, traversals, tree } from './disk.js'

const onLinux = process.platform === 'linux'

async function read(root: string, name: string): Promise<string | undefined> {
  const handle = await openInside(root, name)
  try {
    return await handle?.readFile('utf8')
  } finally {
    await handle?.close()
  }
}

/** A share beside things that must not be reached from it. */
async function shareAndOutside(): Promise<{ around: string; share: string; outside: string }> {
  const around = await newFolder()
  const share = join(around, 'share')
  const outside = join(around, 'outside')
  await mkdir(share)
  await mkdir(outside)
  await writeFile(join(outside, 'file'), 'canary')
  return { around, share, outside }
}

test('a file of the share is opened, in folders as well', async () => {
  const { share } = await shareAndOutside()
  await mkdir(join(share, 'a/b'), { recursive: true })
  await writeFile(join(share, 'a/b/c'), 'content')
  expect(await read(share, 'a/b/c')).toBe('content')
  expect(await read(share, 'a/b')).toBeUndefined()
  expect(await read(share, 'a/b/d')).toBeUndefined()
})

test('no name of the corpora that is not plain reaches anything, for reading or for writing', async () => {
  const { around, share } = await shareAndOutside()
  const names = [...traversals(), ...naughtyNames().flatMap(({ name }) => name ?? [])]
  const bad = [...names, '../outside/file', join(around, 'outside/file')].filter((name) => !isPlainName(name))
  expect(bad.length).toBeGreaterThan(2000)
  const before = await tree(around)
  const downloads = createDownloads({ dir: share })
  for (const name of bad) {
    expect(await read(share, name)).toBeUndefined()
    expect(() => locate(share, name)).toThrow(expect.objectContaining({ code: 'BAD_NAME' }) as Error)
    const begun = downloads.begin({ name, size: 1 }, { ifExists: 'overwrite' })
    await expect(begun).rejects.toMatchObject({ code: 'BAD_NAME' })
  }
  expect(await tree(around)).toEqual(before)
})

test('no plain name of the traversal corpus reaches anything outside either', async () => {
  const { around, share } = await shareAndOutside()
  const before = await tree(around)
  const names = traversals().filter(isPlainName)
  expect(names.length).toBeGreaterThan(10_000)
  for (const name of names) expect(await read(share, name)).toBeUndefined()
  expect(await tree(around)).toEqual(before)
})

test('a share does not reach into its neighbour of a longer name', async () => {
  const around = await newFolder()
  await mkdir(join(around, 'S'))
  await mkdir(join(around, 'Sbar'))
  await writeFile(join(around, 'Sbar/x'), 'canary')
  await symlink('../Sbar', join(around, 'S/bar'))
  expect(await read(join(around, 'S'), 'bar/x')).toBeUndefined()
  expect(await read(join(around, 'S'), '../Sbar/x')).toBeUndefined()
})

test('no link is followed, wherever it leads', async () => {
  const { share, outside } = await shareAndOutside()
  await mkdir(join(share, 'sub'))
  await writeFile(join(share, 'sub/file'), 'inside')
  await symlink(join(outside, 'file'), join(share, 'out'))
  await symlink(outside, join(share, 'folder'))
  await symlink('sub/file', join(share, 'in'))
  await symlink('sub', join(share, 'alias'))
  await symlink('nowhere', join(share, 'broken'))
  await symlink('loop', join(share, 'loop'))
  for (const name of ['out', 'folder/file', 'in', 'alias/file', 'broken', 'loop']) {
    expect(await read(share, name)).toBeUndefined()
  }
  expect(await read(share, 'sub/file')).toBe('inside')
})

test('the share itself may be given through a link', async () => {
  const { around, share } = await shareAndOutside()
  await writeFile(join(share, 'x'), 'inside')
  await symlink(share, join(around, 'alias'))
  expect(rootOf(join(around, 'alias'))).toBe(share)
  expect(await read(rootOf(join(around, 'alias')), 'x')).toBe('inside')
})

test('a file in place of the share, or nothing, is refused', async () => {
  const folder = await newFolder()
  await writeFile(join(folder, 'file'), '')
  for (const dir of [join(folder, 'file'), join(folder, 'missing')]) {
    expect(() => rootOf(dir)).toThrow(expect.objectContaining({ code: 'FOLDER' }) as Error)
  }
})

test.runIf(onLinux)('pipes, sockets, devices behind links and unreadable files are nothing, at once', async () => {
  const { share } = await shareAndOutside()
  execFileSync('mkfifo', [join(share, 'pipe')])
  await symlink('/dev/zero', join(share, 'zero'))
  await writeFile(join(share, 'secret'), 'x')
  await chmod(join(share, 'secret'), 0)
  const server = createServer().listen(join(share, 'socket'))
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const started = performance.now()
  for (const name of ['pipe', 'zero', 'socket']) expect(await read(share, name)).toBeUndefined()
  // Root may read what nobody may.
  if (process.getuid?.() !== 0) expect(await read(share, 'secret')).toBeUndefined()
  expect(performance.now() - started).toBeLessThan(200)
})

/** Swaps what a name means, over and over, in a process of its own. */
function swapping(script: string, ...paths: string[]): void {
  const child = spawn(process.execPath, ['-e', `const fs = require('fs'); for (;;) { ${script} }`, ...paths])
  onTestFinished(() => void child.kill('SIGKILL'))
}

test.runIf(onLinux)('a link swapped in again and again never leaks a byte in 10,000 reads', async () => {
  const { around, share, outside } = await shareAndOutside()
  await mkdir(join(share, 'folder'))
  await writeFile(join(share, 'folder/file'), 'inside')
  await writeFile(join(share, 'file'), 'inside')
  await writeFile(join(around, 'other'), 'inside')
  await symlink(outside, join(around, 'link'))
  const [file, folder] = [join(share, 'file'), join(share, 'folder')]
  swapping(
    `const [, file, folder, around] = process.argv
    fs.renameSync(folder, around + '/folder'); fs.renameSync(around + '/link', folder)
    fs.symlinkSync(around + '/outside/file', around + '/l'); fs.renameSync(around + '/l', file)
    fs.renameSync(folder, around + '/link'); fs.renameSync(around + '/folder', folder)
    fs.writeFileSync(around + '/f', 'inside'); fs.renameSync(around + '/f', file)`,
    file,
    folder,
    around
  )
  const seen = new Map<string, number>()
  let left = 10_000
  const reader = async (name: string) => {
    while (left-- > 0 || seen.size < 2) {
      const content = String(await read(share, name))
      seen.set(content, (seen.get(content) ?? 0) + 1)
    }
  }
  await Promise.all(['file', 'folder/file', 'file', 'folder/file'].map(reader))
  expect([...seen.keys()].sort()).toEqual(['inside', 'undefined'])
})

test.runIf(onLinux)('a folder that turns into a link while files are put into it lets none of them out', async () => {
  const { around, share, outside } = await shareAndOutside()
  await mkdir(join(share, 'folder'))
  // A folder of that name outside, so that a detour would lead somewhere.
  await mkdir(join(outside, 'sub'))
  await symlink(outside, join(around, 'link'))
  const before = await tree(outside)
  const folder = join(share, 'folder')
  // The downloads make the folder anew when they find none, so any step may fail; the next round comes.
  swapping(
    `const [, folder, around] = process.argv
    const attempt = (step, ...paths) => { try { step(...paths) } catch {} }
    attempt(fs.renameSync, folder, around + '/old' + Math.random())
    attempt(fs.renameSync, around + '/link', folder)
    attempt(fs.renameSync, folder, around + '/link')
    attempt(fs.mkdirSync, folder)`,
    folder,
    around
  )
  const downloads = createDownloads({ dir: share })
  const outcomes = new Set<string>()
  for (let i = 0; i < 150 || outcomes.size < 2; i++) {
    try {
      const download = await downloads.begin({ name: `folder/sub/x${i}`, size: 1 }, { ifExists: 'overwrite' })
      await download.keep(0, await download.memory())
      await download.finish().finally(() => download.abandon({ forget: true }))
      outcomes.add('done')
    } catch (error) {
      outcomes.add((error as { code: string }).code)
    }
  }
  expect(await tree(outside)).toEqual(before)
  expect([...outcomes].sort()).toEqual(['FOLDER', 'done'])
})

test('a folder behind a link is no place to write to', async () => {
  const { share, outside } = await shareAndOutside()
  await symlink(outside, join(share, 'folder'))
  await writeFile(join(share, 'file'), '')
  for (const part of ['folder', 'file']) {
    await expect(openPlace(share, [part, 'new'])).rejects.toMatchObject({ code: 'FOLDER' })
  }
  const place = await openPlace(share, ['a', 'b'])
  await writeFile(place.at('x'), 'content')
  await place.close()
  expect(await readFile(join(share, 'a/b/x'), 'utf8')).toBe('content')
})

test('where large and small letters are one, a name is the one on the disk only', async () => {
  const share = await newFolder()
  await mkdir(join(share, 'Sub'))
  await writeFile(join(share, 'Sub/File'), '')
  // Two names of one file look to us as one name does on such a disk.
  await link(join(share, 'Sub/File'), join(share, 'Sub/other'))
  const handle = await openInside(share, 'Sub/File')
  const stat = await handle?.stat({ bigint: true })
  await handle?.close()
  if (stat === undefined) throw new Error('not opened')
  expect(await isSpeltSo(share, 'Sub/File', stat)).toBe(true)
  await mkdir(join(share, 'sUB'))
  await link(join(share, 'Sub/File'), join(share, 'sUB/fILE'))
  expect(await isSpeltSo(share, 'Sub/File', stat)).toBe(true)
  await rename(join(share, 'Sub/File'), join(share, 'Sub/moved'))
  expect(await isSpeltSo(share, 'Sub/File', stat)).toBe(false)
})

test.each([
  ['a\\b', false],
  ['C:x', false],
  ['file:stream', false],
  ['CON', false],
  ['nul.txt', false],
  ['a/aux', false],
  ['com1 .log', false],
  ['LPT\u00b9', false],
  ['trailing.', false],
  ['trailing ', false],
  ['a./b', false],
  ['what?', false],
  ['tab\t', false],
  ['a/b', true],
  ['console.txt', true],
  ['com10', true],
  ['.hidden', true]
])('on Windows %j is a name: %s', (name, expected) => {
  const place = () => locate('D:\\share', name, 'win32')
  if (expected) expect(place()).toBe(`D:\\share\\${name.replaceAll('/', '\\')}`)
  else expect(place).toThrow(expect.objectContaining({ code: 'BAD_NAME' }) as Error)
})

test.runIf(onLinux)('a name is taken byte for byte', async () => {
  const share = await newFolder()
  const names = ['a', 'A', '\u00e9', 'e\u0301', '..%2fx', 'a\\b', '...', 'C:x', ' ', 'x ', '%00', '\t', 'a\nb']
  for (const name of names) await writeFile(join(share, name), name)
  for (const name of names) expect(await read(share, name)).toBe(name)
})
