/** Disks that are full, folders that are read-only or go away, and names that are taken. */
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bytesOf } from '../store/disk.js'
import {
  folder,
  freePort,
  type HolderProcess,
  holderProcess,
  MIB,
  program,
  type Scope,
  sha,
  shaOf,
  sharedScope,
  verifiedBytes,
  wireTo
} from './field.js'
import { guide, layersOf, rootOf } from './holders.js'

const NAME = 'film.bin'
const OLD = 'what was there before'
const content = bytesOf(32 * MIB)
const root = rootOf(layersOf(content))
const PATIENCE = { timeout: 60_000 }
/** Heads and hashes. */
const TALK_BYTES = 64 * 1024
const DISK_FULL = 9

const shared = sharedScope()
let holder: HolderProcess
beforeAll(async () => {
  const dir = await folder(shared, { [NAME]: content })
  holder = await holderProcess(shared, { dir, name: NAME, port: await freePort() })
})
afterAll(shared.end)

/** A way to the holder, and whom to ask so that it is taken. */
async function wireWith(scope: Scope, pace = {}) {
  const wire = await wireTo(scope, () => holder.port, pace)
  const url = await guide(scope, { name: NAME, size: content.length, root, holders: [wire.url] })
  return { ...wire, url }
}

const slowWire = (scope: Scope) => wireWith(scope, { bytesPerSecond: 24e6 })
const getFrom = (url: string, target: string, ...more: string[]) => ['get', NAME, '--peer', url, '-o', target, ...more]

/** A disk of its own, where this process may mount one. */
async function disk(scope: Scope, options: string): Promise<string | undefined> {
  const dir = await folder(scope)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'none', dir], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  scope.onTestFinished(() => void execFileSync('umount', ['-l', dir]))
  return dir
}

/** Takes all the room there is. */
function fill(path: string): void {
  const ballast = openSync(path, 'w')
  for (let bytes = MIB; bytes >= 4096; ) {
    try {
      writeSync(ballast, Buffer.alloc(bytes, 1))
    } catch {
      bytes /= 2
    }
  }
  closeSync(ballast)
}

describe('a disk', () => {
  const NO_DISK = 'needs the right to mount a small disk'

  test('without room for it is said at once, and the old file stays', PATIENCE, async (scope) => {
    const dir = await disk(scope, 'size=16m')
    if (dir === undefined) return scope.skip(NO_DISK)
    await writeFile(join(dir, NAME), OLD)
    const wire = await slowWire(scope)
    const ended = await program(scope, await folder(scope), getFrom(wire.url, dir, '--overwrite')).ended
    expect(ended.code).toBe(DISK_FULL)
    expect(ended.err).toMatch(/^p2p-rx: .*(room|full|space).*\n$/m)
    expect(await readFile(join(dir, NAME), 'utf8')).toBe(OLD)
    expect(wire.bytes()).toBeLessThan(8 * MIB)
  })

  test('that fills up midway keeps what is there, and the same command goes on', PATIENCE, async (scope) => {
    const dir = await disk(scope, 'size=80m')
    if (dir === undefined) return scope.skip(NO_DISK)
    await writeFile(join(dir, NAME), OLD)
    const home = await folder(scope)
    const wire = await slowWire(scope)
    wire.when(content.length / 2, () => fill(join(dir, 'ballast')))
    const args = getFrom(wire.url, dir, '--overwrite', '--json')
    const full = await program(scope, home, args).ended
    expect(full.code).toBe(DISK_FULL)
    expect(full.err).toMatch(/^p2p-rx: .*(room|full|space).*\n$/m)
    expect(await readFile(join(dir, NAME), 'utf8')).toBe(OLD)

    await unlink(join(dir, 'ballast'))
    const before = wire.bytes()
    const ended = await program(scope, home, args).ended
    expect(ended, ended.err).toMatchObject({ code: 0 })
    expect(await shaOf(join(dir, NAME))).toBe(sha(content))
    expect(wire.bytes() - before).toBeLessThanOrEqual(content.length - 0.95 * verifiedBytes(full) + TALK_BYTES)
    expect(await readdir(dir)).toEqual([NAME])
  })

  test('that fills up midway is waited for with --wait', PATIENCE, async (scope) => {
    const dir = await disk(scope, 'size=80m')
    if (dir === undefined) return scope.skip(NO_DISK)
    const wire = await slowWire(scope)
    wire.when(content.length / 2, () => fill(join(dir, 'ballast')))
    const getting = program(scope, await folder(scope), getFrom(wire.url, dir, '--wait'))
    await Promise.race([getting.said(/room|full|space/), getting.ended])
    await unlink(join(dir, 'ballast'))
    const ended = await getting.ended
    expect(ended, ended.err).toMatchObject({ code: 0 })
    expect(await shaOf(join(dir, NAME))).toBe(sha(content))
  })

  test('that is read-only is said, and nothing is fetched', PATIENCE, async (scope) => {
    const isRoot = process.getuid?.() === 0
    const dir = isRoot ? await disk(scope, 'ro,size=64m') : await folder(scope)
    if (dir === undefined) return scope.skip(NO_DISK)
    if (!isRoot) await chmod(dir, 0o555)
    const wire = await slowWire(scope)
    const ended = await program(scope, await folder(scope), getFrom(wire.url, dir)).ended
    expect(ended.code).toBe(DISK_FULL)
    expect(ended.err).toMatch(/^p2p-rx: .+\n$/m)
    expect(await readdir(dir)).toEqual([])
    expect(wire.bytes()).toBeLessThan(8 * MIB)
  })
})

