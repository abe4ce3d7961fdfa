import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { utimesSync, writeFileSync } from 'node:fs'
import { chmod, mkdir, open, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { filter, firstValueFrom } from 'rxjs'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { P2pError } from '../../src/errors.js'
import { createLibrary, type FolderLibrary } from '../../src/store/library.js'
import { createRootHasher, provenHashes } from '../../src/store/merkle.js'
import { compareNames } from '../../src/streams/names.js'
import { bytesOf, collect, naughtyNames, newFolder, plainLayers, plainRoot } from './disk.js'

function libraryOf(dir: string): FolderLibrary & { readonly problems: P2pError[] } {
  const problems: P2pError[] = []
  const library = createLibrary({ dir, onProblem: (problem) => problems.push(problem) })
  onTestFinished(() => library.close())
  return { ...library, problems }
}

async function startedLibraryOf(dir: string) {
  const library = libraryOf(dir)
  await library.start()
  return library
}

/** What a neighbour sees who asks for page after page. */
function listAll({ list }: FolderLibrary): string[] {
  const names: string[] = []
  for (let more = true; more; ) {
    const page = list(names.at(-1) ?? '')
    names.push(...page.files.map(({ name }) => name))
    more = page.more
  }
  return names
}

const change = (library: FolderLibrary, type: string, name: string) =>
  firstValueFrom(library.change$.pipe(filter((happened) => happened.type === type && happened.name === name)))

/** Writes a file whose last change lies in the past. */
function writeOld(path: string | Buffer, content: string | Buffer): void {
  writeFileSync(path, content)
  utimesSync(path, 1_700_000_000, 1_700_000_000)
}

/** Does something as somebody whom rights stop. */
async function asNobody(work: () => Promise<void>): Promise<void> {
  const isRoot = process.geteuid?.() === 0
  if (isRoot) process.seteuid?.(65_534)
  try {
    await work()
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
}

test('what lies in the folder is listed, at any depth, in the order of bytes', async () => {
  const dir = await newFolder()
  await mkdir(join(dir, 'a/b'), { recursive: true })
  for (const name of ['b', 'a/b/c', 'a-', 'a/z', '\u{1f600}', '\uffee']) writeOld(join(dir, name), name)
  const library = await startedLibraryOf(dir)
  expect(listAll(library)).toEqual(['a-', 'a/b/c', 'a/z', 'b', '\uffee', '\u{1f600}'])
  expect(library.list('').files[0]).toMatchObject({ name: 'a-', size: 2, modifiedMs: 1_700_000_000_000 })
  expect(await firstValueFrom(library.file$)).toHaveLength(6)
})

test('a page has 500 names, and says whether there are more', async () => {
  const dir = await newFolder()
  const names = Array.from({ length: 1001 }, (_, i) => `f${i}`).sort(compareNames)
  for (const name of names) writeOld(join(dir, name), '')
  const library = await startedLibraryOf(dir)
  expect(library.list('').files).toHaveLength(500)
  expect(library.list('')).toMatchObject({ more: true })
  expect(library.list(names[499] ?? '')).toMatchObject({ more: true })
  expect(library.list(names[999] ?? '')).toMatchObject({ more: false, files: [{ name: names[1000] }] })
  expect(library.list(names[1000] ?? '')).toEqual({ files: [], more: false })
  // From a name that is not there, and goes on behind it.
  expect(library.list('f100x').files[0]?.name).toBe('f101')
  expect(listAll(library)).toEqual(names)
})

test('a file is found and read before the folder has been read', async () => {
  const dir = await newFolder()
  writeOld(join(dir, 'x'), 'content')
  const library = libraryOf(dir)
  expect(await library.find('x')).toMatchObject({ name: 'x', size: 7 })
  const source = await library.open('x')
  expect(String(await collect(source.read()))).toBe('content')
  await source.close()
})

test('the folder may be made after the library', async () => {
  const dir = join(await newFolder(), 'later')
  const library = libraryOf(dir)
  await expect(library.start()).rejects.toMatchObject({ code: 'FOLDER' })
  const second = libraryOf(dir)
  await mkdir(dir)
  writeOld(join(dir, 'x'), '')
  await second.start()
  expect(listAll(second)).toEqual(['x'])
})

test('a file that was written a moment before the start is listed and found', async () => {
  const dir = await newFolder()
  await writeFile(join(dir, 'x'), 'content')
  const library = libraryOf(dir)
  const changes: string[] = []
  library.change$.subscribe(({ name }) => changes.push(name))
  const started = library.start()
  expect(await library.find('x')).toMatchObject({ size: 7 })
  await started
  expect(listAll(library)).toEqual(['x'])
  expect(changes).toEqual([])
})

test('a file put into the folder is found within a second, and told', async () => {
  const dir = await newFolder()
  const library = await startedLibraryOf(dir)
  const added = change(library, 'file-added', 'deep/er/x')
  const started = performance.now()
  await mkdir(join(dir, 'deep/er'), { recursive: true })
  await writeFile(join(dir, 'deep/er/x'), 'content')
  await added
  expect(listAll(library)).toEqual(['deep/er/x'])
  expect(await library.find('deep/er/x')).toMatchObject({ size: 7 })
  expect(performance.now() - started).toBeLessThan(1000)
})

test('a name is asked for, and found, while it is not yet listed', async () => {
  const dir = await newFolder()
  const library = await startedLibraryOf(dir)
  await writeFile(join(dir, 'x'), 'content')
  expect(await library.find('x')).toMatchObject({ size: 7 })
})

test('a file that is being written is not offered until it rests', async () => {
  const dir = await newFolder()
  const library = await startedLibraryOf(dir)
  const handle = await open(join(dir, 'slow'), 'w')
  const added = change(library, 'file-added', 'slow')
  const state = { writing: true }
  const writer = (async () => {
    for (let i = 0; i < 15; i++) {
      await handle.write('0123456789')
      await sleep(100)
    }
    state.writing = false
    await handle.close()
  })()
  await expect(library.open('slow')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  const answers: (string | undefined)[][] = []
  while (state.writing) {
    const found = await library.find('slow')
    answers.push([found?.name, ...listAll(library)])
  }
  // The last answer may have waited until the writer had ended.
  answers.pop()
  expect(answers.length).toBeGreaterThan(0)
  expect(new Set(answers.flat())).toEqual(new Set([undefined]))
  await writer
  await added
  expect(await library.find('slow')).toMatchObject({ size: 150 })
})

test('renaming, deleting and moving folders is followed', async () => {
  const dir = await newFolder()
  await mkdir(join(dir, 'one/two'), { recursive: true })
  for (const name of ['a', 'one/b', 'one/two/c']) writeOld(join(dir, name), name)
  const library = await startedLibraryOf(dir)

  let told = [change(library, 'file-removed', 'a'), change(library, 'file-added', 'z')]
  await rename(join(dir, 'a'), join(dir, 'z'))
  await Promise.all(told)
  expect(listAll(library)).toEqual(['one/b', 'one/two/c', 'z'])

  told = [change(library, 'file-removed', 'one/two/c'), change(library, 'file-added', 'uno/two/c')]
  await rename(join(dir, 'one'), join(dir, 'uno'))
  await Promise.all(told)
  expect(listAll(library)).toEqual(['uno/b', 'uno/two/c', 'z'])

  // The folder that was moved is still followed, under its new name.
  told = [change(library, 'file-added', 'uno/two/d')]
  writeOld(join(dir, 'uno/two/d'), 'd')
  await Promise.all(told)

  told = ['uno/two/c', 'uno/two/d', 'uno/b'].map((name) => change(library, 'file-removed', name))
  await rm(join(dir, 'uno'), { recursive: true })
  await Promise.all(told)
  expect(listAll(library)).toEqual(['z'])
  expect(await library.find('uno/b')).toBeUndefined()

  // A file in the place of a folder, and the other way round.
  told = [
    change(library, 'file-added', 'uno'),
    change(library, 'file-removed', 'z'),
    change(library, 'file-added', 'z/y')
  ]
  writeOld(join(dir, 'uno'), '')
  await unlink(join(dir, 'z'))
  await mkdir(join(dir, 'z'))
  writeOld(join(dir, 'z/y'), '')
  await Promise.all(told)
  expect(listAll(library)).toEqual(['uno', 'z/y'])
})

test('new content under an old name is offered as what it is', async () => {
  const dir = await newFolder()
  writeOld(join(dir, 'x'), 'old'.repeat(100_000))
  const library = await startedLibraryOf(dir)
  const source = await library.open('x')
  const told = [change(library, 'file-removed', 'x'), change(library, 'file-added', 'x')]
  await writeFile(join(dir, 'x'), 'newer')
  await expect(collect(source.read())).rejects.toMatchObject({ code: 'INTEGRITY' })
  await source.close()
  await Promise.all(told)
  expect(await library.find('x')).toMatchObject({ size: 5 })
})

test('a small file that was opened stays what it was, and who asks after the change gets the new one', async () => {
  const dir = await newFolder()
  writeOld(join(dir, 'x'), 'old')
  const library = await startedLibraryOf(dir)
  const source = await library.open('x')
  const told = change(library, 'file-added', 'x')
  await writeFile(join(dir, 'x'), 'newer')
  expect(await collect(source.read())).toEqual(Buffer.from('old'))
  await told
  const again = await library.open('x')
  expect(await collect(again.read())).toEqual(Buffer.from('newer'))
})

test('links, special files, private files and unspeakable names are not listed, and do no harm', async () => {
  const dir = await newFolder()
  writeOld(join(dir, 'x'), '')
  await mkdir(join(dir, '.p2p-rx/cache'), { recursive: true })
  writeOld(join(dir, '.p2p-rx/cache/y'), '')
  await symlink('x', join(dir, 'link'))
  await symlink('/', join(dir, 'folder-link'))
  writeOld(join(dir, 'control\u0001'), '')
  if (process.platform === 'linux') {
    execFileSync('mkfifo', [join(dir, 'pipe')])
    for (const { hex } of naughtyNames().filter(({ utf8 }) => !utf8)) {
      await writeFile(Buffer.concat([Buffer.from(`${dir}/`), Buffer.from(hex, 'hex')]), '')
    }
    const server = createServer().listen(join(dir, 'socket'))
    onTestFinished(() => void server.close())
    await once(server, 'listening')
  }
  const library = await startedLibraryOf(dir)
  expect(listAll(library)).toEqual(['x'])
  const started = performance.now()
  for (const name of [
    'link',
    'folder-link/etc/hostname',
    'pipe',
    'socket',
    '.p2p-rx/cache/y',
    'control\u0001',
    '..',
    ''
  ]) {
    expect(await library.find(name)).toBeUndefined()
  }
  expect(performance.now() - started).toBeLessThan(200)
  await expect(library.open('../x')).rejects.toMatchObject({ code: 'BAD_NAME' })
  await expect(library.open('link')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  // The same, but while it is watched.
  const added = change(library, 'file-added', 'y')
  await symlink('/etc', join(dir, 'another'))
  await mkdir(join(dir, '.p2p-rx/more'))
  if (process.platform === 'linux') await writeFile(Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0xff])]), '')
  writeOld(join(dir, 'y'), '')
  await added
  expect(listAll(library)).toEqual(['x', 'y'])
  expect(library.problems).toEqual([])
})

