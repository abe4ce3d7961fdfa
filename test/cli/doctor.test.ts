import { spawn } from 'node:child_process'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { formatInvite } from '../../src/index.js'
import { annAndBob, person } from '../network/people.js'
import { environment, jsonLines, PROGRAM, run, serve, testFolder, watch } from './program.js'

const PATIENT = { timeout: 10_000, interval: 100 }
/** Only this machine, so that nobody is looked for nearby. */
const HERE = ['--host', '127.0.0.1', '--port', '0']

const bad = (out: string) => jsonLines(out).filter(({ level }) => level === 'bad')

/** A port on which somebody else listens. */
async function taken(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  return (server.address() as AddressInfo).port
}

describe('beside a peer that runs', () => {
  test('all is well: who we are, where we are reached, and who is there', async () => {
    const { ann, annsPeer } = await annAndBob()
    await expect.poll(async () => (await ann.peers()).map(({ state }) => state), PATIENT).toEqual(['up'])
    const { code, out, err } = await ann.run(['doctor'])
    expect([code, err], out).toEqual([0, 'All is well.\n'])
    expect(out).toContain(`The peer at ${annsPeer.url} runs.`)
    expect(out).toMatch(
      /^ok {4}network {4}A member of the private network default; this peer is [0-9a-f]{64} there\.$/m
    )
    expect(out).toMatch(/^ok {4}peer {7}https:\/\/127\.0\.0\.1:\d+ answers\.$/m)
    expect(out).not.toContain(await ann.secret())
  })

  test('a peer that has ended is told, by its address and its id', async () => {
    const { ann, bobsPeer } = await annAndBob()
    await expect.poll(async () => (await ann.peers())[0]?.state, PATIENT).toBe('up')
    const [known] = await ann.peers()
    bobsPeer.child.kill('SIGKILL')
    await bobsPeer.ended
    // It is asked for a file, and found to be away.
    await ann.run(['get', 'fooo'])
    const { code, out } = await ann.run(['doctor', '--json'])
    expect(code).toBe(5)
    expect(bad(out)).toEqual([
      expect.objectContaining({ check: 'peer', url: bobsPeer.url, id: known?.id, reason: 'refused' })
    ])
    const status = (await ann.run(['status'])).out
    expect(status).toMatch(
      / {2}fails {6}its computer is there, but nobody listens at that port\n {2}last seen {2}\d+ s ago\n$/
    )
    expect((await ann.run(['peers', '-v'])).out).toContain(known?.id)
  })

  test('a member of another network is told from one that is away', async () => {
    const [ann, eve] = [await person(), await person()]
    const evesPeer = await eve.start()
    await ann.start(['--peer', evesPeer.url])
    await expect.poll(async () => (await ann.peers())[0]?.state, PATIENT).toBe('failing')
    const { code, out } = await ann.run(['doctor'])
    expect(code).toBe(5)
    expect(out).toContain(`${evesPeer.url} cannot be used: it speaks TLS, but is in another network`)
  })
})

