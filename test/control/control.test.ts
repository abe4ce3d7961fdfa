import { chmod, lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { lastValueFrom, NEVER, type Observable, toArray } from 'rxjs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createControlClient } from '../../src/control/client.js'
import { findRunning } from '../../src/control/find.js'
import { createLedger } from '../../src/control/ledger.js'
import { createControl } from '../../src/control/server.js'
import { isAnswered, MAX_SOCKET_PATH_BYTES, SOCKET_NAME } from '../../src/control/socket.js'
import { P2pError } from '../../src/index.js'
import { call, controlled, FILES, fakePeer, progressOf, testFolder } from './fake-peer.js'

/** Far more than anything here takes, also on a machine with much else to do. */
const PATIENT = { timeout: 10_000 }

const all = <T>(answer$: Observable<T>) => lastValueFrom(answer$.pipe(toArray()))

describe('orders over the control socket', () => {
  test('status tells where, what and how fast', async () => {
    const { socketPath } = await controlled()
    expect(await all(createControlClient(socketPath).status())).toEqual([
      {
        v: 1,
        pid: process.pid,
        version: '1.2.3',
        url: 'http://me:1',
        dir: '/home/me/files',
        nearby: false,
        peers: { up: 1, known: 2 },
        files: 2,
        hashed: 0,
        problems: [],
        transfers: [],
        rates: {}
      }
    ])
  })

  test('status does not wait for a folder that is being read', async () => {
    const { socketPath } = await controlled(fakePeer({ shared$: NEVER }))
    const [status] = await all(createControlClient(socketPath).status())
    expect(status).not.toHaveProperty('files')
  })

  test('lists peers and files', async () => {
    const { socketPath } = await controlled()
    const client = createControlClient(socketPath)
    expect(await all(client.files())).toEqual(FILES)
    expect(await all(client.peers())).toMatchObject([{ url: 'http://ann:1' }, { url: 'http://bob:1' }])
  })

  test('a fetch hands progress on and ends when it is done', async () => {
    const { socketPath, progress$, log } = await controlled()
    const options = { ifExists: 'rename', into: '/tmp/x', wait: true } as const
    const heard = all(createControlClient(socketPath).fetch('a.txt', options))
    await expect.poll(() => log, PATIENT).toEqual([['fetch', 'a.txt', options]])
    progress$.next(progressOf('a.txt', 10))
    progress$.next(progressOf('a.txt', 100, { path: '/tmp/x/a.txt', root: 'ab' }))
    progress$.complete()
    expect(await heard).toEqual([
      progressOf('a.txt', 10),
      progressOf('a.txt', 100, { path: '/tmp/x/a.txt', root: 'ab' })
    ])
  })

  test('an error comes as a value with its code and advice', async () => {
    const { socketPath, progress$, log } = await controlled()
    const heard = all(createControlClient(socketPath).fetch('a.txt'))
    await expect.poll(() => log, PATIENT).toHaveLength(1)
    progress$.error(new P2pError('NOT_FOUND', "Couldn't find the file a.txt", { advice: 'Look again.' }))
    expect(await heard).toEqual([
      { type: 'error', code: 'NOT_FOUND', message: "Couldn't find the file a.txt", advice: 'Look again.' }
    ])
  })

  test('what nobody expected is told as a bug, without a stack', async () => {
    const { socketPath, progress$, log } = await controlled()
    const heard = all(createControlClient(socketPath).fetch('a.txt'))
    await expect.poll(() => log, PATIENT).toHaveLength(1)
    progress$.error(new TypeError('x is not a function'))
    expect(await heard).toMatchObject([{ type: 'error', code: 'OTHER', message: 'x is not a function' }])
  })

  test('leaving stops the fetch', async () => {
    const { socketPath, log } = await controlled()
    const subscription = createControlClient(socketPath).fetch('a.txt').subscribe()
    await expect.poll(() => log, PATIENT).toEqual([['fetch', 'a.txt', {}]])
    subscription.unsubscribe()
    await expect.poll(() => log, PATIENT).toContainEqual(['fetch over', 'a.txt'])
  })

  test('leaving before the connection stands orders nothing', async () => {
    const { socketPath, log } = await controlled()
    const client = createControlClient(socketPath)
    client.fetch('a.txt').subscribe().unsubscribe()
    await all(client.status())
    expect(log).toEqual([])
  })

  test('a folder is fetched, and both are seen in the status while they last', async () => {
    const { socketPath, progress$, folder$, log } = await controlled()
    const client = createControlClient(socketPath)
    const heard = all(client.fetchAll('photos/**', { into: '/tmp' }))
    const file = all(client.fetch('a.txt'))
    await expect.poll(() => log, PATIENT).toHaveLength(2)
    const failed = [{ name: 'photos/b', code: 'DISK', message: 'Full' }]
    const progress = { files: 2, done: 1, skipped: 0, failed, bytes: 1, total: 2, bytesPerSecond: 3, listing: false }
    folder$.next(progress)
    progress$.next(progressOf('a.txt', 10))
    expect(await all(client.status())).toMatchObject([
      {
        transfers: [
          { kind: 'folder', pattern: 'photos/**', files: 2, failed: 1 },
          { kind: 'file', name: 'a.txt', bytes: 10 }
        ]
      }
    ])
    folder$.complete()
    progress$.complete()
    expect(await heard).toEqual([progress])
    await file
    expect(await all(client.status())).toMatchObject([{ transfers: [] }])
  })

  test('caps are changed one by one', async () => {
    const { socketPath, log } = await controlled()
    const client = createControlClient(socketPath)
    await all(client.changeRates({ uploadBytesPerSecond: 1_000, downloadBytesPerSecond: 2_000 }))
    const [rates] = await all(client.changeRates({ uploadBytesPerSecond: null }))
    expect(rates).toEqual({ downloadBytesPerSecond: 2_000 })
    expect(log.at(-1)).toEqual(['rates', { uploadBytesPerSecond: undefined, downloadBytesPerSecond: 2_000 }])
  })

  test('a reader that is slow hears the newest state and the end', async () => {
    const { socketPath, progress$, log } = await controlled()
    const heard: unknown[] = []
    const answer$ = createControlClient(socketPath).fetch('a.txt')
    const done = new Promise<void>((resolve) =>
      answer$.subscribe({ next: (value) => heard.push(value), complete: resolve })
    )
    await expect.poll(() => log, PATIENT).toHaveLength(1)
    // All within one turn: nothing can be read meanwhile.
    for (let n = 0; n < 20_000; n++) progress$.next(progressOf('a.txt', n))
    progress$.next(progressOf('a.txt', 100, { path: '/x' }))
    progress$.complete()
    await done
    expect(heard.length).toBeLessThan(5_000)
    expect(heard.at(-1)).toMatchObject({ path: '/x' })
  })

  test('a listener that is slow hears how many events it missed', async () => {
    const { socketPath, event$ } = await controlled()
    const heard: object[] = []
    createControlClient(socketPath)
      .events()
      .subscribe((value) => heard.push(value))
    await expect.poll(() => event$.observed, PATIENT).toBe(true)
    const event = { type: 'file-added', name: 'x', at: '', v: 1 } as const
    for (let n = 0; n < 20_000; n++) event$.next(event)
    await expect.poll(() => heard.find((one) => 'count' in one), PATIENT).toMatchObject({ type: 'events-dropped' })
    const [{ count = 0 }] = heard.filter((one): one is { count: number } => 'count' in one) as [{ count?: number }]
    expect(heard.length - 1 + count).toBe(20_000)
    event$.next(event)
    await expect.poll(() => heard.at(-1), PATIENT).toEqual(event)
  })
})

describe('what the control socket refuses', () => {
  const post = (path: string, body: string) => ({ method: 'POST', path, body })
  test.each([
    ['a web page', { headers: { Origin: 'http://evil.example' } }, 403, 'DENIED'],
    ['a web page without a name', { headers: { Origin: 'null' }, ...post('/v1/fetch', '{"name":"x"}') }, 403, 'DENIED'],
    ['what a browser fetches', { headers: { 'Sec-Fetch-Site': 'same-origin' } }, 403, 'DENIED'],
    ['an unknown address', { path: '/v1/nothing' }, 404, 'NOT_FOUND'],
    ['an address every object has', { path: '/__proto__' }, 404, 'NOT_FOUND'],
    ['a query', { path: '/v1/status?x' }, 404, 'NOT_FOUND'],
    ['a wrong verb', { path: '/v1/fetch' }, 405, 'BAD_CALL'],
    ['a wrong verb to read', { method: 'DELETE' }, 405, 'BAD_CALL'],
    ['no body', post('/v1/fetch', ''), 400, 'BAD_CALL'],
    ['no JSON', post('/v1/fetch', 'name=x'), 400, 'BAD_CALL'],
    ['no object', post('/v1/fetch', '["x"]'), 400, 'BAD_CALL'],
    ['no name', post('/v1/fetch', '{}'), 400, 'BAD_CALL'],
    ['an empty name', post('/v1/fetch', '{"name":""}'), 400, 'BAD_CALL'],
    ['a name too long', post('/v1/fetch', JSON.stringify({ name: 'x'.repeat(5_000) })), 400, 'BAD_CALL'],
    ['a field nobody knows', post('/v1/fetch', '{"name":"x","__proto__":{"wait":true}}'), 400, 'BAD_CALL'],
    ['a relative folder', post('/v1/fetch', '{"name":"x","into":"here"}'), 400, 'BAD_CALL'],
    ['a policy nobody knows', post('/v1/fetch', '{"name":"x","ifExists":"delete"}'), 400, 'BAD_CALL'],
    ['a pattern that is none', post('/v1/fetch-all', '{"pattern":3}'), 400, 'BAD_CALL'],
    ['a cap of nothing', post('/v1/rates', '{"uploadBytesPerSecond":0}'), 400, 'BAD_CALL'],
    ['a cap below nothing', post('/v1/rates', '{"uploadBytesPerSecond":-1}'), 400, 'BAD_CALL'],
    ['half a byte', post('/v1/rates', '{"uploadBytesPerSecond":0.5}'), 400, 'BAD_CALL'],
    ['a new secret for no network', post('/v1/network/rotate', '{}'), 500, 'USAGE'],
    ['a long body', post('/v1/fetch', JSON.stringify({ name: 'x', more: 'y'.repeat(70_000) })), 400, 'BAD_CALL']
  ])('%s', async (_, sent, status, code) => {
    const { socketPath, log } = await controlled()
    const answer = await call(socketPath, sent)
    expect(answer.status).toBe(status)
    expect(JSON.parse(answer.text)).toMatchObject({
      type: 'error',
      code,
      advice: expect.stringMatching(/\S/) as string
    })
    expect(log).toEqual([])
    // It goes on serving.
    expect((await call(socketPath)).status).toBe(200)
  })

  test('garbage in place of a request, and a reader that leaves in the middle', async () => {
    const { socketPath } = await controlled(fakePeer())
    await new Promise<void>((resolve) => {
      const socket = connect(socketPath, () => socket.write('\x00\x01\x02 not http\r\n\r\n'))
      socket.on('error', () => undefined)
      socket.on('close', () => resolve())
      socket.resume()
    })
    expect((await call(socketPath)).status).toBe(200)
  })
})

describe('the place of the socket', () => {
  const made = (stateDir: string) =>
    createControl({
      version: '1.2.3',
      ledger: createLedger(fakePeer().peer),
      socketPath: join(stateDir, SOCKET_NAME),
      dir: '/x'
    })

  test('is for its user only, and gone with the peer', async () => {
    const stateDir = join(await testFolder(), 'new/state')
    const control = made(stateDir)
    expect(await control.listen()).toBeUndefined()
    expect((await stat(join(stateDir, SOCKET_NAME))).mode & 0o777).toBe(0o600)
    expect((await stat(stateDir)).mode & 0o777).toBe(0o700)
    await control.close()
    expect(await readdir(stateDir)).toEqual([])
  })

  test('leaves the rights of a folder that was there alone', async () => {
    const stateDir = join(await testFolder(), 'state')
    await mkdir(stateDir, { mode: 0o755 })
    const control = made(stateDir)
    await control.listen()
    expect((await stat(stateDir)).mode & 0o777).toBe(0o755)
    await control.close()
  })

  test('is not shared by two', async () => {
    const { stateDir } = await controlled()
    const second = made(stateDir)
    expect(await second.listen()).toMatchObject({
      code: 'STATE_IN_USE',
      advice: expect.stringContaining('--state-dir') as string
    })
    await second.close()
    expect(await isAnswered(join(stateDir, SOCKET_NAME))).toBe(true)
  })

  test('is not made over a file of somebody', async () => {
    const stateDir = await testFolder()
    await writeFile(join(stateDir, SOCKET_NAME), 'precious')
    const control = made(stateDir)
    expect(await control.listen()).toMatchObject({ type: 'error' })
    expect(await readFile(join(stateDir, SOCKET_NAME), 'utf8')).toBe('precious')
  })

  test('lies elsewhere when the path is too long, and is found all the same', async () => {
    const stateDir = join(await testFolder(), 'x'.repeat(MAX_SOCKET_PATH_BYTES))
    const control = made(stateDir)
    onTestFinished(() => control.close())
    expect(await control.listen()).toBeUndefined()
    expect((await lstat(join(stateDir, SOCKET_NAME))).isSymbolicLink()).toBe(true)
    expect(await all(createControlClient(join(stateDir, SOCKET_NAME)).files())).toEqual(FILES)
    expect(await findRunning(join(stateDir, '..'))).toEqual([stateDir])
    // As after a crash: the link is there and nobody answers.
    const again = made(stateDir)
    expect(await again.listen()).toMatchObject({ code: 'STATE_IN_USE' })
    await control.close()
    expect(await readdir(stateDir)).toEqual([])
    await symlink(join(stateDir, 'nowhere'), join(stateDir, SOCKET_NAME))
    const third = made(stateDir)
    expect(await third.listen()).toBeUndefined()
    await third.close()
  })

  test('a folder that others can write to is no place for a socket, and no place to look for one', async () => {
    const stateDir = await testFolder()
    const socketPath = join(stateDir, SOCKET_NAME)
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(socketPath, resolve))
    onTestFinished(() => void server.close())
    expect(await isAnswered(socketPath)).toBe(true)
    await chmod(stateDir, 0o770)
    expect(await isAnswered(socketPath)).toBe(false)
    expect(await made(stateDir).listen()).toMatchObject({ code: 'FOLDER' })
  })

  test('a link into a folder of somebody else is not followed', async () => {
    const root = await testFolder()
    const open = join(root, 'open')
    await mkdir(open)
    await chmod(open, 0o777)
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(join(open, 's'), resolve))
    onTestFinished(() => void server.close())
    const stateDir = join(root, 'x'.repeat(MAX_SOCKET_PATH_BYTES))
    await mkdir(stateDir)
    await symlink(join(open, 's'), join(stateDir, SOCKET_NAME))
    expect(await isAnswered(join(stateDir, SOCKET_NAME))).toBe(false)
    const [answer] = await all(createControlClient(join(stateDir, SOCKET_NAME)).status())
    expect(answer).toMatchObject({ type: 'error', code: 'NETWORK' })
  })
})