test.runIf(process.platform === 'linux')('every legal name of the naughty ones is listed, found and read', async () => {
  const dir = await newFolder()
  const legal = naughtyNames().filter((name) => name.linux_legal && name.utf8 && name.xml10_representable)
  const names = [...new Set(legal.map(({ name }) => name ?? ''))].sort(compareNames)
  for (const name of names) writeOld(Buffer.concat([Buffer.from(`${dir}/`), Buffer.from(name)]), name)
  const library = await startedLibraryOf(dir)
  expect(listAll(library)).toEqual(names)
  for (const name of names) {
    expect(await library.find(name)).toMatchObject({ name, size: Buffer.byteLength(name) })
    const source = await library.open(name)
    expect(String(await collect(source.read()))).toBe(name)
    await source.close()
  }
})

test.runIf(process.platform !== 'win32')('what may not be read is told, and the rest is shared', async () => {
  const dir = await newFolder()
  await mkdir(join(dir, 'closed'))
  for (const name of ['x', 'secret', 'closed/y']) writeOld(join(dir, name), '')
  for (const name of ['secret', 'closed']) await chmod(join(dir, name), 0)
  await chmod(dir, 0o755)
  await asNobody(async () => {
    const library = libraryOf(dir)
    await library.start()
    expect(await library.find('closed/y')).toBeUndefined()
    expect(listAll(library)).toContain('x')
    // access(2) asks for the rights of who started the process, who may still be root.
    if (process.getuid?.() !== 0) {
      expect(listAll(library)).toEqual(['x'])
      expect(await library.find('secret')).toBeUndefined()
    }
    expect(library.problems.map(({ message }) => message)).toContainEqual(expect.stringContaining('closed'))
    await library.close()
  })
})

