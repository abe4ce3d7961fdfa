import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createCache, type FolderCache } from '../../src/store/cache.js'
import { provenHashes } from '../../src/store/merkle.js'
import { bytesOf, collect, newFolder, plainRoot } from './disk.js'

async function cacheOf(maxBytes?: number): Promise<FolderCache & { readonly share: string }> {
  const share = await newFolder()
  const cache = createCache({ dir: join(share, '.p2p-rx/cache'), ...(maxBytes === undefined ? {} : { maxBytes }) })
  onTestFinished(() => cache.close())
  return { ...cache, share }
}

/** A sender that tells how far it was read, and whether it was let go. */
function senderOf(content: Buffer, { failAt = Number.POSITIVE_INFINITY, wait = Promise.resolve() } = {}) {
  const sender = {
    sent: 0,
    left: false,
    [Symbol.asyncIterator]: () => ({
      async next(): Promise<IteratorResult<Uint8Array, undefined>> {
        await wait
        if (sender.sent >= failAt) throw new Error('the line is dead')
        if (sender.sent >= content.length) return { done: true, value: undefined }
        const value = content.subarray(sender.sent, sender.sent + 10_000)
        sender.sent += value.length
        return { done: false, value }
      },
      return(): Promise<IteratorResult<Uint8Array, undefined>> {
        sender.left = true
        return Promise.resolve({ done: true, value: undefined })
      }
    })
  }
  return sender
}

async function contentOf(cache: FolderCache, name: string): Promise<Buffer> {
  const source = await cache.open(name)
  try {
    return await collect(source.read())
  } finally {
    await source.close()
  }
}

test('what is kept is found and read, and has its root', async () => {
  const cache = await cacheOf()
  const content = bytesOf(3_000_000)
  const kept = await cache.keep('a/../b', senderOf(content))
  expect(kept).toMatchObject({ name: 'a/../b', size: content.length, root: plainRoot(content) })
  expect(cache.find('a/../b')).toEqual(kept)
  expect((await contentOf(cache, 'a/../b')).equals(content)).toBe(true)
  const source = await cache.open('a/../b')
  expect(source).toMatchObject({ etag: plainRoot(content), root: plainRoot(content), size: content.length })
  expect((await collect(source.read(5, 10))).equals(content.subarray(5, 10))).toBe(true)
  await source.close()
  await source.close()
  expect((await contentOf(cache, 'a/../b')).equals(content)).toBe(true)
})

