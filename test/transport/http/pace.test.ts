import { describe, expect, test } from 'vitest'
import { createPace } from '../../../src/transport/http/pace.js'
import { encodeCall } from '../../../src/transport/xmlrpc/codec.js'
import { peer, pythonPost, raw } from './peers.js'

const outside = (address: string) => ({ address, isHere: false })

/** A pace of ten calls a second on a time that stands still, and the pauses it made. */
function tenASecond() {
  const time = { nowMs: 1_000 }
  const pauses: number[] = []
  const wait = (ms: number) => {
    pauses.push(Math.round(ms))
    return new Promise<void>(() => undefined)
  }
  const pace = createPace(10, () => time.nowMs, wait)
  /** Makes so many calls, and gives how many of them had to wait or were refused. */
  const calls = (count: number, address = 'a') => {
    let kept = 0
    for (let call = 0; call < count; call++) if (pace.turn(outside(address)) !== undefined) kept++
    return kept
  }
  return { time, pauses, calls, pace }
}

describe('a pace of ten calls a second', () => {
  test('lets two seconds of calls come at once, puts a second of them off, and refuses the rest', async () => {
    const { pauses, calls, pace } = tenASecond()
    expect(calls(21)).toBe(0)
    calls(10)
    expect(pauses).toEqual([100, 200, 300, 400, 500, 600, 700, 800, 900, 1_000])
    expect(await pace.turn(outside('a'))).toBe(false)
  })

  test('has room again as time passes, and no more than after a rest of two seconds', () => {
    const { time, pauses, calls } = tenASecond()
    calls(31)
    time.nowMs += 3_000
    pauses.length = 0
    expect(calls(20)).toBe(0)
    time.nowMs += 3_600_000
    expect(calls(21)).toBe(0)
    calls(1)
    expect(pauses).toEqual([100])
  })

  test('is each address’ own, and ten times as much for this machine', () => {
    const { pauses, calls, pace } = tenASecond()
    calls(21, 'a')
    expect(calls(21, 'b')).toBe(0)
    for (let call = 0; call < 201; call++) expect(pace.turn({ address: '127.0.0.1', isHere: true })).toBeUndefined()
    expect(pauses).toEqual([])
  })

  test('puts no more than 256 calls off, and remembers no more than 1,024 addresses', async () => {
    const { pauses, calls, pace } = tenASecond()
    for (let address = 0; address < 26; address++) calls(31, `${address}`)
    expect(pauses).toHaveLength(256)
    expect(await pace.turn(outside('0'))).toBe(false)
    for (let address = 26; address < 1_050; address++) calls(1, `${address}`)
    expect(calls(1, '0')).toBe(0)
  })
})

test('one address has no more than 300 URLs greeted at once, and ten a second', () => {
  let nowMs = 1_000
  const pace = createPace(10, () => nowMs)
  const greeted = (count: number) =>
    Array.from({ length: count }, () => pace.mayIntroduce(outside('a'))).filter((may) => may).length
  expect(greeted(1_000)).toBe(301)
  expect(pace.mayIntroduce(outside('b'))).toBe(true)
  nowMs += 1_000
  expect(greeted(1_000)).toBe(10)
})

test('too many calls from one address are a miss, and no HTTP error', async () => {
  // Ten times as many from here: the tenth of a call a second is one.
  const { url } = await peer({}, { limits: { callsPerSecond: 0.1 } })
  const call = (body: Buffer, path = '/RPC2') => raw(url, pythonPost(url, path, body))
  const hello = encodeCall('hello', ['http://127.0.0.1:9'])
  const answers = await Promise.all(Array.from({ length: 8 }, () => call(hello)))
  expect(answers.filter((answer) => /<int>0<\/int>/.test(answer)).length).toBeGreaterThanOrEqual(3)
  expect(answers.filter((answer) => /<fault>[^]*<int>100<\/int>/.test(answer)).length).toBeGreaterThanOrEqual(1)
  expect(answers.filter((answer) => !answer.startsWith('HTTP/1.1 200'))).toEqual([])
  expect(await call(encodeCall('query', ['x', []]), '/simple')).toMatch(/<array>[^]*<int>2<\/int>/)
})