describe('where no peer runs', () => {
  test('a port in use is told, in words and in the exit code', async () => {
    const folder = await testFolder()
    const port = await taken()
    const ended = await run(folder, ['doctor', '--dir', folder, '--port', `${port}`])
    expect(ended).toMatchObject({ code: 5, err: 'One thing does not work.\n' })
    expect(ended.out).toMatch(new RegExp(`^bad {3}port {7}Port ${port} of 127.0.0.1 is in use by .*--port`, 'm'))
  })

  test('a folder that is a file is told', async () => {
    const folder = await testFolder()
    await writeFile(join(folder, 'file'), '')
    const { code, out } = await run(folder, ['doctor', '--dir', 'file', '--port', '0', '--json'])
    expect([code, bad(out).map(({ check }) => check)]).toEqual([5, ['folder']])
  })

  test.skipIf(process.platform === 'win32')('a folder that cannot be read is told', async () => {
    const folder = await testFolder()
    await mkdir(join(folder, 'closed'))
    await chmod(join(folder, 'closed'), 0)
    await chmod(folder, 0o755)
    onTestFinished(() => chmod(join(folder, 'closed'), 0o700))
    // Rights do not count for root.
    const asNobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
    const args = [PROGRAM, 'doctor', '--dir', join(folder, 'closed'), '--port', '0', '--json']
    const child = spawn(process.execPath, args, { cwd: folder, env: environment(folder), ...asNobody })
    const { code, out, err } = await watch(child).ended
    expect([code, bad(out).map(({ check }) => check)], err).toEqual([5, ['folder']])
    expect(out).toContain('cannot be read')
  })

  test('members that were met are tried: the one that is there, the one that has gone', async () => {
    const { ann, annsPeer, bobsPeer } = await annAndBob()
    await expect.poll(async () => (await ann.peers())[0]?.state, PATIENT).toBe('up')
    annsPeer.child.kill('SIGTERM')
    await annsPeer.ended
    const well = await ann.run(['doctor', '--dir', 'files', ...HERE])
    expect([well.code, well.err], well.out).toEqual([0, 'All is well.\n'])
    expect(well.out).toContain(`${bobsPeer.url} answers.`)

    bobsPeer.child.kill('SIGTERM')
    await bobsPeer.ended
    const gone = await ann.run(['doctor', '--dir', 'files', ...HERE, '--json'])
    expect(gone.code).toBe(5)
    expect(bad(gone.out)).toMatchObject([{ check: 'peer', url: bobsPeer.url, reason: 'refused' }])
  })

  test('an invite that leads to another network, and a name that leads nowhere, are told', async () => {
    const [ann, eve] = [await person(), await person()]
    const { url } = await eve.start()
    const invite = formatInvite({ addresses: [url], name: 'default', secret: new Uint8Array(32).fill(9) })
    await ann.run(['join'], invite)
    const nowhere = 'https://nowhere.invalid:4242'
    const { code, out } = await ann.run(['doctor', ...HERE, '--peer', nowhere, '--json'])
    expect(code).toBe(5)
    const reasons = new Map(bad(out).map((finding) => [finding.url, finding.reason]))
    expect(reasons).toEqual(
      new Map([
        [url, 'other-network'],
        [nowhere, 'no-name']
      ])
    )
  })

  test('a private peer that is asked in the clear, and an open one over TLS', async () => {
    const ann = await person()
    const folder = await testFolder()
    const { url } = await serve(folder, 'open')
    await ann.start(['--peer', url.replace('http:', 'https:')])
    await expect.poll(async () => (await ann.peers())[0]?.state, PATIENT).toBe('failing')
    expect(bad((await ann.run(['doctor', '--json'])).out)).toMatchObject([{ check: 'peer', reason: 'no-tls' }])
  })

  test('a peer whose clock is an hour ahead works, and is told of', async () => {
    const folder = await testFolder()
    const { url } = await serve(folder, 'files')
    const ahead = await hourAhead(url)
    const { code, out } = await run(folder, ['doctor', '--state-dir', 'none', '--port', '0', '--peer', ahead])
    expect(code, out).toBe(0)
    expect(out).toMatch(/^note {2}peer {7}The clock of \S+ is (1 h 0 min|59 min \d+ s) ahead of/m)
  })
})

/** Passes calls on to a peer, and says another time than its own. */
async function hourAhead(target: string): Promise<string> {
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method = 'POST', url = '/' } = request
      const headers = { 'Content-Type': 'text/xml' }
      fetch(`${target}${url}`, { method, headers, body: Buffer.concat(chunks) }).then(
        async (answer) => {
          response.setHeader('Date', new Date(Date.now() + 3_600_000).toUTCString())
          response.setHeader('Content-Type', 'text/xml').end(Buffer.from(await answer.arrayBuffer()))
        },
        () => response.destroy()
      )
    })
  }).listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  await new Promise((resolve) => server.once('listening', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
