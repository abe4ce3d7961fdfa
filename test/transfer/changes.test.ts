/** A source that changes while it is being read: what arrives is one content or the other, whole, or a word. */
import { rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { bytesOf } from '../store/disk.js'
import { folder, freePort, holderProcess, MIB, program, sha, shaOf, wireTo } from './field.js'

const NAME = 'film.bin'
const before = bytesOf(32 * MIB, 1)
const PATIENCE = { timeout: 60_000 }

const CHANGES = [
  { title: 'one of the same size', after: bytesOf(32 * MIB, 2) },
  { title: 'a longer one', after: bytesOf(33 * MIB, 3) },
  { title: 'a shorter one', after: bytesOf(10 * MIB, 4) },
  { title: 'one with another last MiB', after: Buffer.concat([before.subarray(0, 31 * MIB), bytesOf(MIB, 5)]) }
]
const WAYS = [
  {
    way: 'replaced by',
    async change(path: string, content: Buffer) {
      await writeFile(`${path}.new`, content)
      await rename(`${path}.new`, path)
    }
  },
  { way: 'written over with', change: (path: string, content: Buffer) => writeFile(path, content) }
]
const CASES = CHANGES.flatMap((change) =>
  WAYS.map((way) => [`${way.way} ${change.title}`, { ...change, ...way }] as const)
)

describe.concurrent('a file that is', () => {
  test.for(CASES)('%s never arrives as a mixture', PATIENCE, async ([, { after, change }], scope) => {
    const dir = await folder(scope, { [NAME]: before })
    const port = await freePort()
    const wire = await wireTo(scope, () => port, { bytesPerSecond: 32e6 })
    await holderProcess(scope, { dir, name: NAME, port, url: wire.url })
    const home = await folder(scope)
    let changed: Promise<void> | undefined
    wire.when(wire.bytes() + 12 * MIB, () => {
      changed = change(join(dir, NAME), after)
    })
    const ended = await program(scope, home, ['get', NAME, '--peer', wire.url, '-o', home]).ended
    expect(changed, `too little was sent: ${ended.err}`).toBeDefined()
    await changed
    const path = join(home, NAME)
    if (ended.code === 0) {
      expect([sha(before), sha(after)]).toContain(await shaOf(path))
    } else {
      expect([3, 5, 6, 7]).toContain(ended.code)
      expect(ended.err).toMatch(/^p2p-rx: .*(changed|promised|offered|any more).*\n$/m)
      await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' })
    }
  })
})
