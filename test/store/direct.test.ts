import { randomBytes } from 'node:crypto'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createDirectWriter, createJudge, openDirect } from '../../src/store/direct.js'
import { createSlotPool, type Slot } from '../../src/store/piece-memory.js'

const MIB = 1024 * 1024
const LARGE = 64 * MIB

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'p2prx-direct-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe.runIf(process.platform === 'linux')('writing past the page cache', () => {
  it('writes pieces in any order, or says that it did not', async () => {
    const path = join(folder, 'file')
    const handle = await open(path, 'w+')
    const direct = await openDirect(handle, LARGE)
    const write = createDirectWriter(() => 0)
    const { tryTake } = createSlotPool().share()
    const pieces = [2, 0, 1].map((place) => ({
      place,
      bytes: Buffer.from((tryTake() as Slot).bytes.buffer, place * MIB, MIB)
    }))
    for (const { bytes } of pieces) bytes.set(randomBytes(MIB))

    const written = await Promise.all(
      pieces.map(async ({ place, bytes }) => direct !== undefined && (await write(direct.fd, bytes, place * MIB)))
    )

    // A file system in memory has no cache to write past.
    if (direct !== undefined) expect(written).toEqual([true, true, true])
    const content = await readFile(path)
    for (const { place, bytes } of direct === undefined ? [] : pieces)
      expect(content.subarray(place * MIB, (place + 1) * MIB).equals(bytes)).toBe(true)
    await direct?.close()
    await handle.close()
  })

  it('leaves the end of a file, which fills no sector, to the ordinary way', async () => {
    const handle = await open(join(folder, 'file'), 'w+')
    expect(await createDirectWriter(() => 0)(handle.fd, Buffer.alloc(5000), 0)).toBe(false)
    await handle.close()
  })

  it('says no instead of failing when the disk refuses', async () => {
    const handle = await open('/dev/full', 'w')
    expect(await createDirectWriter(() => 0)(handle.fd, Buffer.alloc(4096), 0)).toBe(false)
    await handle.close()
  })

  it('is not opened for a small file', async () => {
    const handle = await open(join(folder, 'file'), 'w+')
    expect(await openDirect(handle, LARGE - 1)).toBeUndefined()
    await handle.close()
  })

  it('stops when the disk is slower than 20 ms for a piece, on average of 16', async () => {
    const handle = await open(join(folder, 'file'), 'w+')
    let nowMs = 0
    const write = createDirectWriter(() => (nowMs += 25))
    const done: boolean[] = []
    for (let piece = 0; piece < 18; piece++) done.push(await write(handle.fd, Buffer.alloc(4096), piece * 4096))
    expect(done).toEqual([...Array<boolean>(16).fill(true), false, false])
    await handle.close()
  })
})

describe('whether a disk is slow', () => {
  it.each([
    ['15 slow ones are too few to tell', Array<number>(15).fill(100), false],
    ['16 slow ones', Array<number>(16).fill(21), true],
    ['16 at the limit', Array<number>(16).fill(20), false],
    ['one long wait among quick ones', [...Array<number>(15).fill(1), 200], false],
    ['quick ones at first', [...Array<number>(40).fill(1), ...Array<number>(16).fill(30)], true]
  ])('%s', (_, tookMs, slow) => {
    const judge = createJudge()
    expect(tookMs.map(judge).at(-1)).toBe(slow)
  })
})
