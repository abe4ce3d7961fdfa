import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { link, mkdir, readdir, readFile, rename, statfs, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createDownloads } from '../../src/store/downloads.js'
import { temporaryEntry } from '../../src/store/partial.js'
import { PIECE_BYTES } from '../../src/streams/pieces.js'
import type { Download, Offer } from '../../src/streams/ports.js'
import { bytesOf, newFolder, plainRoot } from './disk.js'

const GIB = 1024 ** 3
const DAY_MS = 24 * 60 * 60 * 1_000
const content = bytesOf(PIECE_BYTES)
const SIZE = 3 * PIECE_BYTES
const NAME = 'some/x'
const ROOT = 'a'.repeat(64)

async function begin(
  dir: string,
  offer: Pick<Offer, 'name' | 'size' | 'root'> = { name: NAME, size: SIZE }
): Promise<Download> {
  const downloads = createDownloads({ dir })
  onTestFinished(() => downloads.close())
  return downloads.begin(offer, { ifExists: 'overwrite' })
}

const partials = async (dir: string) => (await readdir(join(dir, '.p2p-rx')).catch(() => [])).sort()

/** Another process that keeps one piece of a file and then holds on to it. */
async function worker(dir: string): Promise<ChildProcess> {
  const url = new URL('../../dist/store/downloads.js', import.meta.url).href
  const script = `
    const { createDownloads } = await import(${JSON.stringify(url)})
    const download = await createDownloads({ dir: ${JSON.stringify(dir)} })
      .begin({ name: '${NAME}', size: ${SIZE} }, { ifExists: 'refuse' })
    const memory = await download.memory()
    memory.bytes.fill(7)
    await download.keep(0, memory)
    console.log('kept')
    setInterval(() => undefined, 1000)`
  // Its threads would not start from a script that is an argument.
  const file = join(await newFolder(), 'worker.mjs')
  await writeFile(file, script)
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child
}

/** How a living process calls itself. */
async function ownerIn(dir: string): Promise<string> {
  await worker(dir)
  const [entry = ''] = await partials(dir)
  return entry.split('-')[2] ?? ''
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

/** Something that an earlier try left: one piece, kept. */
async function leave(dir: string, offer?: Pick<Offer, 'name' | 'size' | 'root'>): Promise<string> {
  const download = await begin(dir, offer)
  const memory = await download.memory()
  memory.bytes.set(content)
  await download.keep(0, memory)
  await download.abandon()
  return join(dir, '.p2p-rx', (await partials(dir)).at(-1) ?? '')
}

test('what a process that was killed has left is taken over, and nothing is left behind it', async () => {
  const dir = await newFolder()
  await kill(await worker(dir))
  expect(await partials(dir)).toHaveLength(1)
  const download = await begin(dir)
  expect(download.remains).toEqual({ bytes: PIECE_BYTES, changed: false })
  expect(await partials(dir)).toHaveLength(1)
  await download.abandon({ forget: true })
  expect(await readdir(dir)).toEqual([])
})

test('what a living process works on is left alone', async () => {
  const dir = await newFolder()
  const child = await worker(dir)
  const [theirs] = await partials(dir)
  const download = await begin(dir)
  expect(download.remains).toBeUndefined()
  expect(await partials(dir)).toHaveLength(2)
  await download.abandon()
  expect(await partials(dir)).toEqual([theirs])
  await kill(child)
  expect((await begin(dir)).remains).toEqual({ bytes: PIECE_BYTES, changed: false })
})

test('of many who want what was left, one gets it', async () => {
  const dir = await newFolder()
  await leave(dir)
  const all = await Promise.all(Array.from({ length: 10 }, () => begin(dir)))
  expect(all.filter(({ remains }) => remains !== undefined)).toHaveLength(1)
})

test.runIf(process.platform === 'linux')('a number that has come again is not the process that left it', async () => {
  const dir = await newFolder()
  const left = await leave(dir)
  await rename(left, left.replace(`-${process.pid}.`, `-${process.ppid}.`))
  expect((await begin(dir)).remains).toMatchObject({ bytes: PIECE_BYTES })
})

test('what nobody went on with for a month goes when another download begins', async () => {
  const dir = await newFolder()
  const old = await leave(dir, { name: 'old', size: SIZE })
  const young = await leave(dir, { name: 'young', size: SIZE })
  const at = (days: number) => new Date(Date.now() - days * DAY_MS)
  await utimes(old, at(31), at(31))
  await utimes(young, at(29), at(29))
  const other = await begin(dir, { name: 'other', size: SIZE })
  await other.abandon()
  expect((await partials(dir)).map((entry) => join(dir, '.p2p-rx', entry))).toEqual([young])
})

test.each([
  ['of the same root', { root: ROOT }, { root: ROOT }, false],
  ['of another root', { root: ROOT }, { root: 'b'.repeat(64) }, true],
  ['of a root that was not known', {}, { root: ROOT }, false],
  ['of another size, without a root', { size: SIZE + 1 }, {}, true],
  ['of a root, when none is known now', { root: ROOT }, {}, true]
])('content %s is recognised', async (_, before, now, changed) => {
  const dir = await newFolder()
  await leave(dir, { name: NAME, size: SIZE, ...before })
  const next = await begin(dir, { name: NAME, size: SIZE, ...now })
  expect(next.remains).toEqual({ bytes: PIECE_BYTES, changed })
})

test.each([
  ['that of its root', { root: ROOT }],
  ['that of a root that was not known', {}]
])('of several that were left %s is taken, whichever comes first', async (_, right) => {
  const dir = await newFolder()
  const others = Array.from({ length: 8 }, (_, digit) => ({ root: `${digit}`.repeat(64) }))
  // At once, so that none takes over what another has left.
  const downloads = await Promise.all(
    [...others, right, ...others].map((content) => begin(dir, { name: NAME, size: SIZE, ...content }))
  )
  for (const download of downloads) {
    const memory = await download.memory()
    memory.bytes.set(content)
    await download.keep(0, memory)
  }
  for (const download of downloads) await download.abandon()
  const next = await begin(dir, { name: NAME, size: SIZE, root: ROOT })
  expect(next.remains).toEqual({ bytes: PIECE_BYTES, changed: false })
})

test('a file that already has its name is not written to, however its partial was left', async () => {
  const dir = await newFolder()
  const left = await leave(dir, { name: 'x', size: SIZE })
  // Killed between the name and the end of the partial.
  await link(left, join(dir, 'x'))
  const before = await readFile(join(dir, 'x'))
  const other = bytesOf(PIECE_BYTES + 1, 2)
  const download = await begin(dir, { name: 'x', size: other.length })
  expect(download.remains).toBeUndefined()
  for (const piece of [0, 1]) {
    const memory = await download.memory()
    memory.bytes.set(other.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES))
    await download.keep(piece, memory)
  }
  expect((await readFile(join(dir, 'x'))).equals(before)).toBe(true)
  expect(await download.finish()).toMatchObject({ root: plainRoot(other) })
  expect((await readFile(join(dir, 'x'))).equals(other)).toBe(true)
  expect(await readdir(dir)).toEqual(['x'])
})

