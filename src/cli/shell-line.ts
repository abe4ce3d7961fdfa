/** What was typed into the shell: parsing and completion, as plain functions. */

import { parseAmount, RATE_RULE } from './amounts.js'

export type ShellCommand =
  | { readonly type: 'fetch'; readonly names: readonly string[] }
  /** A cap; without a number there is none. */
  | { readonly type: 'up' | 'down'; readonly bytesPerSecond?: number }
  | { readonly type: 'find'; readonly pattern: string }
  | { readonly type: 'hello'; readonly url: string }
  | { readonly type: 'ls'; readonly url?: string }
  | { readonly type: 'peers' | 'limits' | 'help' | 'exit' | 'nothing' }
  | { readonly type: 'wrong'; readonly message: string }

const COMMANDS = ['down', 'exit', 'fetch', 'find', 'get', 'hello', 'help', 'limits', 'ls', 'peers', 'up'] as const

export const HELP = `fetch NAME     find a file by name in the network and bring it here; photos/** or *.pdf for many,
               several names each in quotes; also as get NAME
find PATTERN   all files in reach whose names have these words, or fit a glob like *.pdf
hello URL      introduce another peer, like http://127.0.0.1:4243
peers          the peers known so far
ls [URL]       the files shared here, or by another peer
up RATE        the most that is sent, like 2M a second; none for no cap
down RATE      the most that is received
limits         the caps in force
help           this list
exit           leave; so does the end of file (Ctrl-D)`

/** The command in one line. What follows the word is taken as it stands, so that names may hold spaces. */
export function parseShellLine(line: string): ShellCommand {
  const [, word = '', rest = ''] = /^\s*(\S*)\s*(.*?)\s*$/s.exec(line) ?? []
  const argument = unquoted(rest)
  switch (word) {
    case '':
      return { type: 'nothing' }
    case 'fetch':
    case 'get':
      return argument
        ? { type: 'fetch', names: severalNames(rest) ?? [argument] }
        : wrong(`Say which file: ${word} NAME`)
    case 'find':
      return argument ? { type: 'find', pattern: argument } : wrong('Say what to look for: find PATTERN')
    case 'hello':
      return argument ? { type: 'hello', url: argument } : wrong('Say which peer: hello http://HOST:PORT')
    case 'ls':
      return argument ? { type: 'ls', url: argument } : { type: 'ls' }
    case 'up':
    case 'down': {
      const bytesPerSecond = parseAmount(argument)
      if (argument === '') return wrong(`Say how much: ${word} 2M, or ${word} none`)
      if (bytesPerSecond === undefined) return { type: 'wrong', message: RATE_RULE }
      return bytesPerSecond === 0 ? { type: word } : { type: word, bytesPerSecond }
    }
    case 'peers':
    case 'limits':
    case 'help':
    case 'exit':
      return argument ? wrong(`Nothing may follow ${word}`) : { type: word }
    default:
      return wrong(`There is no command ${word}; help lists those there are`)
  }
}

function wrong(message: string): ShellCommand {
  return { type: 'wrong', message: `${message}.` }
}

/** Quotes keep blanks at the ends of a name; there are no escapes inside, a name is what stands between them. */
function unquoted(text: string): string {
  return /^(["'])(.*)\1$/s.exec(text)?.[2] ?? text
}

/** Several names, where all that stands there is in quotes; otherwise blanks belong to one name. */
function severalNames(text: string): string[] | undefined {
  if (!/^(?:(["'])(?:(?!\1).)+\1(?:\s+|$)){2,}$/s.test(text)) return undefined
  return [...text.matchAll(/(["'])((?:(?!\1).)+)\1(?:\s+|$)/gs)].map(([, , name = '']) => name)
}

/** What Tab may offer beside the commands. */
export interface Completable {
  readonly names: Iterable<string>
  readonly urls: Iterable<string>
}

/** The continuations of a line and the part of it they continue, as node:readline wants them. */
export function completeShellLine(line: string, { names, urls }: Completable): [string[], string] {
  const [, word = '', gap = '', rest = ''] = /^\s*(\S*)(\s*)(.*)$/s.exec(line) ?? []
  if (gap === '') return [startingWith(word, COMMANDS).map((command) => `${command} `), word]
  if (word === 'fetch' || word === 'get') return [startingWith(rest, names), rest]
  if (word === 'up' || word === 'down') return [startingWith(rest, ['none']), rest]
  if (word === 'ls' || word === 'hello') return [startingWith(rest, urls), rest]
  return [[], rest]
}

function startingWith(start: string, words: Iterable<string>): string[] {
  // Readline would write the words to the terminal as they are; those that could act on it are not offered.
  return [...new Set(words)].filter((word) => word.startsWith(start) && !/[\p{Cc}\p{Bidi_Control}]/u.test(word)).sort()
}
