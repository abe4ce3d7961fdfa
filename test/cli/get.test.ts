import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { jsonLines, launch, run, serve, testFolder } from './program.js'

/** A folder with a peer that shares `theirs`, and the given file in it. */
async function withPeer(name: string, content: string | Uint8Array) {
  const folder = await testFolder()
  await mkdir(join(folder, 'theirs'))
  await writeFile(join(folder, 'theirs', name), content)
  const { url } = await serve(folder, 'theirs')
  return { folder, url }
}

describe('get', () => {
  test('puts the file into the current folder', async () => {
    const { folder, url } = await withPeer('test.txt', 'This is a test\n')
    const ended = await run(folder, ['get', 'test.txt', '--peer', url])
    expect(ended).toMatchObject({ code: 0, out: '' })
    expect(ended.err).toMatch(/^Fetched test\.txt \(15 B\) to .*test\.txt\n$/)
    expect(await readFile(join(folder, 'test.txt'), 'utf8')).toBe('This is a test\n')
  })

  test('is also called fetch, and creates the folder of -o', async () => {
    const { folder, url } = await withPeer('test.txt', 'x')
    const ended = await run(folder, ['fetch', 'test.txt', '--peer', url, '-o', 'new/place'])
    expect(ended.err).toMatch(/^Created the folder new\/place\.$/m)
    expect(await readdir(join(folder, 'new/place'))).toEqual(['test.txt'])
  })

  test('writes to stdout exactly the bytes of the file, and leaves nothing behind', async () => {
    const content = Buffer.concat([Buffer.from([0, 255, 13, 10, 13, 26]), randomBytes(3_000_000)])
    const { folder, url } = await withPeer('noise.bin', content)
    const before = await readdir(folder)
    const ended = await run(folder, ['get', 'noise.bin', '--peer', url, '-o', '-'])
    expect(ended).toMatchObject({ code: 0, err: '' })
    expect(ended.outBytes.equals(content)).toBe(true)
    expect(await readdir(folder)).toEqual(before)
  })

  test('ends quietly when the reader of stdout has enough', async () => {
    const { folder, url } = await withPeer('long.bin', randomBytes(5_000_000))
    const before = await readdir(folder)
    const running = launch(folder, ['get', 'long.bin', '--peer', url, '-o', '-'])
    running.child.stdout.once('data', () => running.child.stdout.destroy())
    expect(await running.ended).toMatchObject({ code: 0, signal: null, err: '' })
    expect(await readdir(folder)).toEqual(before)
  })

  test('says what was not found, and ends with 3', async () => {
    const { folder, url } = await withPeer('test.txt', 'x')
    const ended = await run(folder, ['get', 'fooo', '--peer', url])
    expect(ended).toMatchObject({ code: 3, out: '' })
    expect(ended.err).toMatch(/^p2p-rx: Couldn't find the file fooo\. .+\n$/)
  })

  test('replaces a file only when told to', async () => {
    const { folder, url } = await withPeer('test.txt', 'new')
    await writeFile(join(folder, 'test.txt'), 'old')
    const refused = await run(folder, ['get', 'test.txt', '--peer', url])
    expect(refused.code).toBe(13)
    expect(refused.err).toMatch(/^p2p-rx: .*test\.txt.* --overwrite .*\n$/)
    expect(await readFile(join(folder, 'test.txt'), 'utf8')).toBe('old')
    const told = await run(folder, ['get', 'test.txt', '--peer', url, '--overwrite'])
    expect(told.code).toBe(0)
    expect(await readFile(join(folder, 'test.txt'), 'utf8')).toBe('new')
  })

  test('with --json writes events only', async () => {
    const { folder, url } = await withPeer('test.txt', 'x'.repeat(500_000))
    const ended = await run(folder, ['get', 'test.txt', '--peer', url, '--json', '-o', 'here'])
    const events = jsonLines(ended.out)
    expect(events).toContainEqual(expect.objectContaining({ type: 'transfer-completed', name: 'test.txt' }))
    expect(events.at(-1)).toMatchObject({ type: 'closed' })
    expect(ended.err).not.toContain('\x1b')
  })

  test('of a miss with --json tells it as an event and as a sentence', async () => {
    const { folder, url } = await withPeer('test.txt', 'x')
    const ended = await run(folder, ['get', 'fooo', '--peer', url, '--json'])
    expect(jsonLines(ended.out)).toContainEqual(expect.objectContaining({ type: 'transfer-failed', code: 'NOT_FOUND' }))
    expect(ended.err).toContain("Couldn't find the file fooo")
    expect(ended.code).toBe(3)
  })

  test('gives up on silent peers after --timeout, and on Ctrl-C at once, leaving nothing behind', async () => {
    const folder = await testFolder()
    const url = await silentPeer()
    const late = await run(folder, ['get', 'test.txt', '--peer', url, '--timeout', '0.3', '-o', '-'])
    expect([3, 5]).toContain(late.code)
    expect(late.err).toMatch(/^p2p-rx: .+\n$/)

    const asked = await silentPeer()
    const running = launch(folder, ['get', 'test.txt', '--peer', asked, '--timeout', '60', '-o', '-'])
    await connectedTo(asked)
    running.child.kill('SIGINT')
    expect(await running.ended).toMatchObject({ code: 130, signal: null, out: '', err: '' })
    expect(await readdir(folder)).toEqual([])
  })
})

const connections = new Map<string, Promise<void>>()
const connectedTo = (url: string) => connections.get(url)

/** Takes connections and never says a word. */
async function silentPeer(): Promise<string> {
  const { promise, resolve } = withResolvers()
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    resolve()
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  onTestFinished(() => void server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('A TCP server has a port')
  const url = `http://127.0.0.1:${address.port}`
  connections.set(url, promise)
  return url
}

function withResolvers() {
  let resolve: () => void = () => undefined
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve: () => resolve() }
}
