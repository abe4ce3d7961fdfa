/** That the foreign peers do what was measured of the original programs: on that rests what the other files here say. */
import { once } from 'node:events'
import { access, readFile, stat, symlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { Field, found, implementations, SECRET } from './harness.js'
import { describeWithPythons } from './pythons.js'
import { call, canned, faultReply, HANG_UP, head, reply } from './raw.js'

describeWithPythons('a foreign peer', (python) => {
  const field = new Field()
  afterEach(field.clear)
  const text = Buffer.from('plain text\n')

  for (const implementation of implementations) {
    test(`a chain of eight finds a file at nodes 1 to 6 only (${implementation})`, async () => {
      const client = field.client(python)
      const nodes = await Promise.all(
        Array.from({ length: 8 }, (_, i) => field.node(python, implementation, { [`at-${i + 1}`]: text }))
      )
      for (const [i, node] of nodes.entries()) {
        const next = nodes[i + 1]
        if (next) await client.call(node.url, 'hello', next.url)
      }
      const first = nodes[0]?.url ?? ''
      for (let k = 1; k <= 8; k++)
        expect(found(await client.call(first, 'query', `at-${k}`)), `at-${k}`).toEqual(k <= 6 ? text : 'missed')
    })

    test(`says of hello, a wrong secret and other paths what the original says (${implementation})`, async () => {
      const client = field.client(python)
      const node = await field.node(python, implementation, { here: text })
      expect(await client.call(node.url, 'hello', 'http://127.0.0.1:9')).toEqual({
        value: implementation === '27-1' ? 1 : 0
      })
      expect(await client.call(node.url, 'fetch', 'here', 'wrong')).toMatchObject(
        implementation === '27-1' ? { value: 2 } : { fault: 200 }
      )
      expect(await client.call(`${node.url}/`, 'query', 'here')).toHaveProperty('value')
      expect(await client.call(`${node.url}/elsewhere`, 'query', 'here')).toEqual({ http: 404 })
      expect(await client.call(node.url, '_own', 'here')).toMatchObject({ fault: 1 })
      expect(await client.call(node.url, 'system.listMethods')).toMatchObject({ fault: 1 })
    })

    test(`drops a neighbour by the rule of its implementation (${implementation})`, async () => {
      const client = field.client(python)
      const replies: Record<string, string | typeof HANG_UP> = {
        fault100: faultReply(100),
        fault200: faultReply(200),
        fault1: faultReply(1),
        'HTTP 503': 'HTTP/1.0 503 Busy\r\nContent-Length: 0\r\n\r\n',
        'no reply': HANG_UP,
        'not XML': 'hello',
        'a pair': reply('<value><array><data><value><int>2</int></value><value></value></data></array></value>')
      }
      for (const [kind, answer] of Object.entries(replies)) {
        const node = await field.node(python, implementation)
        const neighbour = await canned(() => answer)
        field.atEnd(neighbour.close)
        await client.call(node.url, 'hello', neighbour.url)
        await client.call(node.url, 'query', 'missing')
        const kept = implementation === '27-1' ? ['a pair'] : ['a pair', 'fault100']
        expect((await node.report()).known.has(neighbour.url), kind).toBe(kept.includes(kind))
        // One hang-up is followed by a second try.
        expect(neighbour.requests.length, kind).toBe(kind === 'no reply' ? 2 : 1)
      }
    })

    test(`is blocked by one idle connection (${implementation})`, async () => {
      const node = await field.node(python, implementation)
      const { hostname, port } = new URL(node.url)
      const idle = connect(Number(port), hostname)
      field.atEnd(() => idle.destroy())
      await once(idle, 'connect')
      const whole = call('query', 'whole call on the second connection')
      const second = connect(Number(port), hostname)
      field.atEnd(() => second.destroy())
      await new Promise<void>((resolve) => second.write(head(`${node.url}/`, whole) + whole, () => resolve()))
      const late = call('query', 'late call on the first connection')
      idle.write(head(`${node.url}/`, late) + late)
      await once(second, 'data')
      expect((await node.report()).asked.map(({ name }) => name)).toEqual([
        'late call on the first connection',
        'whole call on the second connection'
      ])
    })

    test(`loses carriage returns on the way and stores what Python can (${implementation})`, async () => {
      const client = field.client(python)
      const stored = implementation === '27-1' ? { value: 1 } : { value: 0 }
      const holder = await field.node(python, implementation, {
        lines: 'a\r\nb\rc',
        utf8: 'grüße',
        binary: Buffer.from(Array.from({ length: 256 }, (_, i) => i))
      })
      const asker = await field.node(python, implementation)
      await client.call(asker.url, 'hello', holder.url)
      expect(await client.call(asker.url, 'fetch', 'lines', SECRET)).toEqual(stored)
      expect(await readFile(join(asker.dir, 'lines'), 'utf8')).toBe('a\nb\nc')
      if (python.major === 3) {
        expect(await client.call(asker.url, 'fetch', 'binary', SECRET)).toEqual(stored)
        expect(await readFile(join(asker.dir, 'binary'))).toEqual(await readFile(join(holder.dir, 'binary')))
        expect(await client.call(asker.url, 'fetch', 'utf8', SECRET)).toEqual(stored)
      } else {
        expect(await client.call(asker.url, 'fetch', 'utf8', SECRET)).toMatchObject({ fault: 1 })
        expect((await stat(join(asker.dir, 'utf8'))).size).toBe(0)
        expect(found(await client.call(asker.url, 'query', 'binary'))).toBe('missed')
        expect((await asker.report()).known.has(holder.url)).toBe(false)
      }
    })
  }

  test('27-1 serves any path, 27-2 broadcasts what is missing outside and follows links', async () => {
    const client = field.client(python)
    const dir = await field.folder({ secret: text, 'share/inside': text })
    await symlink(join(dir, 'secret'), join(dir, 'share', 'link'))
    const share = { dir: join(dir, 'share') }
    const simple = await field.node(python, '27-1', {}, share)
    expect(found(await client.call(simple.url, 'query', '../secret'))).toEqual(text)
    const node = await field.node(python, '27-2', {}, share)
    const neighbour = await field.node(python, '27-2')
    await client.call(node.url, 'hello', neighbour.url)
    expect(await client.call(node.url, 'query', '../secret')).toMatchObject({ fault: 200 })
    expect(await client.call(node.url, 'query', '../missing')).toMatchObject({ fault: 100 })
    expect((await neighbour.report()).asked).toEqual([{ name: '../missing', history: [node.url] }])
    expect(found(await client.call(node.url, 'query', 'link'))).toEqual(text)
  })

  test('27-2 writes outside of its folder when a peer answers', async () => {
    const client = field.client(python)
    const dir = await field.folder({ 'share/inside': text })
    const node = await field.node(python, '27-2', {}, { dir: join(dir, 'share') })
    const liar = await canned(() => reply('<value><string>evil</string></value>'))
    field.atEnd(liar.close)
    await client.call(node.url, 'hello', liar.url)
    expect(await client.call(node.url, 'fetch', '../evil', SECRET)).toEqual({ value: 0 })
    await access(join(dir, 'evil'))
  })
})
