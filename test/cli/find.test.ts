import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { jsonLines, launch, run, serve, testFolder } from './program.js'
import { onTerminal, python } from './pty.js'

/** A peer tells of a file that was just written a little later, and of its content when it is hashed. */
const PATIENT = { timeout: 10_000, interval: 200 }

/** Peers in a row, each with a folder of its own, the last of which is this user's: only that one is found without being named. */
async function inARow(...folders: readonly Record<string, string>[]) {
  const folder = await testFolder()
  const urls: string[] = []
  for (const [at, files] of folders.entries()) {
    const dir = `share-${at}`
    await mkdir(join(folder, dir))
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, dir, name)), { recursive: true })
      await writeFile(join(folder, dir, name), content)
    }
    const before = urls.at(-1)
    const isLast = at === folders.length - 1
    const args = [
      ...(before === undefined ? [] : ['--peer', before]),
      ...(isLast ? [] : ['--state-dir', `state-${at}`]),
      ...(at === 0 ? ['--search-content'] : [])
    ]
    urls.push((await serve(folder, dir, args)).url)
  }
  const hashed = async () => {
    const { out } = await run(folder, ['find', '**', '--json'])
    return jsonLines(out).filter(({ type, root }) => type === 'found' && root !== undefined).length
  }
  const contents = new Set(folders.flatMap((files) => Object.values(files)))
  await expect.poll(hashed, PATIENT).toBe(contents.size)
  return { folder, urls }
}

/** Takes connections, and says nothing. */
async function silent(): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => sockets.add(socket.on('error', () => undefined)))
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const FAR = { 'notes/report-1.txt': 'one\nbuy milk\nthree\n', 'same.txt': 'the same' }
const NEAR = { 'report-2.pdf': 'two', 'called otherwise.txt': 'the same' }