test('what was never kept is not found', async () => {
  const cache = await cacheOf()
  expect(cache.find('x')).toBeUndefined()
  await expect(cache.open('x')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  expect(await readdir(cache.share)).toEqual([])
})

test('no file of it has a name on the disk, so that a crash leaves nothing', async () => {
  const cache = await cacheOf()
  await cache.keep('x', senderOf(bytesOf(100_000)))
  expect(await readdir(join(cache.share, '.p2p-rx/cache'))).toEqual([])
})

test('the least recently used goes first, and never the one that has just come', async () => {
  const cache = await cacheOf(250_000)
  for (const name of ['a', 'b']) await cache.keep(name, senderOf(bytesOf(100_000)))
  await (await cache.open('a')).close()
  await cache.keep('c', senderOf(bytesOf(100_000)))
  expect(['a', 'b', 'c'].filter((name) => cache.find(name) !== undefined)).toEqual(['a', 'c'])
  await cache.keep('large', senderOf(bytesOf(1_000_000)))
  expect(['a', 'c', 'large'].filter((name) => cache.find(name) !== undefined)).toEqual(['large'])
  await cache.keep('d', senderOf(bytesOf(1)))
  expect(['large', 'd'].filter((name) => cache.find(name) !== undefined)).toEqual(['d'])
})

test('a file that is being read can be read to its end after it has gone', async () => {
  const cache = await cacheOf(1_500_000)
  const content = bytesOf(1_400_000)
  await cache.keep('a', senderOf(content))
  const [one, two] = [await cache.open('a'), await cache.open('a')]
  await cache.keep('b', senderOf(bytesOf(1_400_000, 2)))
  expect(cache.find('a')).toBeUndefined()
  expect((await collect(one.read())).equals(content)).toBe(true)
  await one.close()
  await cache.close()
  expect((await collect(two.read())).equals(content)).toBe(true)
  await two.close()
})

test('of two senders of one name only the first is read', async () => {
  const cache = await cacheOf()
  const [first, second] = [senderOf(bytesOf(100_000)), senderOf(bytesOf(100_000, 2))]
  const kept = await Promise.all([cache.keep('x', first), cache.keep('x', second)])
  expect(kept[1]).toEqual(kept[0])
  expect(second).toMatchObject({ sent: 0, left: true })
})

test('when the first sender fails the second is read, and so on', async () => {
  const cache = await cacheOf()
  const content = bytesOf(100_000)
  const senders = [
    senderOf(content, { failAt: 50_000 }),
    senderOf(content, { failAt: 0 }),
    senderOf(content),
    senderOf(content)
  ]
  const kept = await Promise.allSettled(senders.map((sender) => cache.keep('x', sender)))
  expect(kept.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled', 'fulfilled'])
  expect(kept[0]).toMatchObject({ reason: { message: 'the line is dead' } })
  expect(senders[3]?.sent).toBe(0)
  expect((await contentOf(cache, 'x')).equals(content)).toBe(true)
})

test('what is not what was expected is not kept, and no more of it is read than needed', async () => {
  const cache = await cacheOf()
  const content = bytesOf(1_000_000)
  const size = content.length
  for (const expected of [{ size: 10 }, { size: size + 1 }, { size, root: 'ab'.repeat(32) }]) {
    const sender = senderOf(content)
    await expect(cache.keep('x', sender, expected)).rejects.toMatchObject({ code: 'INTEGRITY' })
    if (expected.size === 10) expect(sender).toMatchObject({ sent: 10_000, left: true })
  }
  expect(cache.find('x')).toBeUndefined()
  await cache.keep('x', senderOf(content), { size, root: plainRoot(content) })
  // The one that is there is not what the second one expects, who therefore reads his own.
  const other = bytesOf(10_000, 3)
  const [, second] = await Promise.all([
    cache.keep('x', senderOf(content)),
    cache.keep('x', senderOf(other), { size: other.length })
  ])
  expect(second).toMatchObject({ root: plainRoot(other) })
})

test('closing gives up what is arriving, and leaves nothing', async () => {
  const cache = await cacheOf()
  await cache.keep('done', senderOf(bytesOf(100_000)))
  let release: () => void = () => undefined
  const wait = new Promise<void>((resolve) => (release = resolve))
  const arriving = cache.keep('x', senderOf(bytesOf(100_000), { wait }))
  const refused = expect(arriving).rejects.toMatchObject({ code: 'CLOSED' })
  await cache.close()
  release()
  await refused
  await cache.close()
  expect(cache.find('done')).toBeUndefined()
  await expect(cache.keep('y', senderOf(bytesOf(1)))).rejects.toMatchObject({ code: 'CLOSED' })
  expect(await readdir(cache.share)).toEqual([])
})

test('more than 256 files are not held open', async () => {
  const cache = await cacheOf()
  for (let i = 0; i < 300; i++) await cache.keep(`f${i}`, senderOf(Buffer.from('x')))
  const held = Array.from({ length: 300 }, (_, i) => cache.find(`f${i}`)).filter((file) => file !== undefined)
  expect(held).toHaveLength(256)
  expect(held[0]?.name).toBe('f44')
})

test('what is kept is found, opened and answered for by its root, until it goes', async () => {
  const cache = await cacheOf()
  const content = bytesOf(3_000_000)
  const root = plainRoot(content)
  await cache.keep('x', senderOf(content))
  expect(cache.findRoot(root)).toMatchObject({ name: 'x', size: content.length, root })
  const source = await cache.openRoot(root)
  expect((await collect(source.read())).equals(content)).toBe(true)
  await source.close()
  const pieces = { root, layer: 6, index: 2, length: 1, proofLayers: 2 }
  expect(provenHashes(pieces, await cache.hashes(pieces), content.length)).toHaveLength(32)
  const blocks = { root, layer: 0, index: 128, length: 64, proofLayers: 2 }
  expect(provenHashes(blocks, await cache.hashes(blocks), content.length)).toHaveLength(64 * 32)
  await expect(cache.hashes({ ...pieces, index: 3 })).rejects.toMatchObject({ code: 'BAD_CALL' })
  await cache.keep('x', senderOf(bytesOf(10)), { size: 10 })
  expect(cache.findRoot(root)).toBeUndefined()
  await expect(cache.openRoot(root)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(cache.hashes(pieces)).rejects.toMatchObject({ code: 'NOT_FOUND' })
})