test('roots come by themselves, and what was asked for goes first', async () => {
  const dir = await newFolder()
  const large = bytesOf(3_000_000)
  for (const name of ['a', 'b', 'c']) writeOld(join(dir, name), large)
  writeOld(join(dir, 'z'), 'content')
  writeOld(join(dir, 'empty'), '')
  const library = await startedLibraryOf(dir)
  await library.find('z')
  const hashed = await firstValueFrom(
    library.file$.pipe(filter((files) => files.some(({ root }) => root !== undefined)))
  )
  expect(hashed.find(({ name }) => name === 'z')?.root).toBe(plainRoot(Buffer.from('content')))
  const all = await firstValueFrom(library.file$.pipe(filter((files) => files.every(({ root }) => root !== undefined))))
  expect(Object.fromEntries(all.map(({ name, root }) => [name, root]))).toMatchObject({
    a: plainRoot(large),
    empty: '0'.repeat(64)
  })
  const source = await library.open('a')
  expect(source).toMatchObject({ root: plainRoot(large), etag: plainRoot(large), size: large.length })
  await source.close()
  // A file that only moved keeps its root.
  const moved = change(library, 'file-added', 'moved')
  await rename(join(dir, 'a'), join(dir, 'moved'))
  await moved
  expect(await library.find('moved')).toMatchObject({ root: plainRoot(large) })
})