describe('find', () => {
  test('prints a line a hit, and says on stderr how much it was', async () => {
    const { folder, urls } = await inARow(FAR, NEAR, {})
    const ended = await run(folder, ['find', 'REPORT'])
    expect(ended.code).toBe(0)
    expect(ended.out.split('\n').sort()).toEqual([
      '',
      `notes/report-1.txt\t19\t${urls[0]}`,
      `report-2.pdf\t3\t${urls[1]}`
    ])
    expect(ended.err).toMatch(/^2 files from 2 peers in \d\.\d s\.\n$/)
  })

  test('understands words, globs, expressions, names and lines', async () => {
    const { folder } = await inARow(FAR, NEAR, {})
    const found = async (...args: string[]) => {
      const { out } = await run(folder, ['find', ...args])
      return out
        .split('\n')
        .flatMap((line) => (line === '' ? [] : [line.split('\t')[0]]))
        .sort()
    }
    expect(await found('1', 'report', 'notes')).toEqual(['notes/report-1.txt'])
    expect(await found('*.pdf')).toEqual(['report-2.pdf'])
    expect(await found('--regex', 'report-[0-9]\\.p')).toEqual(['report-2.pdf'])
    expect(await found('--name', 'called otherwise.txt')).toEqual(['called otherwise.txt'])
    expect(await found('--name', 'report-2')).toEqual([])
    expect(await found('--content', 'milk', 'buy')).toEqual(['notes/report-1.txt:2: buy milk'])
    expect(await found('--content', '--regex', '^t..ee$')).toEqual(['notes/report-1.txt:3: three'])
  })

  test('with --json tells of a file when it is first seen, and of its later holders', async () => {
    const { folder, urls } = await inARow(FAR, NEAR, {})
    const { out } = await run(folder, ['find', 'txt', '--json'])
    const lines = jsonLines(out)
    expect(lines).toContainEqual({
      type: 'found',
      key: expect.any(String) as string,
      name: 'notes/report-1.txt',
      size: 19,
      root: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      holders: [urls[0]],
      relays: [urls[1]],
      hops: 2
    })
    const same = lines.filter(({ holders }) => (holders as string[]).length === 1 && lines.length === 3)
    expect(same).toHaveLength(3)
    const later = lines.find(({ type }) => type === 'holder-found')
    expect(lines.find(({ type, key }) => type === 'found' && key === later?.key)).toMatchObject({ size: 8 })
  })

  test('stops at --limit and says so', async () => {
    const { folder } = await inARow(FAR, NEAR, {})
    const ended = await run(folder, ['find', '**', '--limit', '1'])
    expect(ended.out.split('\n')).toHaveLength(2)
    expect(ended.err).toMatch(/^1 file from 1 peer in .*\nStopped at 1; more with --limit\.\n$/)
  })

  test('finds through peers that are named, where none runs', async () => {
    const { folder, urls } = await inARow(FAR, {})
    const env = { HOME: join(folder, 'nobody') }
    expect((await run(folder, ['find', 'report', '--peer', urls[0] ?? ''], { env })).out).toContain('report-1.txt')
  })

  test('ends with 3 when nothing fits', async () => {
    const { folder } = await inARow(FAR, {})
    const ended = await run(folder, ['find', 'fooo'])
    expect(ended).toMatchObject({ code: 3, out: '' })
    expect(ended.err).toMatch(/^p2p-rx: Nothing fits fooo\. .+\n$/)
  })

  test('says so when not all have answered in time', async () => {
    const { folder, urls } = await inARow(FAR, {})
    const args = ['find', 'report', '--timeout', '1', '--peer', urls[0] ?? '', '--peer', await silent()]
    const ended = await run(folder, args)
    expect(ended).toMatchObject({ code: 0, out: expect.stringContaining('report-1.txt') as string })
    expect(ended.err).toMatch(/^1 file from 1 peer in .*\nNot all peers may have answered in time; .*\n$/)
  })

  test('ends with 130 when it is interrupted', async () => {
    const { folder, urls } = await inARow(FAR, {})
    const running = launch(folder, ['find', 'report', '--peer', urls[0] ?? '', '--peer', await silent()])
    await running.seen('out', /report-1/)
    running.child.kill('SIGINT')
    expect(await running.ended).toMatchObject({
      code: 130,
      err: expect.stringMatching(/^1 file from 1 peer/) as string
    })
  })

  test('with --trace draws who was asked by whom', async () => {
    const { folder, urls } = await inARow(FAR, NEAR, {})
    const ended = await run(folder, ['find', 'report-1', '--trace'])
    expect(ended.out.split('\n').slice(1)).toEqual([
      'you',
      expect.stringMatching(new RegExp(`^└─ ${urls[1]} {2}1 file in \\d+ ms$`)),
      expect.stringMatching(new RegExp(`^ {3}└─ ${urls[0]} {2}1 file in \\d+ ms$`)),
      ''
    ])
    const missed = await run(folder, ['find', 'fooo', '--trace', '--json'])
    expect(missed.code).toBe(3)
    const calls = jsonLines(missed.out).map(({ type, to, depth, outcome }) => ({ type, to, depth, outcome }))
    expect(calls).toHaveLength(2)
    expect(calls).toContainEqual({ type: 'call', to: urls[1], depth: 0, outcome: 'missed' })
    expect(calls).toContainEqual({ type: 'call', to: urls[0], depth: 1, outcome: 'missed' })
  })

  test('keeps the names for completion, for this user only', async () => {
    const { folder } = await inARow(FAR, {})
    await run(folder, ['find', 'report'])
    await run(folder, ['find', 'fooo'])
    const file = join(folder, '.local/state/p2p-rx/last-find')
    expect(await readFile(file, 'utf8')).toBe('notes/report-1.txt\n')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
  })

  test('escapes a name that could be taken for more than a field', async () => {
    const { folder, urls } = await inARow({ 'a\tb\nc\u202e.txt': 'x' }, {})
    expect((await run(folder, ['find', 'txt'])).out).toBe(`a\\x09b\\x0ac\\u{202e}.txt\t1\t${urls[0]}\n`)
    expect((await run(folder, ['ls', '--network'])).out).toBe('       1 B   1  a\\x09b\\x0ac\\u{202e}.txt\n')
  })
})

