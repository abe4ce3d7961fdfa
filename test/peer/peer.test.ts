import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { filter, firstValueFrom, lastValueFrom, switchMap, take, toArray } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { createPeer, type PeerEvent } from '../../src/index.js'
import { folder, start } from './network.js'

describe('two peers', () => {
  test('a file in a folder of one is fetched into the folder of the other, byte for byte', async () => {
    const content = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251))
    const one = await start({ 'data.bin': content })
    const other = await start({}, { peers: [one.url] })
    const last = await lastValueFrom(other.peer.fetch('data.bin'))
    expect(last).toMatchObject({ bytes: content.length, total: content.length, path: join(other.dir, 'data.bin') })
    expect(await readFile(join(other.dir, 'data.bin'))).toEqual(content)
    expect(await readdir(other.dir)).toEqual(['data.bin'])
  })

  test('the one who was introduced to the other is known by it, and both can fetch', async () => {
    const one = await start({ a: '1' })
    const other = await start({ b: '2' })
    const met = await firstValueFrom(other.peer.hello(one.url))
    expect(met).toMatchObject({ url: one.url, state: 'up', dialect: 'p2prx' })
    await lastValueFrom(one.peer.fetch('b'))
    await lastValueFrom(other.peer.fetch('a'))
    expect(await readFile(join(one.dir, 'b'), 'utf8')).toBe('2')
  })

  test('a peer can be greeted from within the greeting of another', async () => {
    const [one, two, three] = [await start(), await start(), await start()]
    const met = await firstValueFrom(one.peer.hello(two.url).pipe(switchMap(() => one.peer.hello(three.url))))
    expect(met).toMatchObject({ url: three.url, state: 'up' })
  })

  test('a file that shrank since it was offered ends the fetch, and not in waiting', async () => {
    const one = await start({ big: Buffer.alloc(200_000) })
    const other = await start({}, { peers: [one.url] })
    await firstValueFrom(other.peer.query('big'))
    await writeFile(join(one.dir, 'big'), 'small now')
    const error = await lastValueFrom(other.peer.fetch('big')).catch((thrown: unknown) => thrown)
    expect((error as { code?: string; name?: string }).code ?? 'fetched').toMatch(
      /^(INTEGRITY|UNFINISHED|NOT_FOUND|fetched)$/
    )
    await other.peer.close()
  })

  test('what has been fetched is offered at once', async () => {
    const one = await start({ a: '1' })
    const two = await start({}, { peers: [one.url] })
    await lastValueFrom(two.peer.fetch('a'))
    await one.peer.destroy()
    const three = await start({}, { peers: [two.url] })
    expect(await firstValueFrom(three.peer.query('a'))).toMatchObject({ holders: [two.url] })
  })

  test('a file that is put into the folder can be queried within a second', async () => {
    const one = await start()
    const other = await start({}, { peers: [one.url] })
    await firstValueFrom(other.peer.hello(one.url))
    const added = firstValueFrom(one.peer.event$.pipe(filter(({ type }) => type === 'file-added')))
    await writeFile(join(one.dir, 'new.txt'), 'new')
    const asked = performance.now()
    expect(await firstValueFrom(other.peer.query('new.txt'))).toMatchObject({ name: 'new.txt', size: 3 })
    expect(performance.now() - asked).toBeLessThan(5_000)
    expect(await added).toMatchObject({ type: 'file-added', name: 'new.txt' })
  })

  test('the offer names the root once the file is hashed', async () => {
    const one = await start({ a: 'x' })
    await firstValueFrom(one.peer.shared$.pipe(filter((files) => files[0]?.root !== undefined)))
    const other = await start({}, { peers: [one.url] })
    const { root } = await firstValueFrom(other.peer.query('a'))
    expect(root).toBe('2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881')
  })

  test('another peer lists what it shares', async () => {
    const one = await start({ b: '12', a: '1' })
    await firstValueFrom(one.peer.shared$.pipe(filter((files) => files.length === 2)))
    const other = await start()
    const [page = []] = await lastValueFrom(other.peer.list(one.url).pipe(toArray()))
    expect(page.map(({ name, size }) => [name, size])).toEqual([
      ['a', 1],
      ['b', 2]
    ])
  })

  test('a visitor fetches without being introduced or listening', async () => {
    const one = await start({ a: '1' })
    const dir = await folder()
    const visitor = createPeer({ dir, visitor: true, peers: [one.url] })
    expect(await visitor.ready()).toBe('')
    await lastValueFrom(visitor.fetch('a'))
    await visitor.close()
    expect(await readFile(join(dir, 'a'), 'utf8')).toBe('1')
    expect(await firstValueFrom(one.peer.peers$)).toEqual([])
  })

  test('events are stamped, and the last one is closed', async () => {
    const { peer } = await start()
    const events: PeerEvent[] = []
    const done = new Promise<void>((resolve) =>
      peer.event$.subscribe({ next: (event) => events.push(event), complete: resolve })
    )
    await peer.close()
    await done
    expect(events.at(-1)).toMatchObject({ type: 'closed', v: 1 })
    expect(Number.isNaN(Date.parse(events.at(-1)?.at ?? ''))).toBe(false)
  })
})