test('a file that was just put in place is adopted with the root it came with', async () => {
  const dir = await newFolder()
  const library = await startedLibraryOf(dir)
  await writeFile(join(dir, 'x'), 'content')
  const root = 'ab'.repeat(32)
  await library.adopt('x', { size: 7, root })
  expect(library.list('').files).toMatchObject([{ name: 'x', root }])
  expect(await library.find('x')).toMatchObject({ root })
  await library.adopt('x', { size: 8, root: 'cd'.repeat(32) })
  expect(await library.find('x')).toMatchObject({ root })
  await library.adopt('missing', { size: 7, root })
  expect(listAll(library)).toEqual(['x'])
})

test('a source reads any range, several at once, and not after its end', async () => {
  const dir = await newFolder()
  const content = bytesOf(2_000_000)
  writeOld(join(dir, 'x'), content)
  const library = libraryOf(dir)
  const source = await library.open('x')
  const ranges = [
    [0, 0],
    [0, 1],
    [1, 700_000],
    [999_999, 2_000_000],
    [1_999_999, 5_000_000],
    [3_000_000, 4_000_000]
  ] as const
  const read = await Promise.all(ranges.map(([start, end]) => collect(source.read(start, end))))
  expect(read.map((bytes, i) => bytes.equals(content.subarray(...(ranges[i] ?? [])))).every(Boolean)).toBe(true)
  expect((await collect(source.read())).equals(content)).toBe(true)
  await source.close()
  await source.close()
  await expect(collect(source.read())).rejects.toMatchObject({ code: 'CLOSED' })
})

test('a source that was left in the middle can be closed', async () => {
  const dir = await newFolder()
  writeOld(join(dir, 'x'), bytesOf(2_000_000))
  const source = await libraryOf(dir).open('x')
  for await (const chunk of source.read()) {
    expect(chunk.length).toBeGreaterThan(0)
    break
  }
  await source.close()
})

test('a file that shrinks or changes while it is read breaks off', async () => {
  const dir = await newFolder()
  const path = join(dir, 'x')
  writeOld(path, bytesOf(3_000_000))
  const library = libraryOf(dir)
  const source = await library.open('x')
  const bytes = source.read()[Symbol.asyncIterator]()
  await bytes.next()
  await writeFile(path, 'short')
  const rest = async () => {
    while ((await bytes.next()).done !== true);
  }
  await expect(rest()).rejects.toMatchObject({ code: 'INTEGRITY' })
  await source.close()
})

