import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { filter, firstValueFrom } from 'rxjs'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { P2pError } from '../../src/errors.js'
import { defaultStateDir as stateDirOfShare } from '../../src/state-dir.js'
import { createHashIndex } from '../../src/store/hash-index.js'
import { createLibrary } from '../../src/store/library.js'
import { openState, type State } from '../../src/store/state.js'
import { defaultStateDir } from '../../src/store/state-dir.js'
import { bytesOf, newFolder, plainRoot } from './disk.js'

const ROOT = 'a'.repeat(64)
const LONG_ROOT = 'b'.repeat(64)
const SHORT = '1-2-3-4'
const LONG = '1-3-3000000-4'

const DIST = new URL('../../dist/store/', import.meta.url)

/** Opens a state that is closed when the test ends. */
async function opened(dir: string): Promise<State> {
  const state = await openState(dir)
  onTestFinished(() => state.close())
  return state
}

async function indexOf(state: State) {
  const index = createHashIndex()
  await index.attach(state)
  return index
}

/** Runs a module of ours as a process of its own, up to its first line. */
async function program(script: string) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child
}

test('a home that is not absolute is not one', () => {
  onTestFinished(() => void vi.unstubAllEnvs())
  vi.stubEnv('HOME', 'files').stubEnv('XDG_STATE_HOME', '')
  expect(isAbsolute(stateDirOfShare('/srv/music'))).toBe(true)
})

test('the state of a share has a folder of its own, where the system wants it', () => {
  const at = (env: Record<string, string>, platform: NodeJS.Platform, share = '/srv/music') =>
    defaultStateDir(share, env, platform, platform === 'win32' ? 'C:\\Users\\ann' : '/home/ann')
  expect(at({}, 'linux')).toBe('/home/ann/.local/state/p2p-rx/music-cf038a8b')
  expect(at({ XDG_STATE_HOME: '/var/x' }, 'linux')).toBe('/var/x/p2p-rx/music-cf038a8b')
  expect(at({ XDG_STATE_HOME: 'relative' }, 'linux')).toBe('/home/ann/.local/state/p2p-rx/music-cf038a8b')
  expect(at({ XDG_STATE_HOME: '' }, 'freebsd')).toBe('/home/ann/.local/state/p2p-rx/music-cf038a8b')
  expect(at({ XDG_STATE_HOME: '/var/x' }, 'darwin')).toBe('/home/ann/Library/Application Support/p2p-rx/music-cf038a8b')
  expect(at({ LOCALAPPDATA: 'D:\\data' }, 'win32', 'C:\\music')).toMatch(/^D:\\data\\p2p-rx\\music-[0-9a-f]{8}$/)
  expect(at({}, 'win32', 'C:\\music')).toMatch(/^C:\\Users\\ann\\AppData\\Local\\p2p-rx\\music-[0-9a-f]{8}$/)
  expect(at({}, 'linux', '/srv/other/music')).not.toBe(at({}, 'linux'))
  // The root of a disk has no name.
  expect(at({}, 'linux', '/')).toMatch(/^\/home\/ann\/\.local\/state\/p2p-rx\/-[0-9a-f]{8}$/)
})

test('what was put is there after a restart, and parts know nothing of each other', async () => {
  const dir = join(await newFolder(), 'not/there/yet')
  const state = await openState(dir)
  await state.text('one').put('key', 'value')
  await state.bytes('two').put('key', Buffer.from([1, 2]))
  await state.close()
  const again = await opened(dir)
  expect(await again.text('one').get('key')).toBe('value')
  expect(Buffer.from((await again.bytes('two').get('key')) ?? [])).toEqual(Buffer.from([1, 2]))
  expect(await again.text('three').get('key')).toBeUndefined()
  expect((await stat(join(dir, 'db'))).mode & 0o777).toBe(0o700)
})

test('a second process is told who has the state, and what to do', async () => {
  const dir = await newFolder()
  const script = `import { openState } from '${DIST.href}state.js'
    await openState(${JSON.stringify(dir)}); console.log('open'); setInterval(() => undefined, 1000)`
  const child = await program(script)
  const error = (await openState(dir).catch((thrown: unknown) => thrown)) as P2pError
  expect(error).toMatchObject({ code: 'STATE_IN_USE', exitCode: 5 })
  expect(error.message).toContain(dir)
  expect(error.advice).toContain('--state-dir')
  child.kill('SIGKILL')
  await once(child, 'exit')
  await opened(dir)
})

