import { NEVER } from 'rxjs'
import { expect, test } from 'vitest'
import { decodeResponse, encodeCall } from '../../../src/transport/xmlrpc/codec.js'
import type { XmlRpcValue } from '../../../src/transport/xmlrpc/values.js'
import { peer } from './peers.js'

async function caller(path = '') {
  const { url } = await peer({ asked: () => NEVER, askedForContent: () => NEVER, askedToFetch: () => NEVER })
  return async (method: string, ...params: XmlRpcValue[]) => {
    const response = await fetch(url + path, { method: 'POST', body: encodeCall(method, params) })
    const answer = decodeResponse(Buffer.from(await response.arrayBuffer()))
    return answer.type === 'fault' ? answer : answer.value
  }
}

const SYSTEM = ['system.listMethods', 'system.methodHelp', 'system.methodSignature', 'system.multicall']

test('all methods are listed, described and typed', async () => {
  const call = await caller()
  const names = (await call('system.listMethods')) as string[]
  expect(names).toEqual([
    'fetch',
    'hello',
    'p2prx.hello',
    'p2prx.list',
    'p2prx.peers',
    'p2prx.query',
    'query',
    ...SYSTEM
  ])
  for (const name of names) {
    expect(await call('system.methodHelp', name)).toMatch(/\.$/)
    expect(await call('system.methodSignature', name)).toContainEqual(expect.arrayContaining([expect.any(String)]))
  }
  expect(await call('system.methodSignature', 'query')).toEqual([
    ['string', 'string'],
    ['string', 'string', 'array']
  ])
})

test('the path of the first program has its methods only', async () => {
  const call = await caller('/simple')
  expect(await call('system.listMethods')).toEqual(['fetch', 'hello', 'query', ...SYSTEM])
})

test.each(['system.methodHelp', 'system.methodSignature'])('%s of what does not exist is fault 1', async (method) => {
  const call = await caller()
  expect(await call(method, '__proto__')).toMatchObject({ type: 'fault', code: 1 })
  expect(await call(method)).toMatchObject({ type: 'fault', code: 1 })
})

test('several calls in one get an answer each, and what fails does not fail the others', async () => {
  const call = await caller()
  const batch = [
    { methodName: 'hello', params: ['http://127.0.0.1:9'] },
    { methodName: 'nothing', params: [] },
    { methodName: 'hello', params: [] },
    { methodName: 'hello' },
    'hello',
    { methodName: 'query', params: ['x'] },
    { methodName: 'p2prx.query', params: [{}] },
    { methodName: 'system.multicall', params: [[]] },
    { methodName: 'system.methodHelp', params: ['hello'] }
  ]
  const fault = { faultCode: 1, faultString: expect.any(String) as string }
  expect(await call('system.multicall', batch)).toEqual([
    [0],
    ...Array.from({ length: 7 }, () => fault),
    ['Introduces a peer by its URL.']
  ])
})

test('a batch has its limit', async () => {
  const call = await caller()
  const batch = (length: number) => Array.from({ length }, () => ({ methodName: 'hello', params: [''] }))
  expect(await call('system.multicall', batch(64))).toHaveLength(64)
  expect(await call('system.multicall', batch(65))).toMatchObject({ type: 'fault', code: 1 })
})