describe('what goes wrong has a code', () => {
  const code = (work: Promise<unknown>) =>
    work.then(
      () => 'no error',
      (error: unknown) => (error as { code: string }).code
    )

  test('a name that nobody has', async () => {
    const { peer } = await start()
    await expect(lastValueFrom(peer.fetch('fooo'))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: "Couldn't find the file fooo"
    })
  })

  test('a name that nobody could be asked for', async () => {
    const gone = await start()
    await gone.peer.close()
    const { peer } = await start({}, { peers: [gone.url] })
    await expect(lastValueFrom(peer.fetch('fooo'))).rejects.toMatchObject({
      code: 'NETWORK',
      message: "Couldn't find the file fooo: none of the known peers answered"
    })
  })

  test('a name that is none', async () => {
    const { peer } = await start()
    expect(await code(lastValueFrom(peer.fetch('../x')))).toBe('BAD_NAME')
    expect(await code(firstValueFrom(peer.query('/etc/passwd')))).toBe('BAD_NAME')
  })

  test('a file that is here already, which stays as it is unless the user says otherwise', async () => {
    const one = await start({ a: 'theirs' })
    const other = await start({ a: 'ours' }, { peers: [one.url] })
    expect(await code(lastValueFrom(other.peer.fetch('a')))).toBe('EXISTS')
    expect(await readFile(join(other.dir, 'a'), 'utf8')).toBe('ours')
    await lastValueFrom(other.peer.fetch('a', { ifExists: 'overwrite' }))
    expect(await readFile(join(other.dir, 'a'), 'utf8')).toBe('theirs')
  })

  test('a port in use', async () => {
    const { url } = await start()
    const peer = createPeer({ dir: await folder(), port: Number(new URL(url).port) })
    expect(await code(peer.ready())).toBe('PORT_IN_USE')
  })

  test('a folder that is a file', async () => {
    const dir = await folder({ file: '' })
    expect(await code(createPeer({ dir: join(dir, 'file'), port: 0 }).ready())).toBe('FOLDER')
  })

  test('a URL that is none, our own, or nobody at home', async () => {
    const { peer, url } = await start()
    expect(await code(firstValueFrom(peer.hello('htp:/x')))).toBe('BAD_URL')
    expect(await code(firstValueFrom(peer.hello(url.replace('127.0.0.1', 'localhost'))))).toBe('OWN_ALIAS')
    const gone = await start()
    await gone.peer.close()
    expect(await code(firstValueFrom(peer.hello(gone.url)))).toBe('NETWORK')
  })

  test('an alias of itself among the peers to begin with', async () => {
    const { url, peer } = await start()
    await peer.close()
    const again = createPeer({ dir: await folder(), url, peers: [`${url}/`] })
    expect(await code(again.ready())).toBe('OWN_ALIAS')
  })

  test('a peer that is closed', async () => {
    const { peer } = await start({ a: '' })
    const waiting = code(lastValueFrom(peer.event$.pipe(take(1))))
    await peer.close()
    await waiting
    expect(await code(lastValueFrom(peer.fetch('b')))).toBe('CLOSED')
    expect(await code(peer.ready())).toBe('CLOSED')
  })

  test('settings that cannot be', () => {
    expect(() => createPeer({ dir: '.', port: 70_000 })).toThrow(/from 0 to 65535/)
    expect(() => createPeer({ dir: '.', url: 'nonsense' })).toThrow(/not the URL of a peer/)
  })
})

test('a folder with sub-folders is shared and fetched with them', async () => {
  const one = await start()
  await mkdir(join(one.dir, 'a/b'), { recursive: true })
  await writeFile(join(one.dir, 'a/b/c.txt'), 'deep')
  const other = await start({}, { peers: [one.url] })
  await lastValueFrom(other.peer.fetch('a/b/c.txt'))
  expect(await readFile(join(other.dir, 'a/b/c.txt'), 'utf8')).toBe('deep')
})