test('a folder that cannot be used is a clear error', async () => {
  const file = join(await newFolder(), 'file')
  await writeFile(file, '')
  await expect(openState(file)).rejects.toMatchObject({ code: 'FOLDER' })
})

test.each([
  [
    'garbage in all its files',
    (content: Buffer) => Buffer.from(content.map((byte, i) => byte ^ (i % 7 === 0 ? 0x55 : 0)))
  ],
  ['all its files cut in half', (content: Buffer) => content.subarray(0, content.length / 2)],
  ['all its files empty', () => Buffer.alloc(0)]
])('a database with %s is opened all the same, and can be written', async (_, damage) => {
  const dir = await newFolder()
  const state = await openState(dir)
  const x = state.text('x')
  for (let i = 0; i < 2_000; i++) await x.put(`key ${i}`, 'value '.repeat(100))
  await state.close()
  for (const name of await readdir(join(dir, 'db'))) {
    const path = join(dir, 'db', name)
    if (name !== 'LOCK') await writeFile(path, damage(await readFile(path)))
  }
  const again = await openState(dir)
  for await (const page of again.text('x').entries()) for (const [, value] of page) expect(typeof value).toBe('string')
  await again.text('x').put('new', 'value')
  await again.close()
  expect(await (await opened(dir)).text('x').get('new')).toBe('value')
})

test('a database that lost a file is opened all the same', async () => {
  const dir = await newFolder()
  const state = await openState(dir)
  const keys = Array.from({ length: 20_000 }, (_, i) => `key ${i}`)
  await state.text('x').batch(keys.map((key) => ({ type: 'put', key, value: 'value '.repeat(40) })))
  await state.close()
  for (const name of readdirSync(join(dir, 'db'))) {
    if (/\.ldb$|^CURRENT$|^MANIFEST/.test(name)) await rm(join(dir, 'db', name))
  }
  const again = await opened(dir)
  await again.text('x').put('new', 'value')
})

test('roots and the hashes of pieces are known after a restart', async () => {
  const dir = await newFolder()
  const state = await openState(dir)
  const index = await indexOf(state)
  const layer = bytesOf(96)
  index.remember(SHORT, ROOT)
  index.remember(LONG, LONG_ROOT, layer)
  expect(index.root(LONG)).toBe(LONG_ROOT)
  await index.close()
  await state.close()
  const again = await indexOf(await opened(dir))
  expect(again.root(SHORT)).toBe(ROOT)
  expect(again.root(LONG)).toBe(LONG_ROOT)
  expect(Buffer.from((await again.layer(LONG_ROOT)) ?? [])).toEqual(layer)
  expect(again.root('1-2-3-5')).toBeUndefined()
})

test('what was hashed before the state was open is written down too', async () => {
  const dir = await newFolder()
  const state = await openState(dir)
  const index = createHashIndex()
  index.remember(LONG, LONG_ROOT, bytesOf(96))
  await index.attach(state)
  await index.close()
  await state.close()
  expect((await indexOf(await opened(dir))).root(LONG)).toBe(LONG_ROOT)
})

test('an entry that is not as we write it is not believed', async () => {
  const state = await opened(await newFolder())
  const index = await indexOf(state)
  index.remember(SHORT, ROOT)
  index.remember(LONG, LONG_ROOT, bytesOf(96))
  await index.close()
  const entry = (await state.text('roots').get(SHORT)) ?? ''
  await state.text('roots').put(SHORT, entry.replace('a', 'c'))
  await state.bytes('layers').del(LONG_ROOT)
  const again = await indexOf(state)
  expect(again.root(SHORT)).toBeUndefined()
  expect(again.root(LONG)).toBeUndefined()
})

test('the hashes of the pieces stay as long as one file has them, and go with the last one', async () => {
  const index = createHashIndex()
  for (const identity of [LONG, LONG, '1-9-3000000-4']) index.remember(identity, LONG_ROOT, bytesOf(96))
  index.drop(LONG)
  index.drop(LONG)
  expect(await index.layer(LONG_ROOT)).toBeDefined()
  index.remember('1-9-3000000-4', ROOT, bytesOf(96))
  index.drop('1-9-3000000-4')
  expect(await index.layer(ROOT)).toBeUndefined()
})