/** What is there while a small file gets its name, by a process of this number. */
async function temporary(dir: string, owner: string, ageMs = DAY_MS): Promise<string> {
  await mkdir(join(dir, '.p2p-rx'), { recursive: true })
  const entry = temporaryEntry('small').replace(/-[0-9]+[.][0-9]+-/, owner === '' ? '$&' : `-${owner}-`)
  const path = join(dir, '.p2p-rx', entry)
  await writeFile(path, 'half of')
  const at = new Date(Date.now() - ageMs)
  await utimes(path, at, at)
  return entry
}

/** Brings a file of one piece. */
async function small(dir: string): Promise<void> {
  const downloads = createDownloads({ dir })
  const download = await downloads.begin({ name: 'x', size: content.length }, { ifExists: 'refuse' })
  const memory = await download.memory()
  memory.bytes.set(content)
  await download.keep(0, memory)
  await download.finish()
  await downloads.close()
}

test('what a killed process left of a small file goes with the next download', async () => {
  const dir = await newFolder()
  const child = spawn(process.execPath, ['-e', ''])
  await once(child, 'exit')
  await temporary(dir, `${child.pid}.1`)
  await small(dir)
  expect(await readdir(dir)).toEqual(['x'])
})

test('what may be on its way to its name is left alone', async () => {
  const dir = await newFolder()
  const living = await temporary(dir, await ownerIn(await newFolder()))
  const own = await temporary(dir, '')
  const child = spawn(process.execPath, ['-e', ''])
  await once(child, 'exit')
  // By a process of another machine, perhaps.
  const young = await temporary(dir, `${child.pid}.1`, 0)
  await small(dir)
  expect(await partials(dir)).toEqual([living, own, young].sort())
})

test('of what was left only what takes room counts as there', async () => {
  const dir = await newFolder()
  const { bavail, bsize } = await statfs(dir)
  // Long enough, and nearly all of it a hole.
  await truncate(await leave(dir), bavail * bsize + 4 * GIB)
  await expect(begin(dir, { name: NAME, size: bavail * bsize + 3 * GIB })).rejects.toMatchObject({ code: 'DISK' })
  expect(await partials(dir)).toHaveLength(1)
  expect((await begin(dir)).remains).toBeDefined()
})

test('a link under the name of a partial is not followed', async () => {
  const [dir, outside] = [await newFolder(), await newFolder()]
  const left = await leave(dir, { name: 'x', size: SIZE })
  await rename(left, join(outside, 'file'))
  await writeFile(join(outside, 'file'), 'canary')
  await mkdir(join(dir, '.p2p-rx'), { recursive: true })
  await symlink(join(outside, 'file'), left)
  const download = await begin(dir, { name: 'x', size: SIZE })
  expect(download.remains).toBeUndefined()
  const memory = await download.memory()
  memory.bytes.set(Buffer.from('other'))
  await download.keep(0, memory)
  expect(await readFile(join(outside, 'file'), 'utf8')).toBe('canary')
})
