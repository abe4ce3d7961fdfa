/** TinyP2P networks of Python peers and p2p-rx: each as a server and as a client of the other. */
import { createHmac } from 'node:crypto'
import { mkdir, readdir, readFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { lastValueFrom, toArray } from 'rxjs'
import { afterEach, describe, expect, test } from 'vitest'
import { fetchTiny, type TinyEvent, type TinyOptions } from '../../src/index.js'
import { Field } from './harness.js'
import { errorCode, startPeer } from './our-peer.js'
import { describeWithPythons } from './pythons.js'
import { callOf, faultReply, post, reply } from './raw.js'
import {
  cannedTiny,
  list,
  ORIGINAL_PASSWORD,
  originalServer,
  PASSWORD,
  string,
  tinyClient,
  tinyServer,
  withNames
} from './tiny-network.js'

const field = new Field()
afterEach(field.clear)

const proof = (url: string, password = PASSWORD) => createHmac('md5', password).update(url).digest('hex')

const int = (n: number) => `<value><int>${n}</int></value>`

/** What `f` answers, without the markup around. */
async function f(url: string, n: string, argument: string, given = proof(url)): Promise<string> {
  const { body } = await post(new URL('/RPC2', url).href, callOf('f', string(given), n, argument))
  return body
}

const stringsIn = (body: string) => [...body.matchAll(/<string>([^<]*)<\/string>/g)].map(([, value]) => value)

const get = (options: Omit<TinyOptions, 'password' | 'pattern'> & Partial<TinyOptions>): Promise<TinyEvent[]> =>
  lastValueFrom(fetchTiny({ password: PASSWORD, pattern: '', ...options }).pipe(toArray()))

const fetched = (events: readonly TinyEvent[]) =>
  events.flatMap((event) => (event.type === 'fetched' ? [event.name] : [])).sort()
const failed = (events: readonly TinyEvent[]) =>
  events.flatMap((event) => (event.type === 'failed' ? [[event.name ?? event.url, event.code]] : [])).sort()

describeWithPythons('a TinyP2P network', (python) => {
  test('has p2p-rx among its servers, whom all join, and every client sees all files', async () => {
    const us = await startPeer(field, {
      files: { 'ours.txt': 'ours', 'folder/deep.txt': 'deep' },
      tinyPassword: PASSWORD
    })
    const one = await tinyServer(field, python, { files: { 'one.txt': 'one' }, other: us.url })
    const two = await tinyServer(field, python, { files: { 'two.txt': 'two' }, other: us.url })
    const three = await tinyServer(field, python, { files: { 'three.txt': 'three', 'three.md': '' }, other: two.url })
    for (const server of [us.url, one.url, two.url, three.url]) {
      const dir = await field.folder({ 'two.txt': 'mine' })
      const { code, complaints } = await tinyClient(field, python, dir, { server, pattern: String.raw`\.txt$` })
      expect([code, complaints]).toEqual([0, ''])
      expect((await readdir(dir)).sort()).toEqual(['one.txt', 'ours.txt', 'three.txt', 'two.txt'])
      expect(await readFile(join(dir, 'ours.txt'), 'utf8')).toBe('ours')
      // What was there before stays.
      expect(await readFile(join(dir, 'two.txt'), 'utf8')).toBe('mine')
    }
  })

  test('gives p2p-rx all that fits and is not here yet, from all servers', async () => {
    const one = await tinyServer(field, python, { files: { 'one.txt': 'one', both: 'both', 'one.md': '' } })
    const two = await tinyServer(field, python, { files: { 'two.txt': 'a\nb <&>\n', both: 'both' }, other: one.url })
    const us = await startPeer(field, {
      files: { 'ours.txt': 'ö\r\n', bytes: Uint8Array.of(0, 255, 13, 10) },
      tinyPassword: PASSWORD
    })
    const three = await tinyServer(field, python, { files: { 'three.txt': '' }, other: two.url })
    // It joins the network by way of us, and tells us of itself alone.
    const four = await tinyServer(field, python, { files: { 'four.txt': 'four' }, other: us.url })
    const dir = await field.folder({ 'one.txt': 'mine' })
    expect(fetched(await get({ url: two.url, pattern: 'txt|both', dir }))).toEqual(['both', 'three.txt', 'two.txt'])
    expect(await readFile(join(dir, 'two.txt'), 'utf8')).toBe('a\nb <&>\n')
    expect(await readFile(join(dir, 'one.txt'), 'utf8')).toBe('mine')
    expect(fetched(await get({ url: four.url, pattern: '', dir }))).toEqual(['bytes', 'four.txt', 'ours.txt'])
    expect(await readFile(join(dir, 'ours.txt'), 'utf8')).toBe('ö\r\n')
    expect([...(await readFile(join(dir, 'bytes')))]).toEqual([0, 255, 13, 10])
    // Nothing is left of the way they came.
    expect((await readdir(dir)).sort()).toEqual(
      ['both', 'bytes', 'four.txt', 'one.txt', 'ours.txt', 'three.txt', 'two.txt'].sort()
    )
    expect(await get({ url: three.url, pattern: 'nothing', dir })).toEqual([
      expect.objectContaining({ type: 'listed', files: 0 }),
      expect.objectContaining({ type: 'listed', files: 0 }),
      expect.objectContaining({ type: 'listed', files: 0 })
    ])
  })

  test('refuses a wrong password with False, in both directions', async () => {
    const us = await startPeer(field, { files: { 'ours.txt': 'ours' }, tinyPassword: PASSWORD })
    const dir = await field.folder()
    const wrong = await tinyClient(field, python, dir, { server: us.url, password: 'wrong' })
    expect([wrong.code, wrong.complaints]).toEqual([
      1,
      expect.stringMatching(/TypeError: 'bool' object is not iterable/)
    ])
    await expect(tinyServer(field, python, { other: us.url, password: 'wrong' })).rejects.toThrow('TypeError')
    const server = await tinyServer(field, python)
    expect(await errorCode(fetchTiny({ url: server.url, password: 'wrong', pattern: '', dir }))).toBe('DENIED')
    // The right one, for another spelling.
    expect(await errorCode(fetchTiny({ url: `${server.url}/`, password: PASSWORD, pattern: '', dir }))).toBe('DENIED')
    expect(await readdir(dir)).toEqual([])
  })

  test('may have one server only, also one that does not know of itself', async () => {
    const us = await startPeer(field, { files: { 'ours.txt': 'ours' }, tinyPassword: PASSWORD })
    const dir = await field.folder()
    expect((await tinyClient(field, python, dir, { server: us.url })).code).toBe(0)
    expect(await readdir(dir)).toEqual(['ours.txt'])
    for (const lonely of [false, true]) {
      const server = await tinyServer(field, python, { files: { 'one.txt': 'one' }, lonely })
      expect(fetched(await get({ url: server.url, dir: await field.folder() }))).toEqual(['one.txt'])
    }
  })

  test('goes on after a directory in a share, and p2p-rx does not list its own', async () => {
    const server = await tinyServer(field, python, { files: { 'b/deep.txt': '', 'a.txt': 'a', 'c.txt': 'c' } })
    const dir = await field.folder()
    const events = await get({ url: server.url, dir })
    expect(fetched(events)).toEqual(['a.txt', 'c.txt'])
    expect(failed(events)).toEqual([['b', 'NOT_FOUND']])
    expect((await readdir(dir)).sort()).toEqual(['a.txt', 'c.txt'])

    const share = await field.folder({ 'b/deep.txt': '', 'a.txt': 'a', 'c.txt': 'c' })
    await mkdir(join(share, 'empty'))
    await symlink('/etc/hostname', join(share, 'link'))
    const us = await startPeer(field, { dir: share, tinyPassword: PASSWORD })
    const theirs = await field.folder()
    expect(await tinyClient(field, python, theirs, { server: us.url })).toEqual({ code: 0, complaints: '' })
    expect((await readdir(theirs)).sort()).toEqual(['a.txt', 'c.txt'])
  })

  test('says what is wrong with a pattern', async () => {
    const server = await tinyServer(field, python, { files: { 'a.txt': 'a' } })
    const dir = await field.folder()
    const events = await get({ url: server.url, dir, pattern: '*' })
    expect(events).toEqual([
      {
        type: 'failed',
        url: server.url,
        code: 'BAD_PATTERN',
        message: expect.stringContaining('nothing to repeat') as string
      }
    ])
    const us = await startPeer(field, { files: { 'a.txt': 'a' }, tinyPassword: PASSWORD })
    const theirs = await tinyClient(field, python, await field.folder(), { server: us.url, pattern: '*' })
    expect(theirs.complaints).toMatch(/<Fault 1: '?"?nothing to repeat/)
  })

  test('has servers that have gone, and the others are asked', async () => {
    const one = await tinyServer(field, python, { files: { 'one.txt': 'one' } })
    await f(one.url, int(0), list(string('http://127.0.0.1:1'), string('http://127.0.0.1:2')))
    const events = await get({ url: one.url, dir: await field.folder() })
    expect(fetched(events)).toEqual(['one.txt'])
    expect(failed(events)).toEqual([
      ['http://127.0.0.1:1', 'NETWORK'],
      ['http://127.0.0.1:2', 'NETWORK']
    ])
  })
})

/** The author's fifteen lines, if whoever runs the tests has them: their licence keeps them from being here. */
const original = process.env['P2PRX_TINYP2P']

describeWithPythons('the original', (python) => {
  test.runIf(original !== undefined && python.major === 2)('joins, serves and gets as the others do', async () => {
    const program = original ?? ''
    const us = await startPeer(field, { files: { 'ours.txt': 'ours' }, tinyPassword: ORIGINAL_PASSWORD })
    const one = await originalServer(field, python, program, { files: { 'one.txt': 'one' }, other: us.url })
    const two = await originalServer(field, python, program, { files: { 'two.txt': 'two' }, other: one.url })
    for (const server of [us.url, one.url, two.url]) {
      const theirs = await field.folder()
      const password = ORIGINAL_PASSWORD
      expect((await tinyClient(field, python, theirs, { program, server, pattern: 'txt$', password })).code).toBe(0)
      const ours = await field.folder()
      await get({ url: server, dir: ours, pattern: 'txt$', password })
      for (const dir of [theirs, ours]) expect((await readdir(dir)).sort()).toEqual(['one.txt', 'ours.txt', 'two.txt'])
    }
    const alone = await originalServer(field, python, program, { files: { 'one.txt': 'one' } })
    expect(fetched(await get({ url: alone.url, dir: await field.folder(), password: ORIGINAL_PASSWORD }))).toEqual([
      'one.txt'
    ])
  })
})

describe('as a server of a TinyP2P network', () => {
  test('a peer has no method f without a password for it', async () => {
    const { url } = await startPeer(field)
    expect(await f(url, int(0), list())).toContain('not supported')
  })

  test('a peer knows its URL in every spelling that reaches it', async () => {
    const { url } = await startPeer(field, { tinyPassword: PASSWORD })
    const spellings = [
      url,
      `${url}/`,
      url.replace('127.0.0.1', 'localhost'),
      `${url.replace('127.0.0.1', 'localhost')}/`
    ]
    for (const spelling of spellings) expect(stringsIn(await f(url, int(0), list(), proof(spelling)))).toEqual([url])
    for (const given of [proof('http://127.0.0.1:1'), proof(url).toUpperCase(), `${proof(url)}0`, '', 'é'.repeat(32)])
      expect(await f(url, int(0), list(), given)).toContain('<boolean>0</boolean>')
    // A list in place of the proof.
    const { body } = await post(new URL('/RPC2', url).href, callOf('f', list(string(proof(url))), int(0), list()))
    expect(body).toContain('<boolean>0</boolean>')
  })

  test('a peer tells on whom it was told of, in order, once each, and nothing that is no server', async () => {
    const { url } = await startPeer(field, { tinyPassword: PASSWORD })
    const [b, a] = ['http://10.0.0.2:1', 'http://10.0.0.1:1/']
    const told = [b, 'not a url', 'https://10.0.0.1:1', `${url}/`, 'http://u:p@10.0.0.1', a, b].map(string)
    expect(stringsIn(await f(url, int(0), list(...told, int(1))))).toEqual([url, b, a])
    expect(stringsIn(await f(url, int(0), list(string(a))))).toEqual([url, b, a])
    const many = Array.from({ length: 300 }, (_, i) => string(`http://10.0.1.1:${i + 1}`))
    const all = stringsIn(await f(url, int(0), list(...many)))
    expect(all).toHaveLength(257)
    expect(all[0]).toBe(url)
  })

  test('a peer gives the content of what it lists, and of nothing else', async () => {
    const text = 'tab\tCR\r\nLF\n<&>ö]]>'
    const files = {
      'a.txt': text,
      large: `${'line\n'.repeat(100_000)}\r`,
      'b/deep.txt': 'deep',
      bytes: Uint8Array.of(0, 1, 255)
    }
    const { url, dir } = await startPeer(field, { files, tinyPassword: PASSWORD })
    await symlink('/etc/hostname', join(dir, 'link'))
    for (const n of [int(2), int(7), int(-1), string('2'), '<value><nil/></value>'])
      expect(stringsIn(await f(url, n, string('a.txt')))).toEqual([
        text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('\r', '&#13;')
      ])
    expect(stringsIn(await f(url, int(2), string('large')))[0]).toHaveLength(500_000 + '&#13;'.length)
    for (const name of [
      'b',
      'b/deep.txt',
      '../a.txt',
      '/etc/hostname',
      'link',
      'nothing',
      '',
      '.',
      `../${dir.split('/').at(-1)}/a.txt`
    ])
      expect(await f(url, int(2), string(name))).toContain('<int>1</int>')
    expect(await f(url, int(2), string('bytes'))).toMatch(/<int>300<\/int>.*no text/s)
    expect(await f(url, int(3), string('bytes'))).toContain(
      `<base64>${Buffer.of(0, 1, 255).toString('base64')}</base64>`
    )
  })

  test('a peer answers odd calls with faults', async () => {
    const { url } = await startPeer(field, { files: { a: '' }, tinyPassword: PASSWORD })
    for (const [n, argument] of [
      [int(1), int(5)],
      [int(1), list()],
      [int(0), string('http://10.0.0.1:1')],
      [int(2), list()]
    ] as const)
      expect(await f(url, n, argument)).toContain('faultCode')
    const { body } = await post(new URL('/RPC2', url).href, callOf('f', string(proof(url))))
    expect(body).toContain('faultCode')
    // To Python they are 0 and 1.
    expect(stringsIn(await f(url, '<value><boolean>0</boolean></value>', list()))).toEqual([url])
    expect(stringsIn(await f(url, '<value><boolean>1</boolean></value>', string('')))).toEqual(['a'])
  })
})

describe('as a client of a TinyP2P network', () => {
  test('p2p-rx refuses hostile names, and takes the rest', async () => {
    const dir = await field.folder({ 'inside/kept': 'kept' })
    const names = [
      '../escaped.txt',
      '/tmp/escaped.txt',
      'a/b',
      '..',
      '.',
      '',
      '.p2p-rx',
      'inside/kept',
      'fine',
      'x'.repeat(300)
    ]
    const server = await cannedTiny(field, (n, argument) => withNames(() => server.url, ...names)(n, argument))
    const events = await get({ url: server.url, dir: join(dir, 'inside') })
    expect(fetched(events)).toEqual(['fine'])
    expect(failed(events).map(([, code]) => code)).toEqual(names.slice(1).map(() => 'BAD_NAME'))
    expect(await readdir(dir)).toEqual(['inside'])
    expect((await readdir(join(dir, 'inside'))).sort()).toEqual(['fine', 'kept'])
    expect(server.requests).toHaveLength(3)
  })

  test('p2p-rx goes on after a fault, and after an answer that breaks off', async () => {
    const names = ['faulty', 'broken', 'cut', 'fine']
    const server = await cannedTiny(field, (n, argument) => {
      if (argument === 'faulty') return faultReply(1)
      if (argument === 'broken')
        return 'HTTP/1.0 200 OK\r\nContent-Length: 99999\r\n\r\n<?xml version="1.0"?><methodResp'
      if (argument === 'cut') return reply(string('some of it')).slice(0, -40)
      return withNames(() => server.url, ...names)(n, argument)
    })
    const dir = await field.folder()
    const events = await get({ url: server.url, dir })
    expect(fetched(events)).toEqual(['fine'])
    expect(failed(events)).toEqual([
      ['broken', 'NETWORK'],
      ['cut', 'NETWORK'],
      ['faulty', 'NOT_FOUND']
    ])
    expect(await readdir(dir)).toEqual(['fine'])
  })

  test('p2p-rx takes a name from the next server when the first one fails', async () => {
    const bad = await cannedTiny(field, (n, argument) => {
      if (n === 0) return reply(list(string(bad.url), string(good.url)))
      return n === 1 ? withNames(() => '', 'wanted')(n, argument) : faultReply(1)
    })
    const good = await cannedTiny(field, (n, argument) => withNames(() => good.url, 'wanted')(n, argument))
    const events = await get({ url: bad.url, dir: await field.folder() })
    expect(fetched(events)).toEqual(['wanted'])
  })

  test('p2p-rx keeps the bytes of Python 2 as they are, and a name that is no text costs nobody', async () => {
    const bytes = Buffer.from([0, 1, 13, 10, 128, 255])
    const around = (before: string, inner: Buffer, after: string) =>
      Buffer.concat([Buffer.from(before), inner, Buffer.from(after)])
    const [head = '', tail = ''] = reply(string('|')).split('|')
    const [names0 = '', names1 = ''] = reply(list(list(string('raw'), string('|')))).split('|')
    const server = await cannedTiny(field, (n) => {
      if (n === 0) return reply(list(string(server.url)))
      return n === 1 ? around(names0, Buffer.from([0xe9]), names1) : around(head, bytes, tail)
    })
    const dir = await field.folder()
    await get({ url: server.url, dir })
    expect([...(await readFile(join(dir, 'raw')))]).toEqual([...bytes])
  })

  test('p2p-rx lets go of everything when nobody wants it any more', async () => {
    const server = await cannedTiny(field, (n, argument) => {
      if (n < 2) return withNames(() => server.url, 'wanted')(n, argument)
      return `HTTP/1.0 200 OK\r\nContent-Length: 99999\r\n\r\n${reply(string('x'.repeat(50_000))).slice(0, -100)}`
    })
    const dir = await field.folder()
    const asked = server.received('f')
    const listed = new Promise<void>((resolve) => {
      const running = fetchTiny({ url: server.url, password: PASSWORD, pattern: '', dir }).subscribe(() => {
        running.unsubscribe()
        resolve()
      })
    })
    await asked
    await listed
    await server.left()
    expect(await readdir(dir)).toEqual([])
  })

  test('p2p-rx says when nobody is there, or is no server', async () => {
    const dir = await field.folder()
    const code = (url: string) => errorCode(fetchTiny({ url, password: PASSWORD, pattern: '', dir }))
    expect(await code('http://127.0.0.1:1')).toBe('NETWORK')
    expect(await code('https://127.0.0.1:1')).toBe('BAD_URL')
    expect(await code('nonsense')).toBe('BAD_URL')
    const other = await cannedTiny(field, () => reply(string('hello')))
    expect(await code(other.url)).toBe('NETWORK')
  })
})