test('what was written over is forgotten, with the hashes of its pieces', async () => {
  const state = await opened(await newFolder())
  const index = await indexOf(state)
  index.remember(LONG, LONG_ROOT, bytesOf(96))
  index.remember('1-9-3000000-4', LONG_ROOT)
  await index.close()
  index.drop(LONG)
  await index.close()
  const again = await indexOf(state)
  expect(again.root(LONG)).toBeUndefined()
  expect(await again.layer(LONG_ROOT)).toHaveLength(96)
  again.drop('1-9-3000000-4')
  await again.close()
  expect(await (await indexOf(state)).layer(LONG_ROOT)).toBeUndefined()
})

test('what was not in the folder for a month is dropped, and what is in it stays', async () => {
  const state = await opened(await newFolder())
  const index = await indexOf(state)
  index.remember(SHORT, ROOT)
  index.remember(LONG, LONG_ROOT, bytesOf(96))
  await index.close()
  const later = await indexOf(state)
  await later.tidy(new Set([SHORT]))
  expect(later.root(LONG)).toBe(LONG_ROOT)
  const realNow = Date.now
  Date.now = () => realNow() + 31 * 86_400_000
  onTestFinished(() => void (Date.now = realNow))
  const muchLater = await indexOf(state)
  await muchLater.tidy(new Set([SHORT]))
  expect(muchLater.root(SHORT)).toBe(ROOT)
  expect(muchLater.root(LONG)).toBeUndefined()
  await muchLater.close()
  const last = await indexOf(state)
  expect(last.root(SHORT)).toBe(ROOT)
  expect(await last.layer(LONG_ROOT)).toBeUndefined()
})

/** Writes a file whose last change lies in the past. */
function writeOld(path: string, content: Buffer | string, seconds = 1_700_000_000): void {
  writeFileSync(path, content)
  utimesSync(path, seconds, seconds)
}

const hashedAll = (library: ReturnType<typeof createLibrary>) =>
  firstValueFrom(
    library.file$.pipe(filter((files) => files.length > 0 && files.every(({ root }) => root !== undefined)))
  )

test('a library that is started again knows all roots at once, also after a kill', async () => {
  const [dir, stateDir] = [await newFolder(), await newFolder()]
  const large = bytesOf(3_000_000)
  writeOld(join(dir, 'large'), large)
  await mkdir(join(dir, 'sub'))
  for (let i = 0; i < 200; i++) writeOld(join(dir, 'sub', `f${i}`), `content ${i}`)
  const script = `import { createLibrary } from '${DIST.href}library.js'
    import { openState } from '${DIST.href}state.js'
    const library = createLibrary({ dir: ${JSON.stringify(dir)}, state: () => openState(${JSON.stringify(stateDir)}) })
    await library.start()
    setInterval(() => undefined, 1000)
    library.file$.subscribe((files) => {
      if (files.length === 201 && files.every(({ root }) => root)) setTimeout(() => console.log('hashed'), 500)
    })`
  const child = await program(script)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const state = await opened(stateDir)
  const library = createLibrary({ dir, state: () => Promise.resolve(state) })
  onTestFinished(() => library.close())
  await library.start()
  const { files } = library.list('')
  expect(files).toHaveLength(201)
  expect(files.every(({ root }) => root !== undefined)).toBe(true)
  const root = plainRoot(large)
  expect(await library.findRoot(root)).toMatchObject({ name: 'large', root })
  expect(await library.hashes({ root, layer: 6, index: 0, length: 4, proofLayers: 0 })).toHaveLength(128)
})

test('a file of the same size and second, changed within it, is hashed again', async () => {
  const [dir, stateDir] = [await newFolder(), await newFolder()]
  const path = join(dir, 'x')
  const run = async () => {
    const state = await openState(stateDir)
    const library = createLibrary({ dir, state: () => Promise.resolve(state) })
    try {
      await library.start()
      return (await hashedAll(library))[0]?.root
    } finally {
      await library.close()
      await state.close()
    }
  }
  writeOld(path, 'content', 1_700_000_000)
  expect(await run()).toBe(plainRoot(Buffer.from('content')))
  // In place, so that it is the same inode too.
  writeOld(path, 'CONTENT', 1_700_000_000.25)
  expect(await run()).toBe(plainRoot(Buffer.from('CONTENT')))
})
