import { execFileSync } from 'node:child_process'
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createDownloads } from '../../src/store/downloads.js'
import { rootOf } from '../../src/store/paths.js'
import type { Download } from '../../src/streams/ports.js'
import { bytesOf, naughtyNames, newFolder, plainRoot, tree } from './disk.js'

const offerOf = (name: string, size = 1) => ({ name, size, holders: [] })

async function begin(dir: string, name: string, { overwrite = false, size = 1 } = {}): Promise<Download> {
  const download = await createDownloads({ dir }).begin(offerOf(name, size), { overwrite })
  onTestFinished(() => download.abandon())
  return download
}

async function appendAll(download: Download, content: Buffer, chunkBytes = 60_000): Promise<void> {
  for (let at = 0; at < content.length; at += chunkBytes) await download.append(content.subarray(at, at + chunkBytes))
}

/** How the work failed, or nothing. */
async function codeOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work
    return undefined
  } catch (error) {
    return (error as { code?: unknown }).code
  }
}

test.each([0, 1, 16_384, 1_000_000, 5_000_001])('%i bytes arrive as they were sent', async (length) => {
  const dir = await newFolder()
  const content = bytesOf(length)
  const download = await begin(dir, 'some/where/x', { size: length })
  await appendAll(download, content)
  expect(download.length).toBe(length)
  const root = plainRoot(content)
  expect(await download.finish({ size: length, root })).toEqual({ path: join(dir, 'some/where/x'), root })
  expect((await readFile(join(dir, 'some/where/x'))).equals(content)).toBe(true)
  await download.abandon()
  expect(await readdir(dir)).toEqual(['some'])
})

test('bytes that come one by one, and many pieces at once, arrive as well', async () => {
  const dir = await newFolder()
  const content = bytesOf(3000)
  const download = await begin(dir, 'x', { size: 3000 })
  await appendAll(download, content, 1)
  await download.finish({ size: 3000, root: plainRoot(content) })
  expect((await readFile(join(dir, 'x'))).equals(content)).toBe(true)
})

test('what is not whole is not in the folder under its name', async () => {
  const dir = await newFolder()
  const download = await begin(dir, 'x', { size: 5_000_000 })
  await appendAll(download, bytesOf(4_000_000))
  expect(await readdir(dir)).toEqual(['.p2p-rx'])
  await download.abandon()
  await download.abandon()
  expect(await readdir(dir)).toEqual([])
  expect(await codeOf(download.append(Buffer.from('x')))).toBe('CLOSED')
})

test('what is not what was offered is not kept, and may be sent anew', async () => {
  const dir = await newFolder()
  const content = bytesOf(2_500_000)
  const expected = { size: content.length, root: plainRoot(content) }
  const download = await begin(dir, 'x', { size: content.length })
  await appendAll(download, bytesOf(2_500_000, 2))
  expect(await codeOf(download.finish(expected))).toBe('INTEGRITY')
  await download.rewind()
  expect(download.length).toBe(0)
  await appendAll(download, content.subarray(0, -1))
  expect(await codeOf(download.finish(expected))).toBe('INTEGRITY')
  await download.rewind()
  await appendAll(download, content)
  expect(await readdir(dir)).toEqual(['.p2p-rx'])
  await download.finish(expected)
  expect((await readFile(join(dir, 'x'))).equals(content)).toBe(true)
})

test('an existing file is replaced only when that was asked for', async () => {
  const dir = await newFolder()
  await writeFile(join(dir, 'x'), 'old')
  expect(await codeOf(begin(dir, 'x'))).toBe('EXISTS')
  const download = await begin(dir, 'x', { overwrite: true })
  await download.append(Buffer.from('n'))
  await download.finish({ size: 1 })
  expect(await readFile(join(dir, 'x'), 'utf8')).toBe('n')
})

test('a file that comes into being during the download is not replaced', async () => {
  const dir = await newFolder()
  const download = await begin(dir, 'x')
  await download.append(Buffer.from('n'))
  await writeFile(join(dir, 'x'), 'mine')
  expect(await codeOf(download.finish({ size: 1 }))).toBe('EXISTS')
  await download.abandon()
  expect(await readFile(join(dir, 'x'), 'utf8')).toBe('mine')
  expect(await readdir(dir)).toEqual(['x'])
})

test('of 50 downloads of one name that end together exactly one wins', async () => {
  const dir = await newFolder()
  const downloads = await Promise.all(Array.from({ length: 50 }, () => begin(dir, 'folder/x', { size: 2 })))
  await Promise.all(downloads.map((download, i) => download.append(Buffer.from(String(i + 10)))))
  const codes = await Promise.all(downloads.map((download) => codeOf(download.finish({ size: 2 }))))
  await Promise.all(downloads.map((download) => download.abandon()))
  expect(codes.filter((code) => code === undefined)).toHaveLength(1)
  expect(codes.filter((code) => code === 'EXISTS')).toHaveLength(49)
  expect(await readFile(join(dir, 'folder/x'), 'utf8')).toBe(String(codes.indexOf(undefined) + 10))
  expect(await readdir(dir)).toEqual(['folder'])
})