describe('query', () => {
  test('prints the first offer', async () => {
    const { folder, urls } = await inARow(FAR, {})
    const ended = await run(folder, ['query', 'same.txt'])
    expect(ended).toMatchObject({ code: 0, err: '' })
    expect(ended.out).toMatch(
      new RegExp(`^name {4}same.txt\nsize {4}8 B\nroot {4}[0-9a-f]{64}\nholder {2}${urls[0]}\n$`)
    )
    expect(jsonLines((await run(folder, ['query', 'same.txt', '--json'])).out)).toMatchObject([
      { type: 'offer', name: 'same.txt', size: 8, holders: [urls[0]] }
    ])
  })

  test('with --trace draws who was asked, also when nobody has it', async () => {
    const { folder, urls } = await inARow(FAR, {})
    const found = await run(folder, ['query', 'same.txt', '--trace'])
    expect(found.code).toBe(0)
    expect(found.out).toMatch(new RegExp(`^you\n└─ ${urls[0]} {2}1 file in \\d+ ms\nname {4}same.txt\n`))
    const missed = await run(folder, ['query', 'fooo', '--trace'])
    expect(missed.code).toBe(3)
    expect(missed.out).toMatch(new RegExp(`^you\n└─ ${urls[0]} {2}nothing, \\d+ ms\n$`))
    expect(missed.err).toMatch(/^p2p-rx: Couldn't find the file fooo\. .+\n$/)
  })
})

describe('ls --network', () => {
  test('lists all in reach with the number of copies, and their other names', async () => {
    const { folder, urls } = await inARow(FAR, NEAR, {})
    const ended = await run(folder, ['ls', '--network'])
    const [first, second] = ended.out.includes(' 2  same.txt')
      ? ['same.txt', 'called otherwise.txt']
      : ['called otherwise.txt', 'same.txt']
    expect(ended.out.split('\n')).toEqual(
      expect.arrayContaining([`       8 B   2  ${first}`, `                also ${second}`])
    )
    expect(ended.out).toContain('      19 B   1  notes/report-1.txt\n')
    expect(ended.err).toBe('3 files (30 B) at 2 peers; 2 of them (22 B) at one only; 1 under several names.\n')
    const { out } = await run(folder, ['ls', '--network', '--json'])
    expect(jsonLines(out)).toContainEqual(
      expect.objectContaining({ name: 'report-2.pdf', size: 3, copies: 1, holders: [urls[1]] })
    )
  })

  test('with --rare lists what one peer has, peer by peer', async () => {
    const { folder, urls } = await inARow(FAR, NEAR, {})
    const { out } = await run(folder, ['ls', '--rare', '--network'])
    const rows = [`      19 B  ${urls[0]}  notes/report-1.txt`, `       3 B  ${urls[1]}  report-2.pdf`]
    expect(out.split('\n').sort()).toEqual(['', ...rows].sort())
    expect((await run(folder, ['ls', '--rare', '--json'])).out.split('\n')).toHaveLength(3)
  })

  test('leaves a network in the environment, or beside a peer, what it was', async () => {
    const { folder, urls } = await inARow(FAR, { 'mine.txt': 'mine' })
    const env = { P2PRX_NETWORK: 'work' }
    expect((await run(folder, ['ls'], { env })).out).toBe('       4 B  mine.txt\n')
    const theirs = await run(folder, ['ls', '--peer', urls[0] ?? '', '--network', 'work'])
    expect(theirs.out).toContain('       8 B  same.txt\n')
    expect(theirs.out).not.toContain('mine')
    // A network is named in which no peer of this user runs.
    expect((await run(folder, ['ls', '--network', 'work'])).code).toBe(2)
  })
})

describe.skipIf(python === undefined)('on a terminal', () => {
  test('find draws a table, which is there whole at the end', async () => {
    const { folder, urls } = await inARow(FAR, NEAR, {})
    const { out, code } = await onTerminal(folder, ['find', 'report']).ended
    expect(code).toBe(0)
    const lines = out.split('\r\n')
    expect(lines).toContainEqual(expect.stringMatching(/^.*SIZE {2}COPIES {2}HOPS {2}WHO +NAME$/))
    expect(lines).toContain(`      19 B       1     2  ${(urls[0] ?? '').slice(7).padEnd(26)}  notes/report-1.txt`)
    expect(out).toMatch(/2 files from 2 peers in \d\.\d s\.\r\n$/)
  })

  test('the table is drawn while others are waited for', async () => {
    const { folder, urls } = await inARow(FAR, {})
    const running = onTerminal(folder, ['find', 'report', '--peer', urls[0] ?? '', '--peer', await silent()])
    await running.seen('out', /report-1\.txt/)
    running.child.stdin.write('\x03')
    const { out, code } = await running.ended
    expect(code).toBe(130)
    // Drawn, taken away, and printed.
    expect(out.match(/notes\/report-1\.txt/g)?.length).toBeGreaterThan(1)
    expect(out.lastIndexOf('\x1b[?25h')).toBeGreaterThan(out.lastIndexOf('\x1b[?25l'))
  })

  test('the shell finds, and completes get with what was found', async () => {
    const { folder, urls } = await inARow(FAR, {})
    const dir = join(folder, 'shell')
    await mkdir(dir)
    const args = ['start', '--dir', 'shell', '--port', '0', '--state-dir', 'state-shell', '--peer', urls[0] ?? '']
    const running = onTerminal(folder, args)
    await running.seen('out', /> /)
    running.child.stdin.write('find report\r')
    await running.seen('out', /notes\/report-1\.txt\r\n(?:.*\r\n)*.*1 file from 1 peer in/)
    // Only the last key of several at once is taken for more than a letter.
    running.child.stdin.write('get no\t')
    await running.seen('out', /get notes\/report-1\.txt|tes\/report-1\.txt$/)
    running.child.stdin.write('\r')
    await running.seen('out', /Fetched notes\/report-1\.txt/)
    running.child.stdin.write('find fooo\r')
    await running.seen('out', /Nothing fits fooo\./)
    running.child.stdin.write('exit\r')
    expect((await running.ended).code).toBe(0)
    expect(await readFile(join(dir, 'notes/report-1.txt'), 'utf8')).toContain('milk')
  })
})
