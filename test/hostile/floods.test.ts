/** Floods against a peer in a process of its own (T3, T14, T18, T22). How long an honest neighbour waits is measured by `npm run bench -- hostile`. */
import { readFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import { call, callOf, calls, hellos, honest, silent, slow, startVictim } from '../../bench/hostile/floods.js'
import { MAX_KNOWN_PEERS } from '../../src/streams/directory-rules.js'
import { launch } from '../cli/program.js'
import { folder } from '../peer/network.js'
import { serverWith } from '../transport/http/peers.js'

const PATIENT = { timeout: 30_000 }
/** Calls beyond this are as good as a flood for what they leave in memory, and sooner over. */
const WARM_HELLOS = 10_000

async function victim(fetchSecret = '') {
  const dir = await folder({ 'small.txt': 'This is a test\n', 'large.bin': new Uint8Array(50_000_000) })
  const peer = await startVictim(dir, fetchSecret)
  onTestFinished(peer.kill)
  return peer
}

// What is open is counted in /proc, and other addresses of this machine are needed.
describe.runIf(process.platform === 'linux')('a peer under a flood', () => {
  test('of hellos, silent connections and slow clients answers others, and has nothing left of it', {
    timeout: 120_000
  }, async () => {
    const { port, measure, stop } = await victim()
    await hellos(port, WARM_HELLOS)
    ;(await silent(port, 500)).end()
    const base = await measure()

    const neighbours = [honest(port, { from: '127.0.0.2' }), honest(port, { from: '127.0.0.3' })]
    const slowOnes = slow(port, 500)
    const silentOnes = await silent(port, 2_000)
    const answered = await hellos(port, 30_000, { from: '127.0.0.4' })
    const during = await measure()
    const told = await Promise.all(neighbours.map((neighbour) => neighbour.stop()))
    slowOnes.end()
    silentOnes.end()

    expect(answered).toBe(30_000)
    expect(during.known).toBe(MAX_KNOWN_PEERS)
    for (const { times, failed } of told) {
      expect(times.length).toBeGreaterThan(10)
      expect(failed).toBe(0)
    }
    await expect.poll(async () => (await measure()).descriptors, PATIENT).toBeLessThanOrEqual(base.descriptors)
    const after = await measure()
    expect(Math.max(during.rssMiB, after.rssMiB) - base.rssMiB).toBeLessThan(32)
    expect(after.unhandled).toBe(0)
    expect(await stop()).toBe(0)
  })

  test('of silent connections from its own address answers a neighbour from there too', async () => {
    const { port } = await victim()
    const flood = await silent(port, 2_000)
    for (let nth = 0; nth < 10; nth++)
      expect(await call(port, callOf('query', 'small.txt'))).toContain('This is a test')
    flood.end()
  })

  test('of wrong secrets refuses every one, and takes the right one meanwhile', async () => {
    const { port, measure } = await victim('right')
    const flood = calls(port, 3_000, (nth) => callOf('fetch', 'small.txt', `wrong ${nth}`))
    // The file is here already, which is all that was wanted.
    for (let nth = 0; nth < 10; nth++)
      expect(await call(port, callOf('fetch', 'small.txt', 'right'))).toMatch(/<int>0<\/int>/)
    expect(await flood).toBe(3_000)
    for (const wrong of ['', 'righ', 'right ', 'RIGHT', 'x'.repeat(1_024)])
      expect(await call(port, callOf('fetch', 'small.txt', wrong))).toMatch(/<fault>[^]*<int>200<\/int>/)
    expect((await measure()).unhandled).toBe(0)
  })

  test('of bodies that unpack to a gigabyte, asked or answered, stays small', { timeout: 60_000 }, async () => {
    const { port, measure } = await victim()
    // As many small ones, one behind the other, are one to gunzip.
    const bomb = Buffer.concat(Array.from({ length: 1_000 }, () => gzipSync(Buffer.alloc(1_048_576))))
    const answered: (string | undefined)[] = []
    const { url } = await serverWith((request, response) => {
      answered.push(request.headers['accept-encoding'])
      request.resume()
      response.writeHead(200, { 'Content-Type': 'text/xml', 'Content-Encoding': 'gzip' }).end(bomb)
    })
    const base = await measure()
    for (let nth = 0; nth < 5; nth++) {
      const head = `POST /RPC2 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Encoding: gzip\r\nContent-Length: ${bomb.length}\r\n\r\n`
      expect(await call(port, head + bomb.toString('latin1'))).not.toContain('<params>')
    }
    await call(port, callOf('hello', url))
    await expect.poll(() => answered).toContain('identity')
    expect(await call(port, callOf('query', 'small.txt'))).toContain('This is a test')
    const after = await measure()
    expect(after.rssMiB - base.rssMiB).toBeLessThan(64)
    expect(after.unhandled).toBe(0)
  })
})

test.runIf(process.platform === 'linux')('a secret is in no log, no answer and no list of processes', async () => {
  const cwd = await folder({ secret: 'open sesame\n' })
  const running = launch(cwd, [
    'start',
    '--dir',
    'share',
    '--port',
    '0',
    '--no-shell',
    '--json',
    '--secret-file',
    'secret'
  ])
  const [, port = ''] = await running.seen('out', /"listening","url":"http:\/\/[^"]*:(\d+)"/)
  const answers = [
    await call(Number(port), callOf('fetch', 'nowhere.txt', 'open sesame')),
    await call(Number(port), callOf('fetch', '../x', 'open sesame')),
    await call(Number(port), callOf('fetch', 'share.txt', 'open sesame?')),
    await call(Number(port), callOf('fetch', 'open sesame', 'wrong')),
    await call(Number(port), callOf('open sesame', 'x'))
  ]
  const listed = await Promise.all(
    ['cmdline', 'environ'].map((what) => readFile(`/proc/${running.child.pid}/${what}`, 'utf8'))
  )
  running.child.kill('SIGTERM')
  const { out, err } = await running.ended
  expect(answers[0]).toMatch(/<int>100<\/int>/)
  expect([...answers.slice(0, 4), ...listed, err].join('\n')).not.toContain('open sesame')
  expect(out).not.toContain('open sesame?')
})
