import { expect, test } from 'vitest'
import { parseHead } from '../../../../src/transport/http/data/head.js'

const head = (...lines: string[]) => parseHead(lines.join('\r\n'), 100)

test('a head is its status, its headers and its framing', () => {
  const read = head(
    'HTTP/1.1 206 Partial Content',
    'ETag: "a"',
    'CONTENT-LENGTH:5',
    'X-Empty:',
    'x-two: a',
    'X-Two:\tb \t'
  )
  expect(read).toMatchObject({ status: 206, contentLength: 5, keepsAlive: true })
  expect(Object.fromEntries(read.headers)).toEqual({
    etag: '"a"',
    'content-length': '5',
    'x-empty': '',
    'x-two': 'a, b'
  })
})

test.each([
  ['HTTP/1.1 200 OK', [], true],
  ['HTTP/1.1 200', [], true],
  ['HTTP/1.1 200 ', ['Connection: Close'], false],
  ['HTTP/1.1 200 OK', ['Connection: x, close'], false],
  ['HTTP/1.0 200 OK', [], false],
  ['HTTP/1.0 200 OK', ['Connection: keep-alive'], true]
])('%j with %j keeps the connection: %s', (line, headers, keepsAlive) => {
  expect(head(line, ...headers).keepsAlive).toBe(keepsAlive)
})

test.each([
  [''],
  ['SSH-2.0-OpenSSH'],
  ['HTTP/2 200'],
  ['HTTP/1.1  200 OK'],
  ['HTTP/1.1 20 OK'],
  ['HTTP/1.1 600 X'],
  ['HTTP/1.1 200OK'],
  ['ICY 200 OK'],
  ['HTTP/1.1 200 O\nK'],
  [' HTTP/1.1 200 OK']
])('%j is no HTTP', (line) => {
  expect(() => head(line)).toThrow(expect.objectContaining({ reason: 'not-a-peer' }) as Error)
})

test.each([
  ['no colon'],
  [' folded: line'],
  ['space : before'],
  [': no name'],
  ['a: line\nfeed'],
  ['a: carriage\rreturn'],
  ['a: nul\0'],
  ['Content-Length: -1'],
  ['Content-Length: +1'],
  ['Content-Length: 0x10'],
  ['Content-Length: 1e3'],
  ['Content-Length: '],
  ['Content-Length: 9007199254740993'],
  ['Content-Length: 18446744073709551616'],
  ['Content-Length: 5, 5']
])('%j is nonsense', (line) => {
  expect(() => head('HTTP/1.1 200 OK', line)).toThrow(expect.objectContaining({ reason: 'nonsense' }) as Error)
})

test('a length said twice, or in two ways, is nonsense', () => {
  const twice = () => head('HTTP/1.1 200 OK', 'Content-Length: 5', 'Content-Length: 5')
  const twoWays = () => head('HTTP/1.1 200 OK', 'Content-Length: 5', 'Transfer-Encoding: chunked')
  for (const broken of [twice, twoWays])
    expect(broken).toThrow(expect.objectContaining({ reason: 'nonsense' }) as Error)
})

test('another framing has no length', () => {
  expect(head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked').contentLength).toBeUndefined()
  expect(head('HTTP/1.1 200 OK').contentLength).toBeUndefined()
})

test('header lines have a limit', () => {
  const lines = Array.from({ length: 101 }, () => 'a: b')
  expect(() => head('HTTP/1.1 200 OK', ...lines)).toThrow(expect.objectContaining({ reason: 'nonsense' }) as Error)
})
