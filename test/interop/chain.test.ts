import { lastValueFrom } from 'rxjs'
import { afterEach, expect, test } from 'vitest'
import { type BookNode, type Client, Field, found, type Implementation, implementations } from './harness.js'
import { errorCode, type OurPeer, startPeer } from './our-peer.js'
import { describeWithPythons, type Python } from './pythons.js'

const content = (place: number) => Buffer.from(`the file of place ${place}\n`)

interface Link {
  /** As its neighbours know it. */
  readonly url: string
  readonly node?: BookNode
  readonly ours?: OurPeer
}

/** `length` peers, each with a file of its own; we are at the places given, counted from 1. */
async function startLinks(
  field: Field,
  python: Python,
  implementation: Implementation,
  length: number,
  ours: number[]
) {
  return Promise.all(
    Array.from({ length }, async (_, index): Promise<Link> => {
      const files = { [`at-${index + 1}`]: content(index + 1) }
      if (!ours.includes(index + 1)) {
        const node = await field.node(python, implementation, files)
        return { url: node.url, node }
      }
      const peer = await startPeer(field, { files })
      return { url: peer.as(implementation), ours: peer }
    })
  )
}

async function introduce(client: Client, to: Link, url: string): Promise<void> {
  if (to.ours) await lastValueFrom(to.ours.peer.hello(url))
  else await client.call(to.url, 'hello', url)
}

async function expectNobodyDropped(links: readonly Link[]): Promise<void> {
  for (const [index, { node }] of links.entries())
    expect((await node?.report())?.removed ?? [], `dropped by place ${index + 1}`).toEqual([])
}

describeWithPythons('a chain of eight', (python) => {
  const field = new Field()
  afterEach(field.clear)

  for (const implementation of implementations)
    for (let place = 1; place <= 8; place++)
      test(`finds a file at places 1 to 6 only, with us at ${place} among ${implementation}`, async () => {
        const client = field.client(python)
        const links = await startLinks(field, python, implementation, 8, [place])
        for (const [index, link] of links.entries()) {
          const next = links[index + 1]
          if (next) await introduce(client, link, next.url)
        }
        const [first, us] = [links[0], links[place - 1]]
        if (!first || !us?.ours) throw new Error('a link is missing')
        for (let k = 1; k <= 8; k++)
          expect(found(await client.call(first.url, 'query', `at-${k}`)), `at-${k}`).toEqual(
            k <= 6 ? content(k) : 'missed'
          )
        await expectNobodyDropped(links)
        const strangers = Array.from({ length: 7 }, (_, i) => `http://127.0.0.1:${i + 1}`)
        expect(found(await client.call(us.url, 'query', `at-${place}`, strangers))).toEqual(content(place))
      })

  for (const implementation of implementations)
    test(`is asked by ourselves as far as by anybody else (${implementation})`, async () => {
      const client = field.client(python)
      const links = await startLinks(field, python, implementation, 8, [1])
      for (const [index, link] of links.entries()) {
        const next = links[index + 1]
        if (next) await introduce(client, link, next.url)
      }
      const us = links[0]?.ours
      if (!us) throw new Error('we are missing')
      expect(await errorCode(us.peer.query('at-6'))).toBe('none')
      expect(await errorCode(us.peer.query('at-7'))).toBe('NOT_FOUND')
      expect(await errorCode(us.peer.query('at-8'))).toBe('NOT_FOUND')
      await expectNobodyDropped(links)
    })
})

describeWithPythons('a ring', (python) => {
  const field = new Field()
  afterEach(field.clear)

  for (const implementation of implementations)
    for (const [length, ours] of [
      [4, [1]],
      [5, [2, 4]],
      [6, [3]]
    ] as const)
      test(`of ${length} with us at ${ours.join(' and ')} among ${implementation} ends, and finds what is there`, async () => {
        const client = field.client(python)
        const links = await startLinks(field, python, implementation, length, [...ours])
        for (const [index, link] of links.entries())
          await introduce(client, link, links[(index + 1) % length]?.url ?? '')
        for (const [index, link] of links.entries()) {
          expect(found(await client.call(link.url, 'query', 'nowhere')), `asked at ${index + 1}`).toBe('missed')
          // The one just behind in the ring is the farthest.
          const farthest = ((index + length - 1) % length) + 1
          expect(found(await client.call(link.url, 'query', `at-${farthest}`))).toEqual(content(farthest))
        }
        await expectNobodyDropped(links)
      })
})

describeWithPythons('a network of both implementations', (python) => {
  const field = new Field()
  afterEach(field.clear)

  test('is joined by us: each side finds what the other has', async () => {
    const client = field.client(python)
    const us = await startPeer(field)
    const nodes = await Promise.all(
      implementations.map((implementation) =>
        field.node(python, implementation, { [`of-${implementation}`]: content(1) })
      )
    )
    for (const node of nodes) await lastValueFrom(us.peer.hello(node.url))
    for (const node of nodes)
      for (const name of ['of-27-1', 'of-27-2'])
        expect(found(await client.call(node.url, 'query', name)), `${name} asked of ${node.implementation}`).toEqual(
          content(1)
        )
    for (const node of nodes) {
      expect(found(await client.call(node.url, 'query', 'nowhere'))).toBe('missed')
      expect((await node.report()).removed).toEqual([])
    }
  })
})
