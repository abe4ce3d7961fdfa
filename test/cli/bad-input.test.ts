import { spawn } from 'node:child_process'
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { environment, PROGRAM, run, testFolder, watch } from './program.js'

/** One clear sentence, what to do next, and no stack. */
const SENTENCE = /^p2p-rx: \S.*[.?!)] \S.*\.\n$/

async function withTraps() {
  const folder = await testFolder()
  await mkdir(join(folder, 'files'))
  await symlink('files', join(folder, 'link'))
  await writeFile(join(folder, 'a-file'), 'not a folder')
  await writeFile(join(folder, 'peers.txt'), '# friends\nhttp://127.0.0.1:4242\nhtp:/x\n')
  await writeFile(join(folder, 'empty'), '\n')
  await writeFile(join(folder, 'long'), 'x'.repeat(10_000))
  return folder
}

const START = ['start', '--dir', 'files', '--port', '0']

describe('bad input gets one sentence, what to do next, and its exit code', () => {
  test.each([
    ['a file in place of the folder', ['start', '--dir', 'a-file', '--port', '0'], 9, /a-file/],
    ['a folder below a file', ['start', '--dir', 'a-file/below', '--port', '0'], 9, /a-file\/below/],
    ['a file in place of the folder of ls', ['ls', '--dir', 'a-file'], 9, /a-file is a file, not a folder/],
    ['a missing folder of ls', ['ls', '--dir', 'nowhere'], 9, /nowhere: it is not there/],
    ['a file in place of the folder of get', ['get', 'x', '--peer', 'http://127.0.0.1:1', '-o', 'a-file'], 9, /a-file/],
    ['a malformed --peer', [...START, '--peer', 'htp:/x'], 2, /"htp:\/x" is not the URL of a peer/],
    ['a malformed --url', [...START, '--url', 'htp:/x'], 2, /"htp:\/x" is not the URL of a peer/],
    ['a malformed --peer of ls', ['ls', '--peer', 'nobody'], 2, /"nobody" is not the URL of a peer/],
    ['its own URL as --peer', [...own(), '--peer', 'http://127.0.0.1:42429'], 2, /is this peer itself/],
    ['an alias of itself as --peer', [...own(), '--peer', 'http://localhost:42429/'], 2, /is this peer itself/],
    ['a peers file with a bad line', [...START, '--peers', 'peers.txt'], 2, /peers\.txt line 3: "htp:\/x"/],
    [
      'the state in the shared folder',
      [...START, '--state-dir', 'files/new/state'],
      2,
      /files\/new\/state lies in the/
    ],
    [
      'the secrets of networks in the shared folder',
      ['start', '--dir', '..', '--port', '0', '--state-dir', '/elsewhere'],
      2,
      /The secrets of your networks .* lie in the shared folder \.\./
    ],
    [
      'the state behind a link',
      [...START, '--state-dir', 'link/state'],
      2,
      /link\/state lies in the shared folder files/
    ],
    ['a missing peers file', [...START, '--peers', 'nothing.txt'], 2, /Cannot read nothing\.txt: it is not there/],
    ['a folder as peers file', [...START, '--peers', 'files'], 2, /Cannot read files: it is a folder/],
    ['a missing secret file', [...START, '--secret-file', 'nothing'], 2, /Cannot read nothing: it is not there/],
    ['an empty secret file', [...START, '--secret-file', 'empty'], 2, /secret file empty is empty/],
    ['a long secret file', [...START, '--secret-file', 'long'], 2, /long is longer than 8192 bytes/],
    ['a port that is a word', ['start', '--dir', 'files', '--port', 'http'], 2, /whole number from 0 to 65535/],
    ['a port too high', ['start', '--dir', 'files', '--port', '65536'], 2, /whole number from 0 to 65535/],
    ['a negative port', ['start', '--dir', 'files', '--port=-1'], 2, /whole number from 0 to 65535/],
    ['an address nobody can call', [...START, '--host', '0.0.0.0'], 2, /Nobody can call back the address 0\.0\.0\.0/],
    ['a host of somebody else', [...START, '--host', '192.0.2.1'], 5, /192\.0\.2\.1/],
    ['an empty host', [...START, '--host', ''], 2, /host to listen on is empty/],
    ['an empty name of a folder', ['start', '--dir', ''], 2, /No folder is named/],
    ['nobody at home', ['get', 'x', '--peer', 'http://127.0.0.1:1'], 5, /none of the known peers answered/],
    [
      'a pattern and nobody at home',
      ['find', 'x', '--peer', 'http://127.0.0.1:1'],
      5,
      /none of the known peers answered/
    ],
    [
      'a query and nobody at home',
      ['query', 'x', '--peer', 'http://127.0.0.1:1'],
      5,
      /none of the known peers answered/
    ],
    ['a network and nobody at home', ['ls', '--network', '--peer', 'http://127.0.0.1:1'], 5, /none of the known peers/],
    ['nobody to look at', ['find', 'x'], 2, /nobody to ask\. Name a peer with --peer/],
    ['a network with nobody in it', ['ls', '--network'], 2, /nobody to ask\. Name a peer with --peer/],
    ['a network nobody is in', ['ls', '--network', 'no/network'], 2, /no\/network/],
    ['no pattern', ['find'], 2, /pattern/],
    ['an empty pattern', ['find', ' ', '--peer', 'http://127.0.0.1:1'], 2, /pattern is empty/],
    ['an endless pattern', ['find', 'x'.repeat(5_000), '--peer', 'http://127.0.0.1:1'], 2, /pattern is too long/],
    ['half an expression', ['find', '[a', '--regex', '--peer', 'http://127.0.0.1:1'], 2, /expression cannot be read/],
    ['a name and an expression', ['find', 'x', '--name', '--regex'], 2, /--name, or --regex and --content/],
    ['a name in the lines of files', ['find', 'x', '--name', '--content'], 2, /--name, or --regex and --content/],
    ['a limit of none', ['find', 'x', '--limit', '0'], 2, /whole number from 1 to 250000/],
    ['a limit of too many', ['find', 'x', '--limit', '250001'], 2, /whole number from 1 to 250000/],
    ['a limit that is a word', ['find', 'x', '--limit', 'all'], 2, /whole number from 1 to 250000/],
    ['no time to find', ['find', 'x', '--timeout', '0'], 2, /number of seconds/],
    ['no name to query', ['query'], 2, /name/],
    ['a query out of the share', ['query', '../x', '--peer', 'http://127.0.0.1:1'], 4, /"\.\.\/x"/],
    ['the completion of no shell', ['completion', 'constructor'], 2, /no completion for constructor\. Say bash, zsh/],
    ['no folder', ['start'], 2, /--dir/],
    ['nobody to ask', ['get', 'x'], 2, /nobody to ask\. Name a peer with --peer/],
    ['nobody to greet', ['peers'], 2, /nobody to ask\. Name a peer with --peer/],
    ['no name', ['get', '--peer', 'http://127.0.0.1:1'], 2, /name/],
    ['a name outside the share', ['get', '../x', '--peer', 'http://127.0.0.1:1'], 4, /"\.\.\/x"/],
    ['events and a file on one stdout', ['get', 'x', '--peer', 'http://127.0.0.1:1', '-o', '-', '--json'], 2, /--json/],
    ['no number of seconds', ['get', 'x', '--timeout', 'soon'], 2, /number of seconds/],
    ['a cap that is a word', [...START, '--up', 'fast'], 2, /--up <rate>.*A rate is bytes a second/],
    ['a cap below nothing', [...START, '--down=-1'], 2, /A rate is bytes a second/],
    ['a cap per peer with a unit nobody has', [...START, '--up-per-peer', '2X'], 2, /A rate is bytes a second/],
    ['a cap per peer of nothing typed', [...START, '--down-per-peer', ''], 2, /A rate is bytes a second/],
    ['a cap in power notation', [...START, '--up', '1e6'], 2, /A rate is bytes a second/],
    ['no slots', [...START, '--slots', '0'], 2, /whole number from 1 to 384/],
    ['half a slot', [...START, '--slots', '1.5'], 2, /whole number from 1 to 384/],
    ['a cache that is a word', [...START, '--cache', 'big'], 2, /A size is a number of bytes/],
    ['a cache that nobody has', [...START, '--cache', '99999999T'], 2, /A size is a number of bytes/],
    ['a cap of get that is a word', ['get', 'x', '--down', 'fast'], 2, /A rate is bytes a second/],
    ['two ways with what exists', ['get', 'x', '--skip', '--overwrite'], 2, /--overwrite and --skip contradict/],
    ['three ways with what exists', ['get', 'x', '--skip', '--rename', '--overwrite'], 2, /contradict/],
    ['several files on stdout', ['get', 'x', 'y', '-o', '-', '--peer', 'http://127.0.0.1:1'], 2, /one file can go/],
    [
      'a peer and a state folder',
      ['get', 'x', '--peer', 'http://127.0.0.1:1', '--state-dir', 's'],
      2,
      /other peers or the one that runs/
    ],
    ['a state folder and a peer to list', ['ls', '--state-dir', 's', '--peer', 'http://127.0.0.1:1'], 2, /not both/],
    ['a state folder nobody uses', ['get', 'x', '--state-dir', 's'], 2, /no peer runs with the state folder s/],
    ['a name for status', ['status', 'x'], 2, /too many arguments/],
    ['a folder and a peer to list', ['ls', '--dir', 'files', '--peer', 'http://127.0.0.1:1'], 2, /not both/],
    ['a misspelt command', ['strat'], 2, /unknown command 'strat' \(Did you mean start\?\)/],
    ['a misspelt flag', ['start', '--dirr', 'x'], 2, /unknown option '--dirr' \(Did you mean --dir\?\)/]
  ])('%s', async (_, args, code, message) => {
    const folder = await withTraps()
    const ended = await run(folder, args)
    expect(ended.err).toMatch(message)
    expect(ended.err).toMatch(SENTENCE)
    expect(ended).toMatchObject({ code, out: '' })
  })

  test('a port in use', async () => {
    const folder = await withTraps()
    const server = createServer()
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    onTestFinished(() => void server.close())
    const { port } = server.address() as { port: number }
    const ended = await run(folder, ['start', '--dir', 'files', '--port', String(port)])
    expect(ended.err).toMatch(new RegExp(`${port}.*--port`))
    expect(ended.err).toMatch(SENTENCE)
    expect(ended).toMatchObject({ code: 5, out: '' })
  })

  // Root may read everything, so the program runs as somebody else where the tests run as root.
  const asRoot = process.getuid?.() === 0
  test.skipIf(process.platform === 'win32')('a folder that cannot be read', async (context) => {
    const folder = await withTraps()
    await chmod(folder, 0o755)
    await chmod(join(folder, 'files'), 0o000)
    const nobody = asRoot ? { uid: 65_534, gid: 65_534 } : {}
    const node = watch(spawn(process.execPath, ['-e', `import(${JSON.stringify(PROGRAM)})`, '--', '--version'], nobody))
    if (
      await node.ended.then(
        ({ code }) => code !== 0,
        () => true
      )
    )
      context.skip('another user cannot run node or this program here')
    const env = environment(folder)
    const child = spawn(process.execPath, [PROGRAM, ...START], { cwd: folder, env, ...nobody })
    const ended = await watch(child).ended
    expect(ended.err).toMatch(/files cannot be read/)
    expect(ended.err).toMatch(SENTENCE)
    expect(ended.code).toBe(9)
  })
})

function own(): string[] {
  return ['start', '--dir', 'files', '--port', '0', '--url', 'http://127.0.0.1:42429']
}

test('help and version go to stdout and end with 0', async () => {
  const folder = await testFolder()
  const help = await run(folder, ['--help'])
  expect(help).toMatchObject({ code: 0, err: '' })
  for (const command of ['start', 'get', 'ls', 'peers', 'status']) expect(help.out).toContain(command)
  const startHelp = await run(folder, ['help', 'start'])
  expect(startHelp.out).toContain('P2PRX_SECRET_FILE')
  const version = await run(folder, ['--version'])
  expect(version).toMatchObject({ code: 0, err: '' })
  expect(version.out).toMatch(/^\d+\.\d+\.\d+\n$/)
})
