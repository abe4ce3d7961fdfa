import { execFileSync } from 'node:child_process'
import { mkdir, open, readdir, readFile, rm, stat, statfs, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createDownloads, type FolderDownloads } from '../../src/store/downloads.js'
import { rootOf } from '../../src/store/paths.js'
import { COMMON_SLOTS, OWN_SLOTS } from '../../src/store/piece-memory.js'
import { PIECE_BYTES } from '../../src/streams/pieces.js'
import type { Download, IfExists } from '../../src/streams/ports.js'
import { MAX_TRANSFERS } from '../../src/streams/transfer.js'
import { answerFrom, bytesOf, naughtyNames, newFolder, plainLayers, plainRoot, tree } from './disk.js'

interface Begin {
  readonly ifExists?: IfExists
  readonly size?: number
  readonly root?: string
}

/** Downloads into a folder, closed when the test ends. */
function downloadsIn(dir: string): FolderDownloads & { start: (name: string, options?: Begin) => Promise<Download> } {
  const downloads = createDownloads({ dir })
  onTestFinished(() => downloads.close())
  const start = (name: string, { ifExists = 'refuse', size = 1, root }: Begin = {}) =>
    downloads.begin({ name, size, ...(root === undefined ? {} : { root }) }, { ifExists })
  return { ...downloads, start }
}

const begin = (dir: string, name: string, options: Begin = {}) => downloadsIn(dir).start(name, options)

const pieceOf = (content: Buffer, piece: number) => content.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES)

/** Brings one piece. What is not right is given back. */
async function bring(download: Download, content: Buffer, piece: number): Promise<string> {
  const memory = await download.memory()
  memory.bytes.set(pieceOf(content, piece))
  const { type } = await download.keep(piece, memory)
  if (type === 'wrong') memory.release()
  return type
}

/** All of them, the last one first. */
async function bringAll(download: Download, content: Buffer): Promise<void> {
  for (let piece = download.pieces - 1; piece >= 0; piece--) await bring(download, content, piece)
}

/** Tells a download all hashes there are. */
function teach(download: Download, content: Buffer): void {
  const layers = plainLayers(content)
  for (let piece = 0; piece < download.pieces; piece++) {
    const request = download.wants(piece)
    if (request !== undefined) expect(download.learn(request, answerFrom(layers, request))).toBe(true)
  }
}