test('a folder that is removed midway ends in a word, or in the whole file', PATIENCE, async (scope) => {
  const home = await folder(scope)
  const target = join(home, 'here')
  await mkdir(target)
  const wire = await slowWire(scope)
  let removed: Promise<void> | undefined
  wire.when(content.length / 2, () => {
    removed = rm(target, { recursive: true, force: true, maxRetries: 5 })
  })
  const ended = await program(scope, home, getFrom(wire.url, target)).ended
  expect(removed, `too little was sent: ${ended.err}`).toBeDefined()
  await removed
  if (ended.code === 0) expect(await shaOf(join(target, NAME))).toBe(sha(content))
  else {
    expect([3, 7, 9]).toContain(ended.code)
    expect(ended.err).toMatch(/^p2p-rx: .+\n$/m)
    expect(ended.err).not.toContain('bug')
  }
})

describe('a name that is taken', () => {
  /** Gets into a folder that has the name. */
  async function getOver(scope: Scope, ...flags: string[]) {
    const target = await folder(scope, { [NAME]: OLD })
    const wire = await wireWith(scope)
    const ended = await program(scope, await folder(scope), getFrom(wire.url, target, ...flags)).ended
    const contents = await Promise.all(
      (await readdir(target)).map(async (name) => [name, await shaOf(join(target, name))])
    )
    return { ended, files: Object.fromEntries(contents) as Record<string, string>, bytes: wire.bytes() }
  }
  const [oldSha, newSha] = [sha(Buffer.from(OLD)), sha(content)]

  test('is refused without a word to the contrary', async (scope) => {
    const { ended, files, bytes } = await getOver(scope)
    expect(ended.code).toBe(13)
    expect(files).toEqual({ [NAME]: oldSha })
    expect(bytes).toBeLessThan(TALK_BYTES)
  })

  test('is replaced with --overwrite', async (scope) => {
    const { ended, files } = await getOver(scope, '--overwrite')
    expect(ended.code).toBe(0)
    expect(files).toEqual({ [NAME]: newSha })
  })

  test('stays beside the new file with --rename', async (scope) => {
    const { ended, files } = await getOver(scope, '--rename')
    expect(ended, ended.err).toMatchObject({ code: 0 })
    expect(files[NAME]).toBe(oldSha)
    expect(Object.values(files).sort()).toEqual([oldSha, newSha].sort())
  })

  test('is left as it is with --skip', async (scope) => {
    const { ended, files, bytes } = await getOver(scope, '--skip')
    expect(ended, ended.err).toMatchObject({ code: 0 })
    expect(files).toEqual({ [NAME]: oldSha })
    expect(bytes).toBeLessThan(TALK_BYTES)
  })
})