describe('the end of a peer', () => {
  test('is told to those who wait, and stops what they ordered', async () => {
    const { socketPath, log, control } = await controlled()
    const client = createControlClient(socketPath)
    const fetching = all(client.fetch('a.txt'))
    const listening = all(client.events())
    await expect.poll(() => log, PATIENT).toHaveLength(1)
    await all(client.status())
    await control.close()
    expect((await fetching).at(-1)).toMatchObject({ type: 'error', code: 'CLOSED' })
    expect((await listening).at(-1)).toMatchObject({ type: 'error', code: 'CLOSED' })
    expect(log).toContainEqual(['fetch over', 'a.txt'])
    const [late] = await all(client.status())
    expect(late).toMatchObject({ type: 'error', code: 'NETWORK' })
  })

  test('is not held up by a reader that does not read', async () => {
    const { socketPath, event$, control } = await controlled()
    const socket = connect(socketPath, () => socket.write('GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n'))
    socket.on('error', () => undefined)
    socket.pause()
    onTestFinished(() => void socket.destroy())
    await expect.poll(() => event$.observed, PATIENT).toBe(true)
    for (let n = 0; n < 10_000; n++) event$.next({ type: 'file-added', name: 'x'.repeat(500), at: '', v: 1 })
    await control.close()
    expect(event$.observed).toBe(false)
  })
})