test('a file that was deleted while it is read can be read to its end', async () => {
  const dir = await newFolder()
  const content = bytesOf(3_000_000)
  writeOld(join(dir, 'x'), content)
  const source = await libraryOf(dir).open('x')
  await unlink(join(dir, 'x'))
  expect((await collect(source.read())).equals(content)).toBe(true)
  await source.close()
})

test('a folder of 20,000 files is read in seconds, and others are served meanwhile', async () => {
  const dir = await newFolder()
  for (let i = 0; i < 100; i++) {
    const folder = join(dir, `d${i}`)
    await mkdir(folder)
    for (let j = 0; j < 200; j++) writeFileSync(join(folder, `f${j}`), 'x')
  }
  const library = libraryOf(dir)
  const started = performance.now()
  const ready = library.start()
  expect(await library.find('d7/f7')).toMatchObject({ size: 1 })
  expect(performance.now() - started).toBeLessThan(1000)
  await ready
  expect(performance.now() - started).toBeLessThan(8000)
  expect(listAll(library)).toHaveLength(20_000)
}, 60_000)

test('after closing nothing is told, nothing runs, and closing again does no harm', async () => {
  const dir = await newFolder()
  for (let i = 0; i < 50; i++) writeOld(join(dir, `f${i}`), bytesOf(100_000))
  for (let i = 0; i < 20; i++) {
    const library = createLibrary({ dir })
    const started = library.start()
    if (i % 2 === 0) await started
    await Promise.all([library.close(), library.close()])
    await started
  }
  const library = createLibrary({ dir })
  await library.start()
  let completed = 0
  library.change$.subscribe({ complete: () => (completed += 1) })
  library.file$.subscribe({ complete: () => (completed += 1) })
  await library.close()
  expect(completed).toBe(2)
  expect(process.getActiveResourcesInfo().filter((resource) => resource.startsWith('FSEvent'))).toEqual([])
})

const hashedAll = (library: FolderLibrary) =>
  firstValueFrom(library.file$.pipe(filter((files) => files.every(({ root }) => root !== undefined))))

test('content is found and opened by its root, under any of its names, as long as one still has it', async () => {
  const dir = await newFolder()
  for (const name of ['a', 'b']) writeOld(join(dir, name), 'content')
  const library = await startedLibraryOf(dir)
  await hashedAll(library)
  const root = plainRoot(Buffer.from('content'))
  expect(await library.findRoot(root)).toMatchObject({ size: 7, root })
  expect(await library.findRoot('f'.repeat(64))).toBeUndefined()
  await expect(library.openRoot('f'.repeat(64))).rejects.toMatchObject({ code: 'NOT_FOUND' })
  writeOld(join(dir, 'a'), 'another content')
  const source = await vi.waitFor(() => library.openRoot(root), { timeout: 3_000 })
  expect(String(await collect(source.read()))).toBe('content')
  await source.close()
  await vi.waitFor(async () => expect(await library.findRoot(root)).toMatchObject({ name: 'b' }), { timeout: 3_000 })
  await unlink(join(dir, 'b'))
  await vi.waitFor(() => expect(library.openRoot(root)).rejects.toMatchObject({ code: 'NOT_FOUND' }), {
    timeout: 3_000
  })
  expect(await library.findRoot(root)).toBeUndefined()
})

