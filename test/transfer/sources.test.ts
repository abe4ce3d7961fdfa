/** Where bytes come from: every holder of the content whatever it calls it, and never the wire for what is here already. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { lastValueFrom } from 'rxjs'
import { expect, test } from 'vitest'
import { createPeer } from '../../src/index.js'
import { bytesOf } from '../store/disk.js'
import { folder, freePort, MIB, rootOnceHashed, type Scope, sha, shaOf, wireTo } from './field.js'

const PATIENCE = { timeout: 60_000 }

/** A peer that has hashed its one file, behind a wire that counts. */
async function holder(scope: Scope, name: string, content: Buffer, pace = {}) {
  const dir = await folder(scope, { [name]: content })
  const port = await freePort()
  const wire = await wireTo(scope, () => port, pace)
  const peer = createPeer({ port, dir, url: wire.url })
  scope.onTestFinished(() => peer.destroy())
  await peer.ready()
  await rootOnceHashed(`http://127.0.0.1:${port}`, encodeURIComponent(name))
  return wire
}

async function getter(scope: Scope, peers: string[], files = {}) {
  const dir = await folder(scope, files)
  const peer = createPeer({ port: 0, dir, peers })
  scope.onTestFinished(() => peer.destroy())
  return { peer, dir, url: await peer.ready() }
}

test('who has the same content under another name helps', PATIENCE, async (scope) => {
  const content = bytesOf(32 * MIB)
  const pace = { bytesPerSecond: 30e6 }
  const wires = [await holder(scope, 'film.bin', content, pace), await holder(scope, 'copy of it', content, pace)]
  const { peer, dir } = await getter(
    scope,
    wires.map(({ url }) => url)
  )
  await lastValueFrom(peer.fetch('film.bin'))
  expect(await shaOf(join(dir, 'film.bin'))).toBe(sha(content))
  for (const wire of wires) expect(wire.bytes()).toBeGreaterThan(content.length / 5)
})

test('what is in the share under another name is not sent', PATIENCE, async (scope) => {
  const content = bytesOf(8 * MIB)
  const wire = await holder(scope, 'film.bin', content)
  const { peer, dir, url } = await getter(scope, [wire.url], { 'old name.bin': content })
  await rootOnceHashed(url, 'old%20name.bin')
  await lastValueFrom(peer.fetch('film.bin'))
  for (const name of ['film.bin', 'old name.bin']) expect(await shaOf(join(dir, name))).toBe(sha(content))
  expect(wire.bytes()).toBeLessThan(64 * 1024)
})

test('200 fetches of one name at once never show a reader a torn file', PATIENCE, async (scope) => {
  // Two that differ everywhere, so that one over the other would show.
  const contents = [bytesOf(200_001, 1), bytesOf(200_001, 2), bytesOf(100_000, 3)]
  const wires = await Promise.all(contents.map((content) => holder(scope, 'film.bin', content)))
  const getters = await getter(
    scope,
    wires.map(({ url }) => url),
    { 'film.bin': contents[0] }
  )
  const whole = new Set(contents.map(sha))
  let fetching = true
  const fetches = Array.from({ length: 200 }, () =>
    lastValueFrom(getters.peer.fetch('film.bin', { ifExists: 'overwrite' }))
  )
  const done = Promise.all(fetches).finally(() => (fetching = false))
  // Named, because the compiler sees no other hand on it.
  const isFetching = () => fetching
  let reads = 0
  while (isFetching()) {
    expect(whole).toContain(sha(await readFile(join(getters.dir, 'film.bin'))))
    reads += 1
    await pause(1)
  }
  await done
  expect(reads).toBeGreaterThan(10)
})
