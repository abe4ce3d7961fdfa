import { expect, test } from 'vitest'
import { compareNames, isPlainName, isSuspectName } from '../../src/streams/names.js'
import { naughtyNames, traversals } from '../store/disk.js'

test.each([
  ['a file', 'a'],
  ['a file in folders', 'a/b/c.txt'],
  ['three dots', '...'],
  ['what looks encoded', '..%2fx'],
  ['a backslash', 'a\\b'],
  ['a drive', 'C:x'],
  ['a name of 255 bytes', 'x'.repeat(255)],
  ['64 parts', Array(64).fill('d').join('/')],
  ['a name beyond the first plane', '\u{1f600}/\u{10ffff}'.replace('\u{10ffff}', '\u{10fffd}')],
  ['tab, newline and carriage return', 'a\tb\nc\rd'],
  ['the private folder further down', 'a/.p2p-rx'],
  ['something like the private folder', '.p2p-rxx']
])('%s is a plain name', (_, name) => {
  expect(isPlainName(name)).toBe(true)
})

test.each([
  ['nothing', ''],
  ['this folder', '.'],
  ['the folder above', '..'],
  ['a way up', '../x'],
  ['a way up and down', 'a/../b'],
  ['an absolute path', '/etc/passwd'],
  ['a trailing slash', 'a/'],
  ['a doubled slash', 'a//b'],
  ['a dot part', 'a/./b'],
  ['a NUL', 'a\0b'],
  ['an escape', 'a\u001bb'],
  ['a lone surrogate', 'a\ud800b'],
  ['what XML cannot carry', 'a\ufffeb'],
  ['a part of 256 bytes', 'x'.repeat(256)],
  ['a part of 256 bytes in 128 characters', '\u00e9'.repeat(128)],
  ['65 parts', Array(65).fill('d').join('/')],
  ['4,097 bytes', Array(17).fill('x'.repeat(241)).join('/')],
  ['the private folder', '.p2p-rx'],
  ['a file in the private folder', '.p2p-rx/cache'],
  ['the private folder in capitals', '.P2P-RX/x']
])('%s is not a plain name', (_, name) => {
  expect(isPlainName(name)).toBe(false)
})

test('something that is no string is not a plain name', () => {
  expect(isPlainName(undefined as unknown as string)).toBe(false)
})

test.each([
  '..\\x',
  'a\\..\\..\\x',
  '\\x',
  'C:\\x',
  '..%2fx',
  '%2e%2e%2fx',
  '%2E%2E/x',
  '%252e%252e%252fx',
  '%25252e%25252e%25252fx',
  '%%32%65%%32%65/x',
  '%c0%ae%c0%ae%c0%afx',
  '%e0%80%ae%e0%80%ae/x',
  '..%c1%9cx',
  '..%e0%81%9cx',
  '..%c0%5cx',
  '..%bg%qfx',
  '..%u2215x',
  '%uff0e%uff0e%uff0fx',
  '0x2e0x2e0x2fx',
  '..;/x',
  '..%00/x',
  '%2fetc/passwd',
  'c:%5cboot.ini',
  // Wrapped more often than anybody unwraps it for a good reason.
  `%${'25'.repeat(12)}41`
])('%j is suspect', (name) => {
  expect(isPlainName(name)).toBe(true)
  expect(isSuspectName(name)).toBe(true)
})

test.each([
  '100%',
  '100% done.txt',
  'a%b',
  '%',
  'a..',
  '..a',
  'a..b/c',
  'C:x',
  'x;..',
  'a;b',
  '0x2a',
  'what?.txt',
  '.hidden',
  '\u65e5\u672c\uff0ftxt'
])('%j is an ordinary name', (name) => {
  expect(isPlainName(name)).toBe(true)
  expect(isSuspectName(name)).toBe(false)
})

test('of the traversal lists only two plain words, and a line end of Windows, are passed on', () => {
  const names = traversals()
  expect(names.length).toBeGreaterThan(24_000)
  const passed = new Set(names.filter((name) => isPlainName(name) && !isSuspectName(name)).map((name) => name.trim()))
  expect([...passed].sort()).toEqual(['', '.htaccess', 'Statement'])
})

test('every legal name of the naughty ones is plain, and those suspected are encoded, dotted or have backslashes', () => {
  const legal = naughtyNames().filter((name) => name.linux_legal && name.utf8 && name.xml10_representable)
  expect(legal).toHaveLength(397)
  const names = legal.map(({ name }) => name ?? '')
  expect(names.filter((name) => !isPlainName(name))).toEqual([])
  const suspect = names.filter(isSuspectName)
  // Pieces of code with backslashes in them, but for these.
  expect(suspect.filter((name) => !name.includes('\\'))).toEqual(['%s%s%s%s%s', '...', '%2e%2e%2fx', '..%2fx', 'a%00b'])
})

test('the longest and worst names are judged at once', () => {
  const started = performance.now()
  for (const piece of ['%', '%2', '%25', '%c0', '..%c0', '0x2', '%u', '/', '\\', ';', '\uff0e']) {
    const name = piece.repeat(Math.floor(4096 / Buffer.byteLength(piece)))
    isPlainName(name)
    isSuspectName(name)
  }
  expect(performance.now() - started).toBeLessThan(500)
})

test('names are ordered as their bytes are', () => {
  const names = [
    'b',
    'a',
    'a/b',
    'a-b',
    '',
    '\u{1f600}',
    '\uffee',
    '\ud7ff',
    '\ue000',
    '\u00e9',
    'Z',
    'a\u{10000}',
    'a\uffef'
  ]
  const byBytes = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  expect([...names].sort(compareNames)).toEqual(byBytes)
})