async function gathered(pieces: AsyncIterable<number>): Promise<number[]> {
  const all: number[] = []
  for await (const piece of pieces) all.push(piece)
  return all
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

test.each([0, 1, 16_384, 1_000_000, 1_048_576, 5_000_001])('%i bytes arrive as they were sent', async (length) => {
  const dir = await newFolder()
  const content = bytesOf(length)
  const root = plainRoot(content)
  const download = await begin(dir, 'some/where/x', { size: length })
  expect(download).toMatchObject({ size: length, pieces: Math.ceil(length / PIECE_BYTES), remains: undefined })
  await bringAll(download, content)
  expect(await download.finish(root)).toEqual({ path: join(dir, 'some/where/x'), root })
  expect((await readFile(join(dir, 'some/where/x'))).equals(content)).toBe(true)
  await download.abandon()
  expect(await readdir(dir)).toEqual(['some'])
})

test.each([1, 16_385, 1_048_576, 5_000_001])(
  '%i bytes whose root is known are verified piece by piece',
  async (length) => {
    const dir = await newFolder()
    const [content, other] = [bytesOf(length), bytesOf(length, 2)]
    const download = await begin(dir, 'x', { size: length, root: plainRoot(content) })
    teach(download, content)
    for (let piece = 0; piece < download.pieces; piece++) {
      expect(await bring(download, other, piece)).toBe('wrong')
      expect(await bring(download, content, piece)).toBe('kept')
    }
    expect(await download.finish()).toMatchObject({ root: plainRoot(content) })
    expect((await readFile(join(dir, 'x'))).equals(content)).toBe(true)
  }
)

test('hashes that the root does not vouch for are not taken', async () => {
  const dir = await newFolder()
  const content = bytesOf(3 * PIECE_BYTES)
  const download = await begin(dir, 'x', { size: content.length, root: plainRoot(content) })
  const request = download.wants(0)
  if (request === undefined) throw new Error('it has to ask')
  const answer = answerFrom(plainLayers(content), request)
  expect(
    download.learn(
      request,
      answer.map((byte, at) => (at === 40 ? byte ^ 1 : byte))
    )
  ).toBe(false)
  expect(download.learn(request, answer.subarray(32))).toBe(false)
  expect(download.wants(0)).toEqual(request)
  expect(download.learn(request, answer)).toBe(true)
  expect([0, 1, 2].map((piece) => download.wants(piece))).toEqual([undefined, undefined, undefined])
})

test('of a wrong piece the wrong blocks are told', async () => {
  const dir = await newFolder()
  const content = bytesOf(2 * PIECE_BYTES + 20_000)
  const download = await begin(dir, 'x', { size: content.length, root: plainRoot(content) })
  teach(download, content)
  const layers = plainLayers(content)
  for (const [piece, flipped, blocks] of [
    [1, [0, 16_383, 16_384 * 63], [0, 63]],
    [2, [19_999], [1]],
    [0, [], []]
  ] as const) {
    const memory = await download.memory()
    memory.bytes.set(pieceOf(content, piece))
    for (const at of flipped) memory.bytes[at] = (memory.bytes[at] ?? 0) ^ 1
    const base = piece * PIECE_BYTES
    const hashes = answerFrom(layers, download.wantsBlocks(piece))
    expect(download.wrongBlocks(piece, memory, hashes)).toEqual(
      blocks.map((block) => ({
        start: base + block * 16_384,
        end: Math.min(content.length, base + (block + 1) * 16_384)
      }))
    )
    expect(
      download.wrongBlocks(
        piece,
        memory,
        hashes.map((byte) => byte ^ 1)
      )
    ).toBeUndefined()
    memory.release()
  }
})

test('what is not whole is not in the folder under its name, and stays for the next try', async () => {
  const dir = await newFolder()
  const content = bytesOf(5_000_000)
  const download = await begin(dir, 'x', { size: content.length })
  for (const piece of [0, 1, 3]) await bring(download, content, piece)
  expect(await readdir(dir)).toEqual(['.p2p-rx'])
  expect(await codeOf(download.finish())).toBe('INTEGRITY')
  await download.abandon()
  await download.abandon()
  expect(await readdir(dir)).toEqual(['.p2p-rx'])
  expect(await readdir(join(dir, '.p2p-rx'))).toHaveLength(1)
  expect(await codeOf(bring(download, content, 2))).toBe('CLOSED')
  const next = await begin(dir, 'x', { size: content.length })
  expect(next.remains).toMatchObject({ changed: false })
  await next.abandon({ forget: true })
  expect(await readdir(dir)).toEqual([])
})

test('a file of one piece leaves nothing: it is fetched anew', async () => {
  const dir = await newFolder()
  const download = await begin(dir, 'x')
  await bring(download, Buffer.from('n'), 0)
  await download.abandon()
  expect(await readdir(dir)).toEqual([])
})

test('the private folder of each folder goes, whichever ends first', async () => {
  const [dir, elsewhere] = [await newFolder(), await newFolder()]
  const { begin: start } = downloadsIn(dir)
  const here = await start({ name: 'x', size: 1 }, { ifExists: 'refuse' })
  const there = await start({ name: 'x', size: 1 }, { ifExists: 'refuse', into: elsewhere })
  await here.abandon()
  await there.abandon()
  expect([await readdir(dir), await readdir(elsewhere)]).toEqual([[], []])
})

test('what has nothing leaves nothing', async () => {
  const dir = await newFolder()
  const download = await begin(dir, 'x', { size: 5_000_000 })
  await download.abandon()
  await download.abandon()
  expect(await readdir(dir)).toEqual([])
})

test('pieces that an earlier try left are kept where they are right, and those that a disk has changed are not', async () => {
  const dir = await newFolder()
  const content = bytesOf(6 * PIECE_BYTES + 777)
  const options = { size: content.length, root: plainRoot(content) }
  const first = await begin(dir, 'x', options)
  teach(first, content)
  for (const piece of [6, 0, 2, 4]) await bring(first, content, piece)
  await first.abandon()
  const [left = ''] = await readdir(join(dir, '.p2p-rx'))
  const partial = await open(join(dir, '.p2p-rx', left), 'r+')
  await partial.write(Buffer.from([content.readUInt8(2 * PIECE_BYTES + 5) ^ 1]), 0, 1, 2 * PIECE_BYTES + 5)
  await partial.close()

  const second = await begin(dir, 'x', options)
  expect(second.remains).toMatchObject({ changed: false })
  expect(await gathered(second.check())).toEqual([])
  teach(second, content)
  expect(await gathered(second.check())).toEqual([0, 4, 6])
  for (const piece of [1, 2, 3, 5]) expect(await bring(second, content, piece)).toBe('kept')
  await second.finish()
  expect((await readFile(join(dir, 'x'))).equals(content)).toBe(true)
  expect(await readdir(dir)).toEqual(['x'])
})

test('pieces kept while nobody knew the root are verified once it is known', async () => {
  const dir = await newFolder()
  const content = bytesOf(3 * PIECE_BYTES)
  const first = await begin(dir, 'x', { size: content.length })
  await bring(first, content, 0)
  await bring(first, bytesOf(content.length, 2), 1)
  await first.abandon()
  const second = await begin(dir, 'x', { size: content.length, root: plainRoot(content) })
  expect(second.remains).toMatchObject({ changed: false })
  teach(second, content)
  expect(await gathered(second.check())).toEqual([0])
})

test('what is not what was offered is not put in place, and may be sent anew', async () => {
  const dir = await newFolder()
  const content = bytesOf(2_500_000)
  const root = plainRoot(content)
  const download = await begin(dir, 'x', { size: content.length })
  await bringAll(download, bytesOf(2_500_000, 2))
  expect(await codeOf(download.finish(root))).toBe('INTEGRITY')
  await download.rewind()
  await bring(download, content, 0)
  expect(await codeOf(download.finish(root))).toBe('INTEGRITY')
  await bringAll(download, content)
  expect(await readdir(dir)).toEqual(['.p2p-rx'])
  await download.finish(root)
  expect((await readFile(join(dir, 'x'))).equals(content)).toBe(true)
})

test('all memory comes back, whatever became of the pieces', async () => {
  const dir = await newFolder()
  const content = bytesOf(2 * PIECE_BYTES)
  const downloads = downloadsIn(dir)
  const download = await downloads.start('x', { size: content.length, root: plainRoot(content) })
  teach(download, content)
  await bring(download, bytesOf(content.length, 2), 0)
  await bring(download, content, 0)
  const late = await download.memory()
  await download.abandon()
  expect(await codeOf(download.keep(1, late))).toBe('CLOSED')
  const next = await downloads.start('y')
  const all = Array.from({ length: OWN_SLOTS + COMMON_SLOTS }, () => next.memoryNow())
  expect(all.filter((memory) => memory === undefined)).toEqual([])
  expect(next.memoryNow()).toBeUndefined()
  // Whoever waits is served in turn.
  const [first, second] = [next.memory(), next.memory()]
  all[0]?.release()
  expect((await first).bytes).toHaveLength(PIECE_BYTES)
  all[1]?.release()
  await second
  const waiting = codeOf(next.memory())
  await downloads.close()
  expect(await waiting).toBe('CLOSED')
})

test('downloads whose pieces come slowly leave memory for every other one', async () => {
  const downloads = downloadsIn(await newFolder())
  for (let number = 1; number < MAX_TRANSFERS; number++) {
    const slow = await downloads.start(`slow ${number}`)
    while (slow.memoryNow() !== undefined) continue
    void slow.memory().catch(() => undefined)
  }
  const next = await downloads.start('next')
  const own = Array.from({ length: OWN_SLOTS }, () => next.memoryNow())
  expect(own.filter((memory) => memory === undefined)).toEqual([])
  expect(next.memoryNow()).toBeUndefined()
  const waiting = next.memory()
  own[0]?.release()
  expect((await waiting).bytes).toHaveLength(PIECE_BYTES)
})

test('an existing file is replaced only when that was asked for', async () => {
  const dir = await newFolder()
  await writeFile(join(dir, 'x'), 'old')
  expect(await codeOf(begin(dir, 'x'))).toBe('EXISTS')
  const download = await begin(dir, 'x', { ifExists: 'overwrite' })
  await bring(download, Buffer.from('n'), 0)
  await download.finish()
  expect(await readFile(join(dir, 'x'), 'utf8')).toBe('n')
})

test('or put beside it, under a name with a number', async () => {
  const dir = await newFolder()
  await writeFile(join(dir, 'notes.txt'), 'old')
  for (const [text, name] of [
    ['1', 'notes (1).txt'],
    ['2', 'notes (2).txt']
  ] as const) {
    const download = await begin(dir, 'notes.txt', { ifExists: 'rename' })
    await bring(download, Buffer.from(text), 0)
    expect(await download.finish()).toMatchObject({ path: join(dir, name) })
    expect(await readFile(join(dir, name), 'utf8')).toBe(text)
  }
  expect(await readFile(join(dir, 'notes.txt'), 'utf8')).toBe('old')
})

test('another folder than the share may be named, and what is there is told to nobody', async () => {
  const [dir, elsewhere] = [await newFolder(), await newFolder()]
  const placed: string[] = []
  const downloads = createDownloads({
    dir,
    onPlaced: (name) => {
      placed.push(name)
      return Promise.resolve()
    }
  })
  onTestFinished(() => downloads.close())
  for (const into of [undefined, elsewhere]) {
    const download = await downloads.begin(
      { name: 'a/x', size: 1 },
      { ifExists: 'refuse', ...(into === undefined ? {} : { into }) }
    )
    await bring(download, Buffer.from('n'), 0)
    await download.finish()
    expect(await readFile(join(into ?? dir, 'a/x'), 'utf8')).toBe('n')
  }
  expect(placed).toEqual(['a/x'])
  expect([await readdir(dir), await readdir(elsewhere)]).toEqual([['a'], ['a']])
})

test('a file that comes into being during the download is not replaced', async () => {
  const dir = await newFolder()
  const download = await begin(dir, 'x')
  await bring(download, Buffer.from('n'), 0)
  await writeFile(join(dir, 'x'), 'mine')
  expect(await codeOf(download.finish())).toBe('EXISTS')
  await download.abandon({ forget: true })
  expect(await readFile(join(dir, 'x'), 'utf8')).toBe('mine')
  expect(await readdir(dir)).toEqual(['x'])
})

test('of 16 downloads of one name that end together exactly one wins', async () => {
  const dir = await newFolder()
  const { start } = downloadsIn(dir)
  const downloads = await Promise.all(Array.from({ length: 16 }, () => start('folder/x', { size: 2 })))
  await Promise.all(downloads.map((download, i) => bring(download, Buffer.from(String(i + 10)), 0)))
  const codes = await Promise.all(downloads.map((download) => codeOf(download.finish())))
  await Promise.all(downloads.map((download) => download.abandon({ forget: true })))
  expect(codes.filter((code) => code === undefined)).toHaveLength(1)
  expect(codes.filter((code) => code === 'EXISTS')).toHaveLength(15)
  expect(await readFile(join(dir, 'folder/x'), 'utf8')).toBe(String(codes.indexOf(undefined) + 10))
  expect(await readdir(dir)).toEqual(['folder'])
})

test('while many replace one file, a reader never sees a torn one', async () => {
  const dir = await newFolder()
  const contents = Array.from({ length: 20 }, (_, i) => bytesOf(100_000, i + 1))
  const whole = new Set(contents.map((content) => content.toString('latin1')))
  await writeFile(join(dir, 'x'), contents[0] ?? '')
  const { start } = downloadsIn(dir)
  let replacing = true
  const done = Promise.all(
    contents.map(async (content) => {
      const download = await start('x', { ifExists: 'overwrite', size: content.length, root: plainRoot(content) })
      await bringAll(download, content)
      await download.finish()
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
  for (const ifExists of ['overwrite', 'refuse', 'rename'] as const) {
    for (const name of ['out/new', 'file/new']) {
      expect(await codeOf(begin(dir, name, { ifExists, size: 2 * PIECE_BYTES }))).toBe('FOLDER')
      if (ifExists !== 'refuse') {
        expect(await codeOf(begin(dir, name, { ifExists }))).toBe('FOLDER')
        continue
      }
      // A small one that replaces nothing finds out at its end.
      const small = await begin(dir, name, { ifExists })
      await bring(small, Buffer.from('n'), 0)
      expect(await codeOf(small.finish())).toBe('FOLDER')
      await small.abandon()
    }
    for (const name of ['link', 'folder', 'out']) {
      if (ifExists === 'rename') continue
      expect(await codeOf(begin(dir, name, { ifExists }))).toBe(ifExists === 'overwrite' ? 'FOLDER' : 'EXISTS')
    }
  }
  // The same when they come while the bytes are on their way.
  const late = await Promise.all([begin(dir, 'a', { ifExists: 'overwrite' }), begin(dir, 'b/c'), begin(dir, 'd/e')])
  await symlink('../outside/file', join(dir, 'a'))
  await symlink('../outside', join(dir, 'b'))
  await writeFile(join(dir, 'd'), '')
  for (const download of late) {
    await bring(download, Buffer.from('x'), 0)
    expect(await codeOf(download.finish())).toBe('FOLDER')
    await download.abandon({ forget: true })
  }
  for (const name of ['a', 'b', 'd']) await rm(join(dir, name))
  expect(await tree(around)).toEqual(before)
})

test('the flags of the process do not keep its threads from starting', async () => {
  const dir = await newFolder()
  const script = `
    import { createDownloads } from ${JSON.stringify(new URL('../../dist/store/downloads.js', import.meta.url).href)}
    const downloads = createDownloads({ dir: ${JSON.stringify(dir)} })
    const download = await downloads.begin({ name: 'x', size: 1 }, { ifExists: 'refuse' })
    await download.keep(0, await download.memory())
    await download.finish()
    await downloads.close()`
  execFileSync(process.execPath, ['--input-type=module', '-e', script])
  expect(await readdir(dir)).toEqual(['x'])
})

test('a private folder that is removed under a download is made again', async () => {
  const dir = await newFolder()
  const downloads = downloadsIn(dir)
  const [first, second] = [await downloads.start('a'), await downloads.start('b')]
  for (const download of [first, second]) await bring(download, Buffer.from('x'), 0)
  await first.finish()
  await rm(join(dir, '.p2p-rx'), { recursive: true })
  expect(await second.finish()).toMatchObject({ path: join(dir, 'b') })
})

test('a private folder that is a link is not used', async () => {
  const around = await newFolder()
  await mkdir(join(around, 'share'))
  await mkdir(join(around, 'outside'))
  await symlink('../outside', join(around, 'share/.p2p-rx'))
  // A small file needs the folder when it is whole, a larger one at once.
  const { start } = downloadsIn(join(around, 'share'))
  const small = await start('x', { size: 1 })
  await bring(small, Buffer.from('x'), 0)
  expect(await codeOf(small.finish())).toBe('FOLDER')
  expect(await codeOf(begin(join(around, 'share'), 'y', { size: 2_000_000 }))).toBe('FOLDER')
  expect(await readdir(join(around, 'outside'))).toEqual([])
})

test.runIf(process.platform === 'linux')('every legal name of the naughty ones can be downloaded', async () => {
  const dir = await newFolder()
  const legal = naughtyNames().filter((name) => name.linux_legal && name.utf8 && name.xml10_representable)
  const names = [...new Set(legal.map(({ name }) => name ?? ''))]
  const { start } = downloadsIn(dir)
  await Promise.all(
    names.map(async (name) => {
      const content = Buffer.from(name)
      const download = await start(name, { size: content.length, root: plainRoot(content) })
      await bringAll(download, content)
      await download.finish()
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
  const { bavail, bsize } = await statfs(dir)
  expect(await codeOf(begin(dir, 'x', { size: bavail * bsize + 2 ** 32 }))).toBe('DISK')
  expect(await readdir(dir)).toEqual([])
})

test.each([2 ** 41 + 1, Number.MAX_SAFE_INTEGER])(
  'a file of %i bytes is refused, whatever the disk says',
  async (size) => {
    const dir = await newFolder()
    expect(await codeOf(begin(dir, 'x', { size }))).toBe('TOO_LARGE')
    expect(await readdir(dir)).toEqual([])
  }
)

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

test('a full disk is said in one sentence, and what was kept before stays whole', async ({ skip }) => {
  const dir = await smallDisk()
  if (dir === undefined) return skip('needs the right to mount a small disk')
  const { start } = downloadsIn(dir)
  const content = bytesOf(1_200_000)
  // Each has room, both together have not.
  const [x, y] = [await start('x', { size: content.length }), await start('y', { size: content.length })]
  await bringAll(x, content)
  await bring(y, content, 1)
  const failed = bring(y, content, 0)
  await expect(failed).rejects.toMatchObject({ code: 'DISK', message: 'Cannot write y: the disk is full' })
  await y.abandon({ forget: true })
  await x.finish()
  expect((await readFile(join(dir, 'x'))).equals(content)).toBe(true)
  expect(await readdir(dir)).toEqual(['x'])
  const next = await start('z')
  await bring(next, Buffer.from('z'), 0)
  await next.finish()
  expect(await readdir(dir)).toEqual(['x', 'z'])
})

test('closing while downloads begin leaves no temporary file, and none begins afterwards', async () => {
  const dir = await newFolder()
  const { start, close } = downloadsIn(dir)
  const begun = Array.from({ length: 20 }, (_, index) => start(`${index}`))
  await close()
  await Promise.allSettled(begun)
  expect(await readdir(dir)).toEqual([])
  expect(await codeOf(start('late'))).toBe('CLOSED')
})

test('closing waits for what is being written, so that nothing is written afterwards to what has that number then', async () => {
  const dir = await newFolder()
  const { start, close } = downloadsIn(dir)
  const content = bytesOf(20 * PIECE_BYTES)
  const download = await start('x', { size: content.length })
  let ended = 0
  for (let piece = 0; piece < 20; piece++) {
    const memory = await download.memory()
    memory.bytes.set(pieceOf(content, piece))
    void download.keep(piece, memory).finally(() => ended++)
  }
  await download.abandon()
  expect(ended).toBe(20)
  await close()
  const [left = ''] = await readdir(join(dir, '.p2p-rx'))
  expect((await readFile(join(dir, '.p2p-rx', left))).equals(content)).toBe(true)
})

test('who leaves while the file gets its name leaves one file, and nothing beside it', async () => {
  const dir = await newFolder()
  const { start } = downloadsIn(dir)
  for (const name of ['a', 'b', 'c', 'd']) {
    const download = await start(name)
    await bring(download, Buffer.from(name), 0)
    await Promise.all([download.finish(), download.abandon()])
    expect((await stat(join(dir, name))).nlink).toBe(1)
  }
  expect(await readdir(dir)).toEqual(['a', 'b', 'c', 'd'])
})
