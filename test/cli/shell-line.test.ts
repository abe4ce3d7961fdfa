import { describe, expect, test } from 'vitest'
import { completeShellLine, parseShellLine } from '../../src/cli/shell-line.js'

describe('a line of the shell', () => {
  test.each([
    ['', { type: 'nothing' }],
    ['   \t ', { type: 'nothing' }],
    ['fetch test.txt', { type: 'fetch', names: ['test.txt'] }],
    ['  fetch \t test.txt  ', { type: 'fetch', names: ['test.txt'] }],
    ['fetch two words.txt', { type: 'fetch', names: ['two words.txt'] }],
    ['fetch two  blanks', { type: 'fetch', names: ['two  blanks'] }],
    ['fetch "two words.txt"', { type: 'fetch', names: ['two words.txt'] }],
    ["fetch ' led by a blank'", { type: 'fetch', names: [' led by a blank'] }],
    ['fetch "a" and "b', { type: 'fetch', names: ['"a" and "b'] }],
    [`fetch "it's"`, { type: 'fetch', names: ["it's"] }],
    [`fetch it's`, { type: 'fetch', names: ["it's"] }],
    ['fetch ""quoted""', { type: 'fetch', names: ['"quoted"'] }],
    ['fetch "', { type: 'fetch', names: ['"'] }],
    ['fetch "two words.txt" b.txt', { type: 'fetch', names: ['"two words.txt" b.txt'] }],
    ['fetch "two words.txt" \'b.txt\'  "c"', { type: 'fetch', names: ['two words.txt', 'b.txt', 'c'] }],
    [`fetch "a" "it's"`, { type: 'fetch', names: ['a', "it's"] }],
    ['fetch photos/**', { type: 'fetch', names: ['photos/**'] }],
    ['get "a" \'b\'', { type: 'fetch', names: ['a', 'b'] }],
    ['get', { type: 'wrong', message: 'Say which file: get NAME.' }],
    ['find two words', { type: 'find', pattern: 'two words' }],
    ['find "*.pdf"', { type: 'find', pattern: '*.pdf' }],
    ['find', { type: 'wrong', message: 'Say what to look for: find PATTERN.' }],
    ['up 2M', { type: 'up', bytesPerSecond: 2_097_152 }],
    ['down 500k', { type: 'down', bytesPerSecond: 512_000 }],
    ['down none', { type: 'down' }],
    ['up 0', { type: 'up' }],
    ['up', { type: 'wrong', message: 'Say how much: up 2M, or up none.' }],
    ['down fast', { type: 'wrong', message: expect.stringMatching(/^A rate is .*\.$/) as string }],
    ['limits', { type: 'limits' }],
    ['limits 3', { type: 'wrong', message: 'Nothing may follow limits.' }],
    ['fetch', { type: 'wrong', message: 'Say which file: fetch NAME.' }],
    ['fetch ""', { type: 'wrong', message: 'Say which file: fetch NAME.' }],
    ['hello http://127.0.0.1:4243', { type: 'hello', url: 'http://127.0.0.1:4243' }],
    ['hello', { type: 'wrong', message: 'Say which peer: hello http://HOST:PORT.' }],
    ['ls', { type: 'ls' }],
    ['ls http://127.0.0.1:4243', { type: 'ls', url: 'http://127.0.0.1:4243' }],
    ['peers', { type: 'peers' }],
    ['peers now', { type: 'wrong', message: 'Nothing may follow peers.' }],
    ['help', { type: 'help' }],
    ['exit', { type: 'exit' }],
    ['exit\r', { type: 'exit' }],
    ['Exit', { type: 'wrong', message: 'There is no command Exit; help lists those there are.' }],
    ['fetchtest.txt', { type: 'wrong', message: 'There is no command fetchtest.txt; help lists those there are.' }]
  ])('%j is understood as %j', (line, command) => {
    expect(parseShellLine(line)).toEqual(command)
  })
})

describe('completion', () => {
  const completable = {
    names: ['notes.txt', 'no blank.txt', 'über.txt', 'notes.txt', 'bad\x1b[2J.txt', 'not\u202ereversed'],
    urls: ['http://127.0.0.1:4243', 'http://127.0.0.1:4244']
  }

  test.each([
    ['', [['down ', 'exit ', 'fetch ', 'find ', 'get ', 'hello ', 'help ', 'limits ', 'ls ', 'peers ', 'up '], '']],
    ['he', [['hello ', 'help '], 'he']],
    ['x', [[], 'x']],
    ['fetch ', [['no blank.txt', 'notes.txt', 'über.txt'], '']],
    ['fetch no', [['no blank.txt', 'notes.txt'], 'no']],
    ['get no', [['no blank.txt', 'notes.txt'], 'no']],
    ['fetch no b', [['no blank.txt'], 'no b']],
    ['fetch bad', [[], 'bad']],
    ['fetch http', [[], 'http']],
    ['ls http://127.0.0.1:4244', [['http://127.0.0.1:4244'], 'http://127.0.0.1:4244']],
    ['hello h', [['http://127.0.0.1:4243', 'http://127.0.0.1:4244'], 'h']],
    ['l', [['limits ', 'ls '], 'l']],
    ['up n', [['none'], 'n']],
    ['peers ', [[], '']]
  ])('of %j offers %j', (line, offered) => {
    expect(completeShellLine(line, completable)).toEqual(offered)
  })
})
