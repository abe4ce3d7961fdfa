/** What is served to TinyP2P clients that are on other machines, or mean harm. */
import { EMPTY, NEVER } from 'rxjs'
import { expect, test } from 'vitest'
import type { Inbound, SharedFile } from '../../../src/streams/ports.js'
import { spellingsAt } from '../../../src/transport/http/addresses.js'
import type { Answer } from '../../../src/transport/http/answer.js'
import { mayName } from '../../../src/transport/http/caller-address.js'
import { pythonSearch } from '../../../src/transport/xmlrpc/python-pattern.js'
import { PatternRefused } from '../../../src/transport/xmlrpc/python-tokens.js'
import { Fault } from '../../../src/transport/xmlrpc/serve.js'
import { tinyMethods } from '../../../src/transport/xmlrpc/tiny.js'
import { tinyNames } from '../../../src/transport/xmlrpc/tiny-names.js'
import { tinyProof } from '../../../src/transport/xmlrpc/tiny-password.js'

const PASSWORD = 'sesame'
const file = (name: string): SharedFile => ({ name, size: 0, modifiedMs: 0 })

/** A share with these names, of which a page has two. */
const listOf =
  (...names: string[]): Inbound['list'] =>
  (after) => {
    const behind = names.filter((name) => Buffer.compare(Buffer.from(name), Buffer.from(after)) > 0)
    return { files: behind.slice(0, 2).map(file), more: behind.length > 2 }
  }

const inbound: Inbound = {
  introduced: () => {
    throw new Error('nobody is called because somebody says so')
  },
  asked: () => EMPTY,
  askedForContent: () => EMPTY,
  askedToFetch: () => EMPTY,
  open: () => Promise.reject(new Error('no such file')),
  openRoot: () => Promise.reject(new Error('no such file')),
  hashes: () => Promise.reject(new Error('no such file')),
  rootOf: () => Promise.resolve(undefined),
  list: listOf('a')
}

const from = (address: string): Answer => ({
  callerId: undefined,
  caller: { address, isHere: address === '127.0.0.1' },
  mayName: (url) => mayName({ remoteAddress: address, localAddress: '10.0.0.1' }, url),
  mayIntroduce: () => false,
  gone$: NEVER,
  begin: () => undefined,
  end: () => undefined,
  stream: () => Promise.resolve()
})

const URL_HERE = 'http://10.0.0.1:4242'
const spellings = () => spellingsAt(URL_HERE, '0.0.0.0', 4242)
const f = () => {
  const method = tinyMethods({ inbound, password: PASSWORD, spellings }).get('f')
  return async (address: string, url: string, n = 0, argument: string | string[] = []) =>
    await method?.run([tinyProof(PASSWORD, url), n, argument], from(address))
}

test('who is on another machine can mean by localhost nobody but himself', async () => {
  const call = f()
  expect(await call('10.0.0.2', 'http://localhost:4242')).toBe(false)
  expect(await call('127.0.0.1', 'http://localhost:4242')).toEqual([URL_HERE])
  expect(await call('10.0.0.2', `${URL_HERE}/`)).toEqual([URL_HERE])
  // What he tells of it is not told on.
  expect(await call('10.0.0.2', URL_HERE, 0, ['http://127.0.0.1:1', 'http://10.0.0.2:1'])).toEqual([
    URL_HERE,
    'http://10.0.0.2:1'
  ])
})

test('a proof for another server is none for us, wherever it says it was sent', async () => {
  const call = f()
  for (const url of ['http://10.0.0.9:4242', 'http://10.0.0.1:4243', 'https://10.0.0.1:4242', `${URL_HERE}/RPC2`, ''])
    expect(await call('10.0.0.2', url)).toBe(false)
})

test('names are those without a folder, in order, however many lie in folders', async () => {
  const list = listOf('a', 'b/1', 'b/2', 'b/3', 'b/\u{10ffff}', 'b/\u{10ffff}x', 'b/\u{10ffff}y', 'b0', 'c')
  expect(await tinyNames(list, () => true)).toEqual(['a', 'b0', 'c'])
})

test('a pattern that takes too long is given up, and others have their turn', async () => {
  const names = Array.from({ length: 5_000 }, (_, i) => file(`${String(i).padStart(5, '0')}${'a'.repeat(240)}`))
  const list: Inbound['list'] = (after) => {
    const at = names.findIndex(({ name }) => name > after)
    return { files: at === -1 ? [] : names.slice(at, at + 500), more: at !== -1 && at + 500 < names.length }
  }
  let turns = 0
  const turn = setInterval(() => turns++, 1)
  const slow = () => {
    for (const end = performance.now() + 2; performance.now() < end; );
    return false
  }
  await expect(tinyNames(list, slow)).rejects.toThrow(Fault)
  clearInterval(turn)
  expect(turns).toBeGreaterThan(10)
})

test('a pattern of any kind is answered, or refused before it is tried', () => {
  const name = 'a'.repeat(255)
  for (const pattern of [
    '(a+)+$',
    '(a*)*b',
    '(a|aa)+$',
    '((a{0,30}){0,30})b',
    '(.*a){11}b',
    `${'a?'.repeat(200)}${'a'.repeat(200)}`
  ])
    expect(typeof pythonSearch(pattern)(name)).toBe('boolean')
  for (const pattern of [
    'a{1001}',
    '(a{100}){100}',
    `${'('.repeat(80)}${')'.repeat(80)}`,
    'a'.repeat(1_001),
    '(a{999}b{999}){2}'
  ])
    expect(() => pythonSearch(pattern)).toThrow(PatternRefused)
})
