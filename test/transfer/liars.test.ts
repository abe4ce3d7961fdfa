/** Holders that lie, break or stall: among honest ones they cost no more than their own bytes, and alone they end in a word. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { lastValueFrom } from 'rxjs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createPeer, type PeerEvent } from '../../src/index.js'
import { bytesOf } from '../store/disk.js'
import { folder, MIB, rootOnceHashed, type Scope, sha, shaOf, sharedScope, wireTo } from './field.js'
import { layersOf, madeHolder } from './holders.js'
import { LIES } from './lies.js'

const NAME = 'film.bin'
const content = bytesOf(24 * MIB + 12_345)
const layers = layersOf(content)
/** Slow enough that every holder has its turn, the liar's included. */
const PACE = { bytesPerSecond: 40e6 }
/** Who stalls is waited for. */
const PATIENCE = { timeout: 60_000 }

const CLEAN_FAILURES = ['INTEGRITY', 'NETWORK', 'UNFINISHED', 'NOT_FOUND', 'TIMEOUT']

const shared = sharedScope()
const honestPorts: number[] = []
beforeAll(async () => {
  for (let number = 0; number < 2; number++) {
    const peer = createPeer({ port: 0, dir: await folder(shared, { [NAME]: content }) })
    shared.onTestFinished(() => peer.destroy())
    const url = await peer.ready()
    await rootOnceHashed(url, NAME)
    honestPorts.push(Number(new URL(url).port))
  }
})
afterAll(shared.end)

/** Somebody who knows a liar, and through its offer the others. */
async function receiver(scope: Scope, url: string) {
  const dir = await folder(scope)
  const peer = createPeer({ dir, visitor: true, peers: [url] })
  scope.onTestFinished(() => peer.destroy())
  const events: PeerEvent[] = []
  peer.event$.subscribe((event) => events.push(event))
  await peer.ready()
  const rejected = () => events.flatMap((event) => (event.type === 'piece-rejected' ? [event.holder] : []))
  return { dir, peer, rejected }
}

const CASES = LIES.map((lie) => [lie.title, lie] as const)

describe.concurrent('alone, one that', () => {
  test.for(CASES)('%s ends in a word, or in the true file', PATIENCE, async ([, lie], scope) => {
    const liar = await madeHolder(scope, { name: NAME, content, layers, lie })
    const { peer, dir, rejected } = await receiver(scope, liar.url)
    const ended = await lastValueFrom(peer.fetch(NAME)).then(
      () => 'fetched',
      (error: unknown) => (error as { code?: string }).code
    )
    const there = (await readdir(dir)).includes(NAME) ? await shaOf(join(dir, NAME)) : undefined
    expect(there).toBe(ended === 'fetched' ? sha(content) : undefined)
    expect(['fetched', ...CLEAN_FAILURES]).toContain(ended)
    if (lie.isCaught) expect(rejected()).toContain(liar.url)
  })
})

describe.concurrent('among two honest holders, one that', () => {
  test.for(CASES)('%s does no harm', PATIENCE, async ([, lie], scope) => {
    const honest = await Promise.all(honestPorts.map((port) => wireTo(scope, () => port, PACE)))
    const others = honest.map(({ url }) => url)
    const liar = await madeHolder(scope, { name: NAME, content, layers, lie, others })
    const { peer, dir, rejected } = await receiver(scope, liar.url)
    await lastValueFrom(peer.fetch(NAME))
    expect(await shaOf(join(dir, NAME))).toBe(sha(content))
    expect(rejected().filter((holder) => holder !== liar.url)).toEqual([])
    if (lie.isCaught) expect(rejected()).toContain(liar.url)
    expect(liar.asked.length).toBeGreaterThan(0)
    const fromHonest = honest.reduce((sum, wire) => sum + wire.bytes(), 0)
    // A piece that a holder was slow with may be raced, and both racers are honest ones: two pieces more at the most.
    expect(fromHonest).toBeLessThanOrEqual(content.length * 1.05 + 2 * 1024 * 1024)
    expect(liar.asked.filter((path) => path.includes('elsewhere'))).toEqual([])
  })
})
