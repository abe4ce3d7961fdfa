/** A folder of small files whose receiver is killed in the middle: what it said is done is done, and nothing is half there. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bytesOf } from '../store/disk.js'
import {
  completedNames,
  folder,
  freePort,
  holderProcess,
  program,
  rootOnceHashed,
  sharedScope,
  wireTo
} from './field.js'

/** Of one block and of several, an empty one among them, in folders of their own. */
const SIZES = [4096, 100, 40_000, 16_384, 0, 9000]
const FILES = new Map(
  Array.from({ length: 400 }, (_, number) => {
    const name = `dir/${number % 7}/${number}.txt`
    return [name, Buffer.concat([Buffer.from(`${number} `), bytesOf(SIZES[number % SIZES.length] ?? 0)])] as const
  })
)
const TOTAL_BYTES = [...FILES.values()].reduce((sum, { length }) => sum + length, 0)
/** Slow enough that there is a middle to be killed in. */
const PACE = { bytesPerSecond: 6e6 }
const PATIENCE = { timeout: 60_000 }

const shared = sharedScope()
let url: string
let wire: Awaited<ReturnType<typeof wireTo>>
beforeAll(async () => {
  const share = await folder(shared)
  for (const [name, content] of FILES) {
    await mkdir(join(share, name, '..'), { recursive: true })
    await writeFile(join(share, name), content)
  }
  const port = await freePort()
  wire = await wireTo(shared, () => port, PACE)
  url = wire.url
  const [first = ''] = FILES.keys()
  await holderProcess(shared, { dir: share, name: first, port, url })
  // What is here already is told from another file of its name by the root.
  for (const name of FILES.keys()) await rootOnceHashed(`http://127.0.0.1:${port}`, name)
})
afterAll(shared.end)

/** The files below a folder that have a name, as opposed to what gathers in the private one. */
async function namedIn(target: string): Promise<string[]> {
  const entries = await readdir(target, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(target.length + 1))
    .filter((name) => !name.startsWith('.'))
}

describe('a receiver of many small files that is killed', () => {
  test.for([0.1, 0.4, 0.7, 0.95])('after %f of the bytes has what it said it has', PATIENCE, async (part, scope) => {
    const home = await folder(scope)
    const target = join(home, 'here')
    await mkdir(target)
    const args = ['get', 'dir/**', '--peer', url, '-o', target, '--json']

    const first = program(scope, home, args)
    wire.when(wire.bytes() + TOTAL_BYTES * part, () => first.child.kill('SIGKILL'))
    const killed = await first.ended
    expect(killed.signal, killed.err).toBe('SIGKILL')
    const done = completedNames(killed)
    const there = await namedIn(target)
    expect(done.length).toBeGreaterThan(0)
    expect(done.length).toBeLessThan(FILES.size)
    expect(there).toEqual(expect.arrayContaining(done))
    for (const name of there)
      expect((await readFile(join(target, name))).equals(FILES.get(name) ?? Buffer.of())).toBe(true)

    const second = await program(scope, home, args).ended
    expect(second, second.err).toMatchObject({ code: 0 })
    // Nothing that is here is fetched again.
    expect(completedNames(second).sort()).toEqual([...FILES.keys()].filter((name) => !there.includes(name)).sort())
    expect((await namedIn(target)).sort()).toEqual([...FILES.keys()].sort())
    for (const [name, content] of FILES) expect((await readFile(join(target, name))).equals(content)).toBe(true)
  })
})