test('hashes are answered from the tree, and those of blocks from the disk as it is now', async () => {
  const dir = await newFolder()
  const content = bytesOf(5 * 1_048_576 + 20_000)
  writeOld(join(dir, 'large'), content)
  writeOld(join(dir, 'small'), content.subarray(0, 40_000))
  const library = await startedLibraryOf(dir)
  await hashedAll(library)
  const root = plainRoot(content)
  const layers = plainLayers(content)
  const pieces = { root, layer: 6, index: 4, length: 2, proofLayers: 2 }
  expect(provenHashes(pieces, await library.hashes(pieces), content.length)).toEqual(
    Buffer.concat(layers[6]?.slice(4, 6) ?? [])
  )
  const blocks = { root, layer: 0, index: 320, length: 64, proofLayers: 3 }
  expect(provenHashes(blocks, await library.hashes(blocks), content.length)).toEqual(
    Buffer.concat(layers[0]?.slice(320, 384) ?? [])
  )
  const small = { root: plainRoot(content.subarray(0, 40_000)), layer: 0, index: 0, length: 4, proofLayers: 0 }
  expect(provenHashes(small, await library.hashes(small), 40_000)).toHaveLength(128)
  await expect(library.hashes({ ...pieces, index: 3 })).rejects.toMatchObject({ code: 'BAD_CALL' })
  await expect(library.hashes({ ...blocks, index: 0, length: 128, proofLayers: 2 })).rejects.toMatchObject({
    code: 'BAD_CALL'
  })
  await expect(library.hashes({ ...pieces, root: 'f'.repeat(64) })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  // Damage that the time of the file does not tell of.
  const handle = await open(join(dir, 'large'), 'r+')
  await handle.write(Buffer.from('damage'), 0, 6, 5 * 1_048_576)
  await handle.utimes(1_700_000_000, 1_700_000_000)
  await handle.close()
  await expect(library.hashes(blocks)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  expect(await library.hashes({ ...blocks, index: 0 })).toHaveLength((64 + 3) * 32)
})

test('a root is waited for, and what was asked for overtakes a large file that is half done', async () => {
  const dir = await newFolder()
  // Sparse, so that it takes no room and some seconds.
  const large = await open(join(dir, 'large'), 'w')
  await large.truncate(6 * 1024 ** 3)
  await large.utimes(1_700_000_000, 1_700_000_000)
  await large.close()
  writeOld(join(dir, 'other large'), bytesOf(2_000_000))
  const library = await startedLibraryOf(dir)
  writeOld(join(dir, 'wanted'), 'content')
  expect(await library.rootOf('wanted', 10_000)).toBe(plainRoot(Buffer.from('content')))
  expect(await library.rootOf('other large', 10_000)).toBe(plainRoot(bytesOf(2_000_000)))
  expect(await library.rootOf('large', 10)).toBeUndefined()
  await expect(library.rootOf('absent', 10)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(library.rootOf('../x', 10)).rejects.toMatchObject({ code: 'BAD_NAME' })
  // Nobody waits for it, and closing does not either.
  const startedMs = performance.now()
  await library.close()
  expect(performance.now() - startedMs).toBeLessThan(2_000)
})

test('an adopted file brings the hashes of its pieces along', async () => {
  const dir = await newFolder()
  const library = await startedLibraryOf(dir)
  const content = bytesOf(3_000_000)
  const hasher = createRootHasher()
  hasher.update(content)
  const root = hasher.digest()
  await writeFile(join(dir, 'came'), content)
  await library.adopt('came', { size: content.length, root, layer: hasher.layer() })
  expect(await library.findRoot(root)).toMatchObject({ name: 'came', root })
  const request = { root, layer: 6, index: 0, length: 4, proofLayers: 0 }
  expect(provenHashes(request, await library.hashes(request), content.length)).toHaveLength(128)
})

test('a file is read into memory that is lent, and not once it has changed', async () => {
  const dir = await newFolder()
  const content = bytesOf(200_000)
  writeOld(join(dir, 'x'), content)
  const library = await startedLibraryOf(dir)
  const source = await library.open('x')
  const memory = Buffer.alloc(150_000)
  expect(await source.readAt?.(memory, 0)).toBe(150_000)
  expect(memory).toEqual(content.subarray(0, 150_000))
  expect(await source.readAt?.(memory, 150_000)).toBe(50_000)
  expect(memory.subarray(0, 50_000)).toEqual(content.subarray(150_000))
  expect(await source.readAt?.(memory, 200_000)).toBe(0)
  await writeFile(join(dir, 'x'), bytesOf(200_000, 2))
  await expect(source.readAt?.(memory, 0)).rejects.toMatchObject({ code: 'INTEGRITY' })
  await source.close()
  await expect(source.readAt?.(memory, 0)).rejects.toMatchObject({ code: 'CLOSED' })
})
