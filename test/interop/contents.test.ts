import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { lastValueFrom } from 'rxjs'
import { afterEach, expect, test } from 'vitest'
import { Field, found, implementations, SECRET } from './harness.js'
import { fetched, startPeer } from './our-peer.js'
import { describeWithPythons } from './pythons.js'

const contents = {
  ascii: Buffer.from('plain text\n\ttwo lines\n'),
  utf8: Buffer.from('grüße, Ελληνικά, 漢字, 😀\n'),
  crlf: Buffer.from('one\r\ntwo\r\n'),
  cr: Buffer.from('one\rtwo\r'),
  empty: Buffer.alloc(0),
  binary: Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
  markup: Buffer.from(']]> <a href="x">&lt;&amp;&#13;</a> <![CDATA[ ]]'),
  'markup-crlf': Buffer.from('<a>\r\n]]>&lt;\r</a>\r\n')
}
type Name = keyof typeof contents
const names = Object.keys(contents) as Name[]

/** What is left of text that a Python node has passed on (WIRE W15, W16): it writes a bare CR, which the next one reads as LF. */
const withoutCr = (bytes: Buffer) => Buffer.from(bytes.toString('latin1').replaceAll(/\r\n?/g, '\n'), 'latin1')
const hasCr: readonly Name[] = ['crlf', 'cr', 'markup-crlf']

describeWithPythons('contents', (python) => {
  const field = new Field()
  afterEach(field.clear)
  /** Python 2 stores nothing but ASCII strings. */
  const stores = (name: Name) => python.major === 3 || (name !== 'utf8' && name !== 'binary')

  for (const implementation of implementations) {
    const done = { value: implementation === '27-1' ? 1 : 0 }

    test(`are identical when a Python client asks us (${implementation})`, async () => {
      const client = field.client(python)
      const us = await startPeer(field, { files: contents })
      for (const name of names)
        expect(found(await client.call(us.as(implementation), 'query', name)), name).toEqual(contents[name])
    })

    test(`are identical when we fetch from a Python node (${implementation})`, async () => {
      const holder = await field.node(python, implementation, contents)
      const us = await startPeer(field)
      await lastValueFrom(us.peer.hello(holder.url))
      for (const name of names) expect(await fetched(us, name), name).toEqual(contents[name])
    })

    test(`are identical when we stand between a Python client and a Python holder (${implementation})`, async () => {
      const client = field.client(python)
      const holder = await field.node(python, implementation, contents)
      const us = await startPeer(field)
      await lastValueFrom(us.peer.hello(holder.url))
      for (const name of names)
        expect(found(await client.call(us.as(implementation), 'query', name)), name).toEqual(contents[name])
    })

    test(`lose only carriage returns when a Python node stands between us and a Python client (${implementation})`, async () => {
      const client = field.client(python)
      const us = await startPeer(field, { files: contents })
      const relay = await field.node(python, implementation)
      await client.call(relay.url, 'hello', us.as(implementation))
      for (const name of names) {
        const expected = hasCr.includes(name) ? withoutCr(contents[name]) : contents[name]
        expect(found(await client.call(relay.url, 'query', name)), name).toEqual(expected)
      }
      expect((await relay.report()).removed).toEqual([])
    })

    test(`are identical when a Python node stands between two of us (${implementation})`, async () => {
      const client = field.client(python)
      const holder = await startPeer(field, { files: contents })
      const relay = await field.node(python, implementation)
      await client.call(relay.url, 'hello', holder.as(implementation))
      const us = await startPeer(field)
      await lastValueFrom(us.peer.hello(relay.url))
      for (const name of names) expect(await fetched(us, name), name).toEqual(contents[name])
      expect((await relay.report()).removed).toEqual([])
    })

    test(`keep their carriage returns on a longer way (${implementation})`, async () => {
      const client = field.client(python)
      const us = await startPeer(field, { files: contents })
      const inner = await field.node(python, implementation)
      await client.call(inner.url, 'hello', us.as(implementation))
      const outer = await field.node(python, implementation)
      await client.call(outer.url, 'hello', inner.url)
      for (const name of names) expect(found(await client.call(outer.url, 'query', name)), name).toEqual(contents[name])
    })

    test(`are stored by a Python node as far as it can (${implementation})`, async () => {
      const client = field.client(python)
      const holder = await field.node(python, implementation, { 'from-python': 'from afar\r\n' })
      const us = await startPeer(field, { files: contents })
      await lastValueFrom(us.peer.hello(holder.url))
      const asker = await field.node(python, implementation)
      await client.call(asker.url, 'hello', us.as(implementation))
      for (const name of names) {
        const answer = await client.call(asker.url, 'fetch', name, SECRET)
        const stored = join(asker.dir, name)
        if (stores(name)) {
          expect(answer, name).toEqual(done)
          expect(await readFile(stored), name).toEqual(contents[name])
        } else {
          expect(answer, name).toMatchObject({ fault: 1 })
          expect((await stat(stored)).size, name).toBe(0)
        }
      }
      expect(await client.call(asker.url, 'fetch', 'from-python', SECRET)).toEqual(done)
      expect(await readFile(join(asker.dir, 'from-python'), 'utf8')).toBe('from afar\r\n')
      expect((await asker.report()).removed).toEqual([])
    })
  }
})
