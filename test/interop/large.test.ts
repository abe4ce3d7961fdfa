import { createHash, randomFillSync } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { lastValueFrom } from 'rxjs'
import { afterEach, expect, test } from 'vitest'
import { Field } from './harness.js'
import { startPeer } from './our-peer.js'
import { describeWithPythons } from './pythons.js'

const SIZE = 64 * 1024 * 1024
/** Python needs seconds for a call of this size, more on a busy machine. */
const TIME_OUT_MS = 180_000

const OPTIONS = { timeout: TIME_OUT_MS }

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

const binary = () => randomFillSync(Buffer.alloc(SIZE))

/** Lines with what XML has to escape. */
function text(): Buffer {
  const line = 'The quick brown fox & the <lazy> dog, 0123456789.\n'
  return Buffer.alloc(SIZE, line, 'latin1')
}

describeWithPythons('64 MiB', (python) => {
  const field = new Field()
  afterEach(field.clear)

  for (const [kind, implementation, make] of [
    ['binary', '27-2', binary],
    ['text', '27-1', text]
  ] as const) {
    test(`of ${kind} go from one of us to another through a Python relay (${implementation})`, OPTIONS, async () => {
      const client = field.client(python)
      const holder = await startPeer(field, { files: { large: make() } })
      const relay = await field.node(python, implementation)
      await client.call(relay.url, 'hello', holder.as(implementation))
      // A relay has read it all before it answers, so the usual time of a query would not do.
      const us = await startPeer(field, { queryTimeoutMs: TIME_OUT_MS })
      await lastValueFrom(us.peer.hello(relay.url))
      const { path } = await lastValueFrom(us.peer.fetch('large'))
      expect(await hashOf(path ?? '')).toBe(await hashOf(join(holder.dir, 'large')))
      expect((await relay.report()).removed).toEqual([])
    })

    test(`of ${kind} go from a Python node to a Python client through us (${implementation})`, OPTIONS, async () => {
      const client = field.client(python)
      const holder = await field.node(python, implementation, { large: make() })
      const us = await startPeer(field)
      await lastValueFrom(us.peer.hello(holder.url))
      const copy = join(await field.folder(), 'copy')
      expect(await client.save(copy, us.as(implementation), 'query', 'large')).toEqual({ saved: SIZE })
      expect(await hashOf(copy)).toBe(await hashOf(join(holder.dir, 'large')))
    })
  }
})
