import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { stalled } from '../peer/network.js'
import { jsonLines, run, serve, testFolder } from './program.js'

/** A peer lists a file that was just written a little later. */
const PATIENT = { timeout: 10_000, interval: 200 }

/** A peer with files, and one of this user that knows it. */
async function withRunning(
  files: Record<string, string> = { 'a.txt': 'This is a test\n' },
  args: readonly string[] = []
) {
  const folder = await testFolder()
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, 'theirs', name)), { recursive: true })
    await writeFile(join(folder, 'theirs', name), content)
  }
  await mkdir(join(folder, 'ours'))
  // Somewhere else, so that only one peer is found without being named.
  const theirs = await serve(folder, 'theirs', ['--state-dir', 'elsewhere'])
  const ours = await serve(folder, 'ours', ['--peer', theirs.url, ...args])
  return { folder, theirs, ours }
}

const socketOf = async (folder: string, dir: string) => {
  const root = join(folder, '.local/state/p2p-rx')
  const name = (await readdir(root)).find((one) => one.startsWith(`${dir}-`)) ?? 'missing'
  return join(root, name, 'control.sock')
}

describe('beside a running peer', () => {
  test('get needs no --peer and puts the file into the current folder', async () => {
    const { folder } = await withRunning()
    const here = join(folder, 'here')
    await mkdir(here)
    const ended = await run(here, ['get', 'a.txt'], { env: { HOME: folder } })
    expect(ended).toMatchObject({ code: 0, out: '', err: `Fetched a.txt (15 B) to ${join(here, 'a.txt')}\n` })
    expect(await readFile(join(here, 'a.txt'), 'utf8')).toBe('This is a test\n')
  })

  test('get takes -o, and - for stdout', async () => {
    const { folder } = await withRunning()
    expect((await run(folder, ['get', 'a.txt', '-o', 'new/place'])).code).toBe(0)
    expect(await readdir(join(folder, 'new/place'))).toEqual(['a.txt'])
    expect(await run(folder, ['get', 'a.txt', '-o', '-'])).toMatchObject({ code: 0, out: 'This is a test\n', err: '' })
  })

  test('get with --json tells its transfers as events', async () => {
    const { folder } = await withRunning()
    const { out, code } = await run(folder, ['get', 'a.txt', 'fooo', '--json'])
    const events = jsonLines(out)
    for (const event of events) expect([event.v, typeof event.at]).toEqual([1, 'string'])
    expect(events).toContainEqual(expect.objectContaining({ type: 'transfer-started', name: 'a.txt', size: 15 }))
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'transfer-completed', name: 'a.txt', path: join(folder, 'a.txt') })
    )
    expect(events).toContainEqual(expect.objectContaining({ type: 'transfer-failed', name: 'fooo', code: 'NOT_FOUND' }))
    expect(code).toBe(7)
  })

  test('get says what was not found, with the code and advice of the peer', async () => {
    const { folder } = await withRunning()
    const ended = await run(folder, ['get', 'fooo'])
    expect(ended).toMatchObject({ code: 3, out: '' })
    expect(ended.err).toMatch(/^p2p-rx: Couldn't find the file fooo\. .+\n$/)
  })

  test('get refuses caps, which the peer has of its own, unless they are meant for start', async () => {
    const { folder } = await withRunning()
    const ended = await run(folder, ['get', 'a.txt', '--down', '2M'])
    expect(ended.code).toBe(2)
    expect(ended.err).toMatch(/^p2p-rx: The peer that runs has caps of its own\. .*down 2M\.\n$/)
    expect((await run(folder, ['get', 'a.txt'], { env: { P2PRX_DOWN: '2M' } })).code).toBe(0)
  })

  test('leaving get stops the fetch at the peer', async () => {
    const folder = await testFolder()
    const silent = await stalled()
    await serve(folder, 'ours', ['--peer', silent.url])
    const { launch } = await import('./program.js')
    const running = launch(folder, ['get', 'a.txt'])
    await silent.asked
    running.child.kill('SIGINT')
    expect(await running.ended).toMatchObject({ code: 130, signal: null, out: '', err: '' })
    await silent.takenBack
    expect(silent.open()).toBe(0)
  })

  test('get ends when the peer is stopped, and says how to go on', async () => {
    const folder = await testFolder()
    const silent = await stalled()
    const ours = await serve(folder, 'ours', ['--peer', silent.url])
    const getting = run(folder, ['get', 'a.txt'])
    await silent.asked
    ours.child.kill('SIGTERM')
    const ended = await getting
    expect(ended.err).toMatch(
      /^p2p-rx: The peer was stopped\. Start it again, and run the same command again to go on\.\n$/
    )
    expect((await ours.ended).code).toBe(0)
  })

  test('get gives up after --timeout', async () => {
    const folder = await testFolder()
    const silent = await stalled()
    await serve(folder, 'ours', ['--peer', silent.url])
    const ended = await run(folder, ['get', 'a.txt', '--timeout', '0.3'])
    expect(ended.code).toBe(5)
    expect(ended.err).toMatch(/^p2p-rx: Nobody offered a\.txt in time\. .+\n$/)
  })

  test('peers lists whom it knows', async () => {
    const { folder, theirs } = await withRunning()
    await expect
      .poll(async () => jsonLines((await run(folder, ['peers', '--json'])).out), PATIENT)
      .toMatchObject([{ url: theirs.url, state: 'up', dialect: 'p2prx' }])
    expect((await run(folder, ['peers'])).out).toMatch(new RegExp(`^${theirs.url} {2}up {7}p2prx {2}\\d+ ms\n$`))
  })

  test('ls lists what it shares', async () => {
    const { folder } = await withRunning()
    await writeFile(join(folder, 'ours/mine.txt'), 'mine')
    const listed = { code: 0, out: '       4 B  mine.txt\n', err: '' }
    await expect.poll(() => run(folder, ['ls']), PATIENT).toMatchObject(listed)
    await expect.poll(() => run(folder, ['ls', '--dir', 'ours']), PATIENT).toMatchObject(listed)
    // A folder for which none runs is read here.
    expect(await run(folder, ['ls', '--dir', 'here'])).toMatchObject({ code: 9 })
  })

  test('status tells how it is doing', async () => {
    const { folder, theirs, ours } = await withRunning({}, ['--up', '2M', '--down-per-peer', '500K', '--down', 'none'])
    await writeFile(join(folder, 'ours/mine.txt'), 'mine')
    await expect
      .poll(async () => (await run(folder, ['status'])).out, PATIENT)
      .toMatch(
        `url        ${ours.url}\nfolder     ${join(folder, 'ours')}\npeers      1 up of 1 known\nfiles      1\n` +
          'caps       up 2.0 MiB/s, down none, down per peer 500.0 KiB/s\ntransfers  0 under way\n'
      )
    expect((await run(folder, ['status'])).out).toMatch(
      new RegExp(`\\n${theirs.url}  up {7}p2prx  \\d+ ms\\n  last seen  now\\n$`)
    )
    const [json, ...others] = jsonLines((await run(folder, ['status', '--json'])).out)
    expect(others).toEqual([])
    expect(json).toMatchObject({
      v: 1,
      url: ours.url,
      pid: ours.child.pid,
      peers: { up: 1, known: 1, list: [{ url: theirs.url, urls: [theirs.url], state: 'up' }] },
      files: 1,
      transfers: [],
      rates: { uploadBytesPerSecond: 2_097_152, downloadBytesPerSecondPerPeer: 512_000 }
    })
  })

  test('that does not run there is nobody to ask, and both ways are named', async () => {
    const folder = await testFolder()
    for (const command of [['get', 'x'], ['peers'], ['status']]) {
      const ended = await run(folder, command)
      expect(ended).toMatchObject({ code: 2, out: '' })
      expect(ended.err).toMatch(/^p2p-rx: There is nobody to ask\. .*--peer .*p2p-rx start --dir.*\n$/)
    }
    const named = await run(folder, ['status', '--dir', 'ours'])
    expect(named.err).toMatch(/^p2p-rx: There is nobody to ask: no peer runs for ours\. /)
    const state = await run(folder, ['ls', '--state-dir', 'nowhere'])
    expect(state.err).toMatch(/^p2p-rx: No peer runs with the state folder nowhere\. /)
    expect([named.code, state.code]).toEqual([2, 2])
  })

  test('of several one is named by its folder or its state folder', async () => {
    const folder = await testFolder()
    await serve(folder, 'one')
    await serve(folder, 'two')
    await writeFile(join(folder, 'two/mine.txt'), 'mine')
    const ended = await run(folder, ['status'])
    expect(ended).toMatchObject({ code: 2, out: '' })
    expect(ended.err).toMatch(
      /^p2p-rx: 2 peers of yours run, .*one-[0-9a-f]{8}, .*two-[0-9a-f]{8}\. .*--state-dir.*\n$/
    )
    const listed = { code: 0, out: '       4 B  mine.txt\n' }
    await expect.poll(() => run(folder, ['ls', '--dir', 'two']), PATIENT).toMatchObject(listed)
    const stateDir = dirname(await socketOf(folder, 'two'))
    expect(await run(folder, ['ls', '--state-dir', stateDir])).toMatchObject(listed)
    expect(await run(folder, ['ls'], { env: { P2PRX_STATE_DIR: stateDir } })).toMatchObject(listed)
    // What is typed counts more than the environment.
    expect(await run(folder, ['ls', '--dir', 'one'], { env: { P2PRX_STATE_DIR: stateDir } })).toMatchObject({ out: '' })
  })
})