test('while many replace one file, a reader never sees a torn one', async () => {
  const dir = await newFolder()
  const contents = Array.from({ length: 20 }, (_, i) => bytesOf(100_000, i + 1))
  const whole = new Set(contents.map((content) => content.toString('latin1')))
  await writeFile(join(dir, 'x'), contents[0] ?? '')
  let replacing = true
  const done = Promise.all(
    contents.map(async (content) => {
      const download = await begin(dir, 'x', { overwrite: true, size: content.length })
      await appendAll(download, content)
      await download.finish({ size: content.length, root: plainRoot(content) })
    })
  ).finally(() => (replacing = false))
  const stillReplacing = () => replacing
  do expect(whole.has(await readFile(join(dir, 'x'), 'latin1'))).toBe(true)
  while (stillReplacing())
  await done
})

test('a link, a folder, or what lies behind one is never written to', async () => {
  const around = await newFolder()
  const dir = join(around, 'share')
  await mkdir(join(dir, 'folder'), { recursive: true })
  await mkdir(join(around, 'outside'))
  await writeFile(join(around, 'outside/file'), 'canary')
  await symlink('../outside', join(dir, 'out'))
  await symlink('../outside/file', join(dir, 'link'))
  await writeFile(join(dir, 'file'), '')
  const before = await tree(around)
  for (const overwrite of [true, false]) {
    expect(await codeOf(begin(dir, 'out/new', { overwrite }))).toBe('FOLDER')
    expect(await codeOf(begin(dir, 'file/new', { overwrite }))).toBe('FOLDER')
    for (const name of ['link', 'folder', 'out']) {
      expect(await codeOf(begin(dir, name, { overwrite }))).toBe(overwrite ? 'FOLDER' : 'EXISTS')
    }
  }
  // The same when they come while the bytes are on their way.
  const late = await Promise.all([begin(dir, 'a', { overwrite: true }), begin(dir, 'b/c'), begin(dir, 'd/e')])
  await symlink('../outside/file', join(dir, 'a'))
  await symlink('../outside', join(dir, 'b'))
  await writeFile(join(dir, 'd'), '')
  for (const download of late) {
    await download.append(Buffer.from('x'))
    expect(await codeOf(download.finish({ size: 1 }))).toBe('FOLDER')
    await download.abandon()
  }
  for (const name of ['a', 'b', 'd']) await rm(join(dir, name))
  expect(await tree(around)).toEqual(before)
})

test('a private folder that is a link is not used', async () => {
  const around = await newFolder()
  await mkdir(join(around, 'share'))
  await mkdir(join(around, 'outside'))
  await symlink('../outside', join(around, 'share/.p2p-rx'))
  expect(await codeOf(begin(join(around, 'share'), 'x'))).toBe('FOLDER')
  expect(await readdir(join(around, 'outside'))).toEqual([])
})

test.runIf(process.platform === 'linux')('every legal name of the naughty ones can be downloaded', async () => {
  const dir = await newFolder()
  const legal = naughtyNames().filter((name) => name.linux_legal && name.utf8 && name.xml10_representable)
  const names = [...new Set(legal.map(({ name }) => name ?? ''))]
  await Promise.all(
    names.map(async (name) => {
      const content = Buffer.from(name)
      const download = await begin(dir, name, { size: content.length })
      await download.append(content)
      await download.finish({ size: content.length, root: plainRoot(content) })
    })
  )
  const there = await readdir(dir, { encoding: 'buffer' })
  expect(there.map(String).sort()).toEqual([...names].sort())
  for (const name of there) {
    const path = Buffer.concat([Buffer.from(`${dir}/`), name])
    expect((await readFile(path)).equals(name)).toBe(true)
  }
})

test('more than the disk has room for is refused at once', async () => {
  const dir = await newFolder()
  expect(await codeOf(begin(dir, 'x', { size: 2 ** 60 }))).toBe('DISK')
  expect(await readdir(dir)).toEqual([])
})

/** A disk of 2 MiB, where this process may make one. */
async function smallDisk(): Promise<string | undefined> {
  const dir = await newFolder()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'none', dir], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  onTestFinished(() => void execFileSync('umount', ['-l', dir]))
  return rootOf(dir)
}

test('a full disk is said in one sentence, and what was written is removed', async ({ skip }) => {
  const dir = await smallDisk()
  if (dir === undefined) return skip('needs the right to mount a small disk')
  const download = await begin(dir, 'x', { size: 1000 })
  const content = bytesOf(8_000_000)
  const failed = appendAll(download, content).then(() => download.finish({ size: content.length }))
  await expect(failed).rejects.toMatchObject({ code: 'DISK', message: 'Cannot write x: the disk is full' })
  await download.abandon()
  expect(await readdir(dir)).toEqual([])
  const next = await begin(dir, 'y')
  await next.append(Buffer.from('y'))
  await next.finish({ size: 1 })
  expect(await readdir(dir)).toEqual(['y'])
})

test('closing while downloads begin leaves no temporary file, and none begins afterwards', async () => {
  const dir = await newFolder()
  const downloads = createDownloads({ dir })
  const begun = Array.from({ length: 20 }, (_, index) => downloads.begin(offerOf(`${index}`), { overwrite: false }))
  await downloads.close()
  await Promise.allSettled(begun)
  expect(await readdir(dir)).toEqual([])
  expect(await codeOf(downloads.begin(offerOf('late'), { overwrite: false }))).toBe('CLOSED')
})
