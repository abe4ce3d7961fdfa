/** Peers that look for what fits, over a network in memory. */
import { asyncScheduler, firstValueFrom, lastValueFrom, of, Subject, take, toArray } from 'rxjs'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createMemoryNetwork, createPeer, type FindNews, type Hit, type MemoryNetwork } from '../../src/index.js'
import type { Finding, Inbound } from '../../src/streams/ports.js'
import { createSearch } from '../../src/streams/search.js'
import { inboundWith } from '../compliance/inbound.js'
import { fileOf, matching, rootOf } from '../streams/matching.js'
import { folder } from './network.js'

const urlOf = (name: string) => `http://${name}:1`

async function peerAt(network: MemoryNetwork, name: string, peers: string[], files: Record<string, string> = {}) {
  const dir = await folder(files)
  const peer = createPeer({ dir, url: urlOf(name), transport: network.join(urlOf(name)), peers: peers.map(urlOf) })
  onTestFinished(() => peer.destroy())
  await peer.ready()
  await firstValueFrom(peer.shared$)
  return peer
}

function listen(network: MemoryNetwork, name: string, searched: Inbound['searched']) {
  const listening = network
    .join(urlOf(name))
    .listen(inboundWith(searched === undefined ? {} : { searched }))
    .subscribe()
  onTestFinished(() => listening.unsubscribe())
  return listening
}

/** Somebody who shares these names, and knows nobody. */
function sharer(network: MemoryNetwork, name: string, names: readonly string[]) {
  const stop$ = new Subject<void>()
  onTestFinished(() => stop$.next())
  const share = matching(names.map((each) => fileOf(each)))
  const search = createSearch({
    match: share.match,
    neighbours: () => [],
    report: () => undefined,
    newId: () => name,
    scheduler: asyncScheduler,
    stop$
  })
  const listening = listen(network, name, search.searched)
  return { ...share, leave: () => listening.unsubscribe() }
}

const hit = (name: string, holder: string, given: Partial<Hit> = {}): Hit => ({
  name,
  size: 1,
  root: rootOf(name),
  holders: [urlOf(holder)],
  hops: 0,
  ...given
})
const saying = (...hits: Hit[]): Inbound['searched'] => {
  const found: Finding = { type: 'found', hits, next: () => undefined }
  return () => of<Finding[]>(found, { type: 'ended', how: 'all' })
}

