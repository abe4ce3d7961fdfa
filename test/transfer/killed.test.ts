/** Receivers and senders that are killed in the middle: what was verified is not sent again, and nothing half is ever in place. */
import { statSync } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bytesOf } from '../store/disk.js'
import {
  bytesBeside,
  folder,
  freePort,
  type HolderProcess,
  holderProcess,
  MIB,
  program,
  rootOnceHashed,
  type Scope,
  sha,
  shaOf,
  sharedScope,
  verifiedBytes,
  wireTo
} from './field.js'
import { guide, layersOf, rootOf } from './holders.js'

const NAME = 'film.bin'
const content = bytesOf(64 * MIB)
const wanted = sha(content)
/** For the many cases in which somebody else lives on. */
const SHORT = 'short.bin'
const short = content.subarray(0, 16 * MIB)
/** Time enough for some reports of progress. */
const PACE = { bytesPerSecond: 64e6 }
/** What is sent beside the bytes of the file: heads and hashes. */
const TALK_BYTES = 64 * 1024
const TENTHS = Array.from({ length: 10 }, (_, tenth) => [`${tenth * 10} %`, tenth / 10] as const)
const PATIENCE = { timeout: 60_000 }

const shared = sharedScope()
let share: string
let holder: HolderProcess
beforeAll(async () => {
  share = await folder(shared, { [NAME]: content, [SHORT]: short })
  holder = await holderProcess(shared, { dir: share, name: NAME, port: await freePort() })
  await rootOnceHashed(`http://127.0.0.1:${holder.port}`, SHORT)
})
afterAll(shared.end)

/** The byte at which somebody is killed; the first one is the earliest there is. */
const pointOf = ({ length }: Buffer, part: number) => Math.max(1, Math.floor(length * part))
const offerOf = (name: string, bytes: Buffer) => ({ name, size: bytes.length, root: rootOf(layersOf(bytes)) })

/** Looks at the final name all the time; `end` gives every size it had. */
function watchSizes(scope: Scope, path: string) {
  const sizes = new Set<number>()
  const look = () => {
    const stat = statSync(path, { throwIfNoEntry: false })
    if (stat !== undefined) sizes.add(stat.size)
  }
  const timer = setInterval(look, 2)
  scope.onTestFinished(() => clearInterval(timer))
  return () => {
    look()
    return [...sizes]
  }
}

describe.concurrent('a receiver that is killed', () => {
  test.for(TENTHS)('at %s goes on where it was', PATIENCE, async ([, part], scope) => {
    const home = await folder(scope)
    const target = join(home, 'here')
    await mkdir(target)
    const sizes = watchSizes(scope, join(target, NAME))
    const wire = await wireTo(scope, () => holder.port, PACE)
    const peer = await guide(scope, { ...offerOf(NAME, content), holders: [wire.url] })
    const args = ['get', NAME, '--peer', peer, '-o', target, '--json']

    const first = program(scope, home, args)
    wire.when(pointOf(content, part), () => first.child.kill('SIGKILL'))
    const killed = await first.ended
    expect(killed.signal).toBe('SIGKILL')
    expect(await readdir(target)).not.toContain(NAME)
    const verified = verifiedBytes(killed)
    const before = wire.bytes()

    const second = await program(scope, home, args).ended
    expect(second, second.err).toMatchObject({ code: 0 })
    expect(await shaOf(join(target, NAME))).toBe(wanted)
    expect(sizes()).toEqual([content.length])
    expect(wire.bytes() - before).toBeLessThanOrEqual(content.length - 0.95 * verified + TALK_BYTES)
    expect(await bytesBeside(target, NAME)).toBeLessThan(TALK_BYTES)
  })
})

describe.concurrent('a sender that is killed', () => {
  test.for(TENTHS)('at %s and comes back is waited for', PATIENCE, async ([, part], scope) => {
    const home = await folder(scope)
    const port = await freePort()
    const wire = await wireTo(scope, () => port, PACE)
    const start = () => holderProcess(scope, { dir: share, name: SHORT, port, url: wire.url })
    const first = await start()
    const before = wire.bytes()
    wire.when(before + pointOf(short, part), () => first.child.kill('SIGKILL'))

    const getting = program(scope, home, ['get', SHORT, '--peer', wire.url, '-o', home, '--wait', '--json'])
    // A build that will not wait ends first.
    await Promise.race([first.ended, getting.ended])
    await start()
    const ended = await getting.ended
    expect(ended, ended.err).toMatchObject({ code: 0 })
    expect(await shaOf(join(home, SHORT))).toBe(sha(short))
    // Pieces that were on their way are sent again, and no others.
    expect(wire.bytes() - before).toBeLessThanOrEqual(1.25 * short.length)
  })

  test.for(TENTHS)('at %s is made up for by another', PATIENCE, async ([, part], scope) => {
    const home = await folder(scope)
    const port = await freePort()
    const mortal = await wireTo(scope, () => port, PACE)
    const lasting = await wireTo(scope, () => holder.port, PACE)
    const first = await holderProcess(scope, { dir: share, name: SHORT, port, url: mortal.url })
    // Of all bytes, not of the one's: who is killed may have sent less.
    mortal.when(Math.ceil(pointOf(short, part) / 2), () => first.child.kill('SIGKILL'))

    const peer = await guide(scope, { ...offerOf(SHORT, short), holders: [mortal.url, lasting.url] })
    const ended = await program(scope, home, ['get', SHORT, '--peer', peer, '-o', home, '--json']).ended
    expect(ended, ended.err).toMatchObject({ code: 0 })
    expect(await shaOf(join(home, SHORT))).toBe(sha(short))
    expect(mortal.bytes() + lasting.bytes()).toBeLessThanOrEqual(1.25 * short.length)
  })
})
