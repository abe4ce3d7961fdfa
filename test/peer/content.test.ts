/** Content by its root: of our own, or passed on. */
import { of } from 'rxjs'
import { expect, onTestFinished, test } from 'vitest'
import { createContent } from '../../src/content.js'
import { P2pError } from '../../src/errors.js'
import { createMemoryNetwork } from '../../src/index.js'
import { createCache } from '../../src/store/cache.js'
import type { FolderLibrary } from '../../src/store/library.js'
import { NOTHING_SHARED } from '../../src/store/nothing-shared.js'
import type { Source } from '../../src/streams/ports.js'
import { folder } from './network.js'

const ROOT = 'a'.repeat(64)
const REQUEST = { root: ROOT, layer: 0, index: 0, length: 1, proofLayers: 0 }
const HASHES = Uint8Array.of(1)

async function contentOf(shared: Partial<FolderLibrary>) {
  const looked: string[] = []
  const library: FolderLibrary = { ...NOTHING_SHARED, ...shared }
  const counted: FolderLibrary = {
    ...library,
    findRoot: (root) => (looked.push('findRoot'), library.findRoot(root)),
    openRoot: (root) => (looked.push('openRoot'), library.openRoot(root)),
    hashes: (request) => (looked.push('hashes'), library.hashes(request))
  }
  const cache = createCache({ dir: await folder({}) })
  onTestFinished(() => cache.close())
  const transport = {
    ...createMemoryNetwork().join('http://we:1'),
    hashes: () => of({ type: 'hashes', bytes: HASHES } as const)
  }
  const content = createContent({ library: counted, cache, transport, ownUrl: () => 'http://we:1' })
  return { ...content, looked }
}

const source: Source = {
  size: 1,
  root: ROOT,
  etag: ROOT,
  read: async function* () {
    await Promise.resolve()
    yield Uint8Array.of(1)
  },
  close: () => Promise.resolve()
}
const mine: Partial<FolderLibrary> = {
  findRoot: () => Promise.resolve({ name: 'x', size: 1, modifiedMs: 0, root: ROOT }),
  openRoot: () => Promise.resolve(source),
  hashes: () => Promise.resolve(Uint8Array.of(2))
}
const offer = { name: 'x', size: 1, root: ROOT, holders: ['http://they:1'] }

test('what is shared is looked up once', async () => {
  const { served, looked } = await contentOf(mine)
  expect(await served.openRoot(ROOT)).toBe(source)
  expect(await served.hashes(REQUEST)).toEqual(Uint8Array.of(2))
  expect(looked).toEqual(['openRoot', 'hashes'])
})

test('what is not shared is passed on, when its offer was', async () => {
  const { served, passOn, looked } = await contentOf({})
  await expect(served.openRoot(ROOT)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(served.hashes(REQUEST)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  passOn.note(offer)
  expect(await served.openRoot(ROOT)).toMatchObject({ size: 1, root: ROOT })
  expect(await served.hashes(REQUEST)).toEqual(HASHES)
  expect(looked).toEqual(['openRoot', 'hashes', 'openRoot', 'hashes'])
})

test('a request for hashes that makes no sense for a file of ours is not passed on', async () => {
  const { served, passOn } = await contentOf({
    ...mine,
    hashes: () => Promise.reject(new P2pError('BAD_CALL', 'There is no such layer'))
  })
  passOn.note(offer)
  await expect(served.hashes(REQUEST)).rejects.toMatchObject({ code: 'BAD_CALL' })
})

test('what somebody else passes on is answered with what we have ourselves', async () => {
  const { served, passOn } = await contentOf({})
  passOn.note({ name: 'x', size: 1, root: ROOT, holders: ['http://holder:1'] })
  expect((await served.openRoot(ROOT)).root).toBe(ROOT)
  expect(await served.hashes(REQUEST)).toEqual(HASHES)
  await expect(served.openRoot(ROOT, true)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(served.hashes({ ...REQUEST, passed: true })).rejects.toMatchObject({ code: 'NOT_FOUND' })
})