describe.skipIf(process.platform === 'win32')('the socket of a running peer', () => {
  test('is for its user only, and goes with it', async () => {
    const folder = await testFolder()
    const ours = await serve(folder, 'ours')
    const socket = await socketOf(folder, 'ours')
    expect((await stat(socket)).mode & 0o777).toBe(0o600)
    expect((await stat(dirname(socket))).mode & 0o777).toBe(0o700)
    ours.child.kill('SIGTERM')
    await ours.ended
    await expect(stat(socket)).rejects.toThrow('ENOENT')
  })

  test('that a killed peer left is replaced', async () => {
    const folder = await testFolder()
    const killed = await serve(folder, 'ours', ['--state-dir', 'state'])
    killed.child.kill('SIGKILL')
    await killed.ended
    expect((await stat(join(folder, 'state/control.sock'))).isSocket()).toBe(true)
    expect((await run(folder, ['status', '--state-dir', 'state'])).code).toBe(2)
    const next = await serve(folder, 'ours', ['--state-dir', 'state'])
    expect((await run(folder, ['status', '--state-dir', 'state'])).out).toContain(next.url)
  })

  test('lies elsewhere where its path would be too long', async () => {
    const folder = await testFolder()
    const stateDir = join(folder, 'a-very-long-name-of-a-folder'.repeat(4))
    const ours = await serve(folder, 'ours', ['--state-dir', stateDir])
    expect(ours.text.err).not.toContain('Warning')
    expect((await run(folder, ['status', '--state-dir', stateDir])).out).toContain(ours.url)
  })

  test('a place that cannot hold one is no reason not to share', async () => {
    const folder = await testFolder()
    await mkdir(join(folder, 'state/control.sock'), { recursive: true })
    const ours = await serve(folder, 'ours', ['--state-dir', 'state'])
    expect(ours.text.err).toMatch(/^Warning: other commands cannot use this peer: .*--state-dir\.$/m)
  })

  test('two peers on one state folder are refused', async () => {
    const folder = await testFolder()
    await serve(folder, 'one', ['--state-dir', 'state'])
    const ended = await run(folder, ['start', '--dir', 'two', '--port', '0', '--state-dir', 'state'])
    expect(ended).toMatchObject({ code: 5, out: '' })
    expect(ended.err).toMatch(/^p2p-rx: .*state.*\. .*--state-dir.*\n$/m)
    expect((await run(folder, ['status', '--state-dir', 'state'])).code).toBe(0)
  })

  test('somebody who takes the connection and says nothing does not keep get for ever', async () => {
    const folder = await testFolder()
    await mkdir(join(folder, 'state'))
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.destroy())
    })
    await new Promise<void>((listening) => server.listen(join(folder, 'state/control.sock'), listening))
    onTestFinished(() => void server.close())
    const ended = await run(folder, ['get', 'x', '--state-dir', 'state'])
    expect(ended.code).toBe(5)
    expect(ended.err).toMatch(/^p2p-rx: The running peer does not answer .*\. .+\n$/)
  })
})
