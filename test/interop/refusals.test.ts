import { readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { lastValueFrom } from 'rxjs'
import { afterEach, expect, test } from 'vitest'
import { Field, found, implementations, SECRET } from './harness.js'
import { startPeer } from './our-peer.js'
import { describeWithPythons } from './pythons.js'
import { asBookNode, canned, reply } from './raw.js'

const OUTSIDE = [
  '../evil',
  '..',
  '../',
  '/etc/passwd',
  'a/../../evil',
  './../evil',
  '..\\evil',
  '../share-too/evil',
  ''
]

describeWithPythons('a name that leads out of the folder', (python) => {
  const field = new Field()
  afterEach(field.clear)
  const layout = { evil: 'not for you', 'share-too/evil': 'not for you', 'share/inside': 'for you' }

  for (const implementation of implementations) {
    test(`is refused to a direct caller and asked of nobody (${implementation})`, async () => {
      const client = field.client(python)
      const neighbour = await field.node(python, implementation, { evil: 'of the neighbour' })
      const dir = await field.folder(layout)
      const us = await startPeer(field, { dir: join(dir, 'share') })
      await lastValueFrom(us.peer.hello(neighbour.url))
      for (const name of OUTSIDE)
        expect(await client.call(us.as(implementation), 'query', name), name).toMatchObject(
          implementation === '27-1' ? { value: [2, ''] } : { fault: 200 }
        )
      expect((await neighbour.report()).asked).toEqual([])
    })

    test(`is a miss to a relay, which keeps us, and is asked of nobody (${implementation})`, async () => {
      const client = field.client(python)
      const neighbour = await field.node(python, implementation)
      const dir = await field.folder(layout)
      const us = await startPeer(field, { dir: join(dir, 'share') })
      await lastValueFrom(us.peer.hello(neighbour.url))
      const relay = await field.node(python, implementation)
      await client.call(relay.url, 'hello', us.as(implementation))
      for (const name of OUTSIDE) {
        // What exists, a relay of either implementation answers by itself.
        if (name !== '/etc/passwd') expect(found(await client.call(relay.url, 'query', name)), name).toBe('missed')
        expect(found(await client.call(us.as(implementation), 'query', name, [relay.url])), name).toBe('missed')
      }
      const { known, removed } = await relay.report()
      expect([[...known], removed]).toEqual([[us.as(implementation)], []])
      expect((await neighbour.report()).asked).toEqual([])
    })

    test(`is not fetched, not even with the secret (${implementation})`, async () => {
      const client = field.client(python)
      const dir = await field.folder({ 'share/inside': 'for you', 'holder/inside': 'x', new: 'of the holder' })
      // The share of this node is next to a file called `new`, and 27-1 gives that away.
      const holder = await field.node(python, implementation, {}, { dir: join(dir, 'holder') })
      const us = await startPeer(field, { dir: join(dir, 'share') })
      await lastValueFrom(us.peer.hello(holder.url))
      const before = await readdir(dir)
      for (const name of ['../new', '../newer', '/new', 'x/../../new'])
        expect(await client.call(us.as(implementation), 'fetch', name, SECRET), name).toMatchObject(
          implementation === '27-1' ? { value: 2 } : { fault: 200 }
        )
      expect(await readdir(dir)).toEqual(before)
      expect((await readdir(us.dir)).filter((name) => name.includes('new'))).toEqual([])
      expect((await holder.report()).asked).toEqual([])
    })

    test(`through a link in the folder is not served (${implementation})`, async () => {
      const client = field.client(python)
      const dir = await field.folder(layout)
      await symlink(join(dir, 'evil'), join(dir, 'share', 'link'))
      await symlink(join(dir, 'share-too'), join(dir, 'share', 'linked-folder'))
      const us = await startPeer(field, { dir: join(dir, 'share') })
      for (const name of ['link', 'linked-folder/evil'])
        expect(await client.call(us.as(implementation), 'query', name), name).toSatisfy(
          ({ fault, value }: { fault?: number; value?: unknown }) =>
            fault === 100 || fault === 200 || JSON.stringify(value) === '[2,""]'
        )
      expect(found(await client.call(us.as(implementation), 'query', 'inside')).toString()).toBe('for you')
    })
  }
})

describeWithPythons('fetch and hello', (python) => {
  const field = new Field()
  afterEach(field.clear)

  for (const implementation of implementations) {
    const simple = implementation === '27-1'

    test(`answer as ${implementation} does`, async () => {
      const client = field.client(python)
      const holder = await field.node(python, implementation, { wanted: 'content\r\n' })
      const us = await startPeer(field)
      const url = us.as(implementation)
      expect(await client.call(url, 'hello', holder.url)).toEqual({ value: simple ? 1 : 0 })
      expect(await client.call(url, 'fetch', 'wanted', 'wrong')).toMatchObject(simple ? { value: 2 } : { fault: 200 })
      expect(await client.call(url, 'fetch', 'wanted', '')).toMatchObject(simple ? { value: 2 } : { fault: 200 })
      expect(await readdir(us.dir)).not.toContain('wanted')
      expect(await client.call(url, 'fetch', 'wanted', SECRET)).toEqual({ value: simple ? 1 : 0 })
      expect(await readdir(us.dir)).toContain('wanted')
      expect(await client.call(url, 'fetch', 'nowhere', SECRET)).toMatchObject(simple ? { value: 2 } : { fault: 100 })
    })

    test(`ask the holder once when the same call comes again (${implementation})`, async () => {
      const client = field.client(python)
      const holder = await field.node(python, implementation, { wanted: 'content' })
      const us = await startPeer(field)
      await lastValueFrom(us.peer.hello(holder.url))
      const url = us.as(implementation)
      for (let i = 0; i < 2; i++) {
        expect(await client.call(url, 'fetch', 'wanted', SECRET)).toEqual({ value: simple ? 1 : 0 })
        expect(await client.call(url, 'hello', holder.url)).toEqual({ value: simple ? 1 : 0 })
        expect(found(await client.call(url, 'query', 'wanted')).toString()).toBe('content')
      }
      expect((await holder.report()).asked).toHaveLength(1)
      expect((await readdir(us.dir)).filter((name) => name.includes('wanted'))).toEqual(['wanted'])
    })

    test(`ask the holder once when the same call comes while the first still runs (${implementation})`, async () => {
      const callers = [field.client(python), field.client(python)]
      const hello = field.client(python)
      let release: () => void = () => {}
      const released = new Promise<void>((resolve) => {
        release = resolve
      })
      const holder = await canned(
        asBookNode(async () => {
          await released
          return reply('<value><string>content</string></value>')
        })
      )
      field.atEnd(holder.close)
      const us = await startPeer(field)
      await lastValueFrom(us.peer.hello(holder.url))
      const url = us.as(implementation)
      // So that all three are running, and the calls below leave at once.
      for (const caller of [...callers, hello]) await caller.call(url, 'hello', holder.url)
      const asked = holder.received('query')
      const fetches = callers.map((caller) => caller.call(url, 'fetch', 'wanted', SECRET))
      await asked
      // Both have been sent by now; once a later call has its answer, we have read both.
      await hello.call(url, 'hello', holder.url)
      release()
      expect(await Promise.all(fetches)).toEqual(Array(2).fill({ value: simple ? 1 : 0 }))
      expect(await readFile(join(us.dir, 'wanted'), 'utf8')).toBe('content')
      expect(holder.requests.filter(({ text }) => text.includes('wanted'))).toHaveLength(1)
    })
  }

  test('refuse every secret when we were given none', async () => {
    const client = field.client(python)
    const us = await startPeer(field, { fetchSecret: undefined, files: { here: 'x' } })
    await writeFile(join(us.dir, 'new'), 'x')
    for (const secret of ['', 'undefined', SECRET])
      expect(await client.call(us.url, 'fetch', 'here', secret), secret).toMatchObject({ fault: 200 })
  })
})