describe('a peer', () => {
  test('finds what neighbours have, and theirs, through a peer that relays', async () => {
    const network = createMemoryNetwork()
    sharer(network, 'near', ['report.pdf', 'other'])
    sharer(network, 'far', ['my report.txt', 'report.pdf'])
    await peerAt(network, 'relay', ['far', 'near'])
    const asker = await peerAt(network, 'asker', ['relay'])
    const files = await lastValueFrom(asker.find('report').pipe(toArray()))
    const known = new Map(files.map((file) => [file.key, file]))
    expect([...known.values()].map(({ name, hops, relays }) => [name, hops, relays]).sort()).toEqual([
      ['my report.txt', 2, [urlOf('relay')]],
      ['report.pdf', 2, [urlOf('relay')]]
    ])
    expect([...(known.get(rootOf('report.pdf'))?.holders ?? [])].sort()).toEqual([urlOf('far'), urlOf('near')])
  })

  test('emits a file once more when another holder becomes known, with all of them and the nearest', async () => {
    const network = createMemoryNetwork()
    const far = hit('a', 'x', { hops: 3, relays: [urlOf('r')] })
    listen(network, 'one', saying(far, hit('a', 'y', { hops: 1 }), hit('b', 'x')))
    const asker = await peerAt(network, 'asker', ['one'])
    const files = await lastValueFrom(asker.find('a').pipe(toArray()))
    expect(files).toEqual([
      { key: rootOf('a'), ...far, hops: 4 },
      { key: rootOf('a'), ...far, hops: 2, holders: [urlOf('x'), urlOf('y')] },
      { key: rootOf('b'), ...hit('b', 'x', { hops: 1 }) }
    ])
  })

  test('completes empty where there is nothing, also with nobody to ask', async () => {
    const network = createMemoryNetwork()
    const alone = await peerAt(network, 'alone', [])
    expect(await lastValueFrom(alone.find('x').pipe(toArray()))).toEqual([])
    listen(network, 'one', undefined)
    const asker = await peerAt(network, 'asker', ['one'])
    expect(await lastValueFrom(asker.find('x').pipe(toArray()))).toEqual([])
  })

  test.each([
    ['some words', { kind: 'words', text: 'some words' }],
    ['*.pdf', { kind: 'glob', text: '*.pdf' }],
    ['report?', { kind: 'glob', text: 'report?' }],
    ['[ab]', { kind: 'glob', text: '[ab]' }],
    ['a.{b,c}', { kind: 'glob', text: 'a.{b,c}' }]
  ] as const)('takes %j for %j', async (text, pattern) => {
    const network = createMemoryNetwork()
    const heard: unknown[] = []
    listen(network, 'one', (search) => {
      heard.push(search.pattern)
      return of({ type: 'ended', how: 'all' })
    })
    const asker = await peerAt(network, 'asker', ['one'])
    await lastValueFrom(asker.find(text).pipe(toArray()))
    expect(heard).toEqual([pattern])
  })

  test('stops at the limit, however many there are, and takes everything back', async () => {
    const network = createMemoryNetwork()
    let batches = 0
    listen(network, 'flood', () => {
      const finding$ = new Subject<Finding>()
      const give = () => {
        const at = batches++ * 64
        const hits = Array.from({ length: 64 }, (_, more) => hit(`x ${at + more}`, 'flood'))
        finding$.next({ type: 'found', hits, next: give })
      }
      queueMicrotask(give)
      return finding$
    })
    const asker = await peerAt(network, 'asker', ['flood'])
    expect(await lastValueFrom(asker.find('x', { limit: 200 }).pipe(toArray()))).toHaveLength(200)
    expect(batches).toBe(4)
    expect((await lastValueFrom(asker.find('x').pipe(toArray()))).length).toBe(1_000)
  })

  test('says how a find went', async () => {
    const network = createMemoryNetwork()
    sharer(network, 'far', ['x'])
    listen(network, 'deaf', undefined)
    await peerAt(network, 'relay', ['far'])
    const asker = await peerAt(network, 'asker', ['relay', 'deaf', 'nobody'])
    const news = await lastValueFrom(asker.trace('x').pipe(toArray()))
    const told = (one: FindNews) => {
      if (one.type !== 'trace') return one.type
      const { from, to, outcome, depth, hits } = one.trace
      return `${depth} ${new URL(from).hostname} > ${new URL(to).hostname} ${outcome} ${hits}`
    }
    expect(
      news
        .map(told)
        .filter((line) => !line.includes('nobody'))
        .sort()
    ).toEqual(['0 asker > deaf declined 0', '0 asker > relay answered 1', '1 relay > far answered 1', 'ended', 'hit'])
    expect(news.at(-1)).toEqual({ type: 'ended', how: 'all' })
  })

  test('ends late when a neighbour is silent, and has told what the others have', async () => {
    const network = createMemoryNetwork()
    sharer(network, 'quick', ['x'])
    listen(network, 'silent', undefined)
    const asker = await peerAt(network, 'asker', ['quick', 'silent'])
    await firstValueFrom(asker.hello(urlOf('silent')))
    network.silence(urlOf('silent'))
    const news = await lastValueFrom(asker.trace('x', { timeoutMs: 100 }).pipe(toArray()))
    expect(news.find(({ type }) => type === 'hit')).toMatchObject({ hit: { name: 'x' } })
    expect(news.at(-1)).toEqual({ type: 'ended', how: 'late' })
  })

  test.each([
    ['', {}, 'BAD_PATTERN'],
    ['  ', {}, 'BAD_PATTERN'],
    ['x'.repeat(5_000), {}, 'BAD_PATTERN'],
    [{ kind: 'glob', text: '*', content: true }, {}, 'BAD_PATTERN'],
    ['x', { limit: 0 }, 'USAGE'],
    ['x', { limit: 1.5 }, 'USAGE'],
    ['x', { limit: 300_000 }, 'USAGE'],
    ['x', { timeoutMs: 0 }, 'USAGE']
  ] as const)('refuses to look for %j with %j', async (pattern, options, code) => {
    const asker = await peerAt(createMemoryNetwork(), 'asker', [])
    await expect(lastValueFrom(asker.find(pattern, options))).rejects.toMatchObject({ code })
  })

  test('refuses one find too many, and any when it is closed', async () => {
    const network = createMemoryNetwork()
    listen(network, 'one', () => new Subject<Finding>())
    const asker = await peerAt(network, 'asker', ['one'])
    const running = Array.from({ length: 16 }, () => asker.find('x').subscribe())
    await expect(lastValueFrom(asker.find('x'))).rejects.toMatchObject({ code: 'BUSY' })
    for (const find of running) find.unsubscribe()
    const interrupted = lastValueFrom(asker.find('x'))
    await Promise.all([asker.close(), expect(interrupted).rejects.toMatchObject({ code: 'CLOSED' })])
    await expect(lastValueFrom(asker.find('x'))).rejects.toMatchObject({ code: 'CLOSED' })
  })

  test('watches: what there is, what is added, and what those have who join later, each content once', async () => {
    const network = createMemoryNetwork()
    const one = sharer(network, 'one', ['x'])
    await peerAt(network, 'relay', ['one'])
    const asker = await peerAt(network, 'asker', ['relay'])
    const watched$ = asker.watch('x').pipe(take(3), toArray())
    const all = lastValueFrom(watched$)
    await firstValueFrom(asker.watch('x'))
    one.add(fileOf('new x'))
    await firstValueFrom(asker.find('new'))
    sharer(network, 'two', ['x', 'another x'])
    await firstValueFrom(asker.hello(urlOf('two')))
    expect((await all).map(({ name }) => name)).toEqual(['x', 'new x', 'another x'])
    await vi.waitFor(() => expect(network.openCalls()).toBe(0))
  })

  test('finds in real folders', async () => {
    const network = createMemoryNetwork()
    await peerAt(network, 'one', [], { 'Report 2024.pdf': '1', 'other.txt': '2' })
    await peerAt(network, 'two', ['one'], { 'report 2025.txt': '3' })
    const asker = await peerAt(network, 'three', ['two'], { 'My REPORT.md': '4' })
    const names = async (pattern: Parameters<typeof asker.find>[0]) => {
      const files = await lastValueFrom(asker.find(pattern).pipe(toArray()))
      return [...new Set(files.map(({ name }) => name))].sort()
    }
    expect(await names('report')).toEqual(['My REPORT.md', 'Report 2024.pdf', 'report 2025.txt'])
    expect(await names('*.txt')).toEqual(['other.txt', 'report 2025.txt'])
    expect(await names({ kind: 'regex', text: '20\\d+' })).toEqual(['Report 2024.pdf', 'report 2025.txt'])
    await expect(names({ kind: 'regex', text: '(' })).rejects.toMatchObject({ code: 'BAD_PATTERN' })
  })
})
