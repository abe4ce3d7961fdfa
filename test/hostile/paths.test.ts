/** Ways out of the share over the data plane (T5), and ways into what lies beside it from those who list and send (T6). */
import { mkdir, readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { from, lastValueFrom, mergeMap, toArray } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { isPlainName } from '../../src/streams/names.js'
import { bytesOf, sourceOf } from '../compliance/inbound.js'
import { folder, start } from '../peer/network.js'
import { peer, raw } from '../transport/http/peers.js'
import { naughtyNames, traversals } from './corpora.js'

const CANARY = 'CANARY-51c2'

/** A share in a folder of its own, with things beside it that are nobody's business. */
async function shareAmongOthers() {
  const parent = await folder({ 'canary.txt': CANARY, 'boot.ini': CANARY, shadow: CANARY })
  for (const name of ['share', 'shareful', 'etc']) await mkdir(join(parent, name))
  await writeFile(join(parent, 'shareful', 'canary.txt'), CANARY)
  await writeFile(join(parent, 'etc', 'passwd'), CANARY)
  await writeFile(join(parent, 'share', 'small.txt'), 'This is a test\n')
  await utimes(join(parent, 'share', 'small.txt'), 1e9, 1e9)
  return { parent, dir: join(parent, 'share') }
}

/** All that lies in a folder but for its share, with the content of each file. */
async function beside(parent: string): Promise<readonly string[]> {
  const entries = await readdir(parent, { recursive: true, withFileTypes: true })
  const outside = entries.filter(({ parentPath }) => !`${parentPath}/`.startsWith(join(parent, 'share/')))
  const told = outside.map(async (entry) => {
    const path = join(entry.parentPath, entry.name)
    return `${path} ${entry.isFile() ? await readFile(path, 'utf8') : ''}`
  })
  return (await Promise.all(told)).sort()
}

/** Printable, and without what would end the target of a request; nothing else is escaped. */
const asTarget = (name: string) =>
  name.replace(/[^\x21-\x7e]/g, (character) => encodeURIComponent(Buffer.from(character, 'latin1').toString('latin1')))

describe('a file is read', () => {
  test('by none of the paths of the traversal lists, as they are or escaped once more', {
    timeout: 120_000
  }, async () => {
    const { dir } = await shareAmongOthers()
    const { url } = await start({}, { dir })
    const own = ['../canary.txt', '../shareful/canary.txt', '..%2fcanary.txt', '%2e%2e/canary.txt', '//etc/passwd']
    const names = [...own, ...(await traversals()).filter((_, at) => at % 8 === 0)]
    const targets = names.flatMap((name) => [
      `/files/${asTarget(name)}`,
      `/files/${encodeURIComponent(name)}`,
      `/files/${name.split('/').map(encodeURIComponent).join('/')}`,
      asTarget(name.startsWith('/') ? name : `/${name}`)
    ])
    // So many behind one another on a connection as may be.
    const parts = Array.from({ length: Math.ceil(targets.length / 40) }, (_, at) =>
      targets.slice(at * 40, at * 40 + 40)
    )
    const answers = await lastValueFrom(
      from(parts).pipe(
        mergeMap((part) => {
          const last = part.length - 1
          const close = (at: number) => (at === last ? 'Connection: close\r\n' : '')
          return raw(url, part.map((to, at) => `GET ${to} HTTP/1.1\r\nHost: 127.0.0.1\r\n${close(at)}\r\n`).join(''))
        }, 8),
        toArray()
      )
    )
    const statuses = new Set(
      answers.flatMap((text) => [...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, code]) => code))
    )
    expect(targets.length).toBeGreaterThan(12_000)
    expect(answers.join('')).not.toContain(CANARY)
    expect([...statuses].sort()).toEqual(['404'])
    expect(await raw(url, 'GET /files/small.txt HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n')).toMatch(
      / 200 /
    )
  })
})

describe('a file is written', () => {
  test('nowhere but in the share, whatever a peer lists and sends', { timeout: 60_000 }, async () => {
    const { parent, dir } = await shareAmongOthers()
    await symlink(join(parent, 'etc'), join(dir, 'link'))
    await symlink(join(parent, 'canary.txt'), join(dir, 'linked.txt'))
    const names = [
      ...['good.txt', 'folder/good.txt', '../evil.txt', '../../evil.txt', '/tmp/p2p-rx-evil.txt', 'a/../../evil.txt'],
      ...['..', '.', '', 'folder/', '/', '../shareful/canary.txt', 'link/passwd', 'link/evil.txt', 'linked.txt'],
      ...['.p2p-rx/evil', '.P2P-RX/evil', '.p2p-rx/../evil.txt', '..\\evil.txt', 'C:\\evil.txt', 'a\u0000b'],
      ...['a/'.repeat(70) + 'deep', 'x'.repeat(300), 'x/'.repeat(2_000)],
      ...(await naughtyNames()).flatMap(({ name }) => (name === null ? [] : [name])),
      ...(await traversals()).filter((_, at) => at % 200 === 0)
    ]
    const content = bytesOf(1_000)
    let opened = 0
    const evil = await peer({
      list: () => ({
        files: [...new Set(names)].map((name) => ({ name, size: content.length, modifiedMs: 0 })),
        more: false
      }),
      open: () => {
        opened++
        return Promise.resolve(sourceOf(content, { etag: 'stand-in' }))
      }
    })
    const before = await beside(parent)
    const us = await start({}, { dir, peers: [evil.url] })
    const told = await lastValueFrom(us.peer.fetchAll('**'))

    expect(told.done).toBeGreaterThan(300)
    expect(opened).toBeGreaterThan(300)
    expect(await beside(parent)).toEqual(before)
    expect(await readFile(join(dir, 'folder/good.txt'))).toEqual(Buffer.from(content))
    const written = (await readdir(dir, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
    const paths = written.map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    expect(paths.filter((path) => !isPlainName(path) && !path.startsWith('.p2p-rx/'))).toEqual([])
    expect(told.failed.map(({ name }) => name)).toEqual(expect.arrayContaining(['link/evil.txt', 'linked.txt']))
  })
})
