import { describe, expect, test } from 'vitest'
import { formatSize, printable, sentenceOf } from '../../src/cli/output.js'
import { P2pError } from '../../src/index.js'

test.each([
  ['plain.txt', 'plain.txt'],
  ['über 名前 👍.txt', 'über 名前 👍.txt'],
  ['red\x1b[31m', 'red\\x1b[31m'],
  ['two\nlines\r\t', 'two\\x0alines\\x0d\\x09'],
  ['\x00\x7f\x9b2J', '\\x00\\x7f\\x9b2J'],
  ['txt.\u202eexe', 'txt.\\u{202e}exe']
])('%j is shown as %j', (text, shown) => {
  expect(printable(text)).toBe(shown)
})

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [1536, '1.5 KiB'],
  [1024 * 1024 - 1, '1.0 MiB'],
  [5 * 1024 ** 3, '5.0 GiB'],
  [2 ** 53, '8.0 PiB']
])('%i bytes are called %s', (sizeBytes, name) => {
  expect(formatSize(sizeBytes)).toBe(name)
})

describe('the sentence of an error', () => {
  test.each([
    ['It failed', 'Try again.', 'It failed. Try again.'],
    ['It failed.', 'Try again.', 'It failed. Try again.'],
    ['Did it fail?', '', 'Did it fail?']
  ])('%j with the advice %j is %j', (message, advice, sentence) => {
    expect(sentenceOf(new P2pError('OTHER', message, { advice }))).toBe(sentence)
  })
})
