import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { jsonLines, run, serve, testFolder } from './program.js'

async function withFiles() {
  const folder = await testFolder()
  await mkdir(join(folder, 'files/notes'), { recursive: true })
  await writeFile(join(folder, 'files/test.txt'), 'x'.repeat(1536))
  await writeFile(join(folder, 'files/notes/to do.txt'), 'buy milk')
  return folder
}

/** A peer lists a file that was just written a little later. */
const PATIENT = { timeout: 10_000, interval: 200 }

const ROWS = '       8 B  notes/to do.txt\n   1.5 KiB  test.txt\n'

describe('ls', () => {
  test('lists a folder as it would be shared', async () => {
    const folder = await withFiles()
    expect(await run(folder, ['ls', '--dir', 'files'])).toMatchObject({ code: 0, out: ROWS, err: '' })
  })

  test('lists the current folder without --dir', async () => {
    const folder = await withFiles()
    expect(await run(join(folder, 'files'), ['ls'])).toMatchObject({ code: 0, out: ROWS })
  })

  test('lists what a peer shares', async () => {
    const folder = await withFiles()
    const { url } = await serve(folder, 'files')
    await expect.poll(() => run(folder, ['ls', '--peer', url]), PATIENT).toMatchObject({ code: 0, out: ROWS, err: '' })
    const env = { P2PRX_DIR: 'nowhere' }
    expect(await run(folder, ['ls', '--peer', url], { env })).toMatchObject({ code: 0, out: ROWS })
  })

  test('lists all files of a peer that has many', async () => {
    const folder = await testFolder()
    await mkdir(join(folder, 'files'))
    const names = Array.from({ length: 2_500 }, (_, index) => `file ${String(index).padStart(4, '0')}.txt`)
    await Promise.all(names.map((name) => writeFile(join(folder, 'files', name), '')))
    const { url } = await serve(folder, 'files')
    const listed = async () => jsonLines((await run(folder, ['ls', '--peer', url, '--json'])).out)
    await expect.poll(async () => (await listed()).map(({ name }) => name), PATIENT).toEqual(names)
  })

  test('with --json gives one object a file', async () => {
    const folder = await withFiles()
    const { out } = await run(folder, ['ls', '--dir', 'files', '--json'])
    expect(jsonLines(out)).toMatchObject([
      { name: 'notes/to do.txt', size: 8 },
      { name: 'test.txt', size: 1536 }
    ])
  })

  test('says so when there is nothing', async () => {
    const folder = await testFolder()
    expect(await run(folder, ['ls'])).toMatchObject({ code: 0, out: '', err: '. has nothing to share.\n' })
  })

  test('of a peer that is not there ends with 5', async () => {
    const folder = await testFolder()
    const ended = await run(folder, ['ls', '--peer', 'http://127.0.0.1:1'])
    expect(ended).toMatchObject({ code: 5, out: '' })
    expect(ended.err).toMatch(/^p2p-rx: .*http:\/\/127\.0\.0\.1:1.*\n$/)
  })
})

describe('peers', () => {
  test('tells of every peer, however many have to wait for their greeting', async () => {
    const folder = await testFolder()
    await mkdir(join(folder, 'files'))
    const { url } = await serve(folder, 'files')
    const dead = Array.from({ length: 230 }, (_, index) => `http://127.0.0.1:${index + 1}`)
    await writeFile(join(folder, 'peers.txt'), [...dead, url].join('\n'))
    const { code, out } = await run(folder, ['peers', '--peers', 'peers.txt', '--json'])
    const rows = jsonLines(out)
    expect(code).toBe(0)
    expect(rows).toHaveLength(231)
    expect(rows.filter(({ state }) => state === 'up')).toMatchObject([{ url }])
    expect(rows.filter(({ reason }) => reason === 'refused')).toHaveLength(230)
  })

  test('greets each and tells who answers and who does not', async () => {
    const folder = await testFolder()
    const { url } = await serve(folder, 'files')
    const ended = await run(folder, ['peers', '--peer', url, '--peer', 'http://127.0.0.1:1'])
    expect(ended.code).toBe(0)
    expect(ended.out.split('\n').sort()).toEqual([
      '',
      expect.stringMatching(/^http:\/\/127\.0\.0\.1:1 {2}failing {2}refused$/),
      expect.stringMatching(new RegExp(`^${url} {2}up {7}p2prx {2}\\d+ ms$`))
    ])
  })

  test('with --json gives one object a peer', async () => {
    const folder = await testFolder()
    const { url } = await serve(folder, 'files')
    await writeFile(join(folder, 'urls.txt'), `${url}\n`)
    const ended = await run(folder, ['peers', '--peers', 'urls.txt', '--json'])
    expect(jsonLines(ended.out)).toMatchObject([{ url, state: 'up', dialect: 'p2prx' }])
  })

  test('ends with 5 when nobody answers', async () => {
    const folder = await testFolder()
    const ended = await run(folder, ['peers', '--peer', 'http://127.0.0.1:1'])
    expect(ended.code).toBe(5)
    expect(ended.out).toBe('http://127.0.0.1:1  failing  refused\n')
    expect(ended.err).toMatch(/^p2p-rx: http:\/\/127\.0\.0\.1:1 cannot be reached\. .+\n$/)
  })
})
