/** What was typed into the shell: parsing and completion, as plain functions. */

export type ShellCommand =
  | { readonly type: 'fetch'; readonly name: string }
  | { readonly type: 'hello'; readonly url: string }
  | { readonly type: 'ls'; readonly url?: string }
  | { readonly type: 'peers' | 'help' | 'exit' | 'nothing' }
  | { readonly type: 'wrong'; readonly message: string }

const COMMANDS = ['exit', 'fetch', 'hello', 'help', 'ls', 'peers'] as const

export const HELP = `fetch NAME     find a file by name in the network and bring it here
hello URL      introduce another peer, like http://127.0.0.1:4243
peers          the peers known so far
ls [URL]       the files shared here, or by another peer
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
      return argument ? { type: 'fetch', name: argument } : wrong('Say which file: fetch NAME')
    case 'hello':
      return argument ? { type: 'hello', url: argument } : wrong('Say which peer: hello http://HOST:PORT')
    case 'ls':
      return argument ? { type: 'ls', url: argument } : { type: 'ls' }
    case 'peers':
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

/** What Tab may offer beside the commands. */
export interface Completable {
  readonly names: Iterable<string>
  readonly urls: Iterable<string>
}

/** The continuations of a line and the part of it they continue, as node:readline wants them. */
export function completeShellLine(line: string, { names, urls }: Completable): [string[], string] {
  const [, word = '', gap = '', rest = ''] = /^\s*(\S*)(\s*)(.*)$/s.exec(line) ?? []
  if (gap === '') return [startingWith(word, COMMANDS).map((command) => `${command} `), word]
  if (word === 'fetch') return [startingWith(rest, names), rest]
  if (word === 'ls' || word === 'hello') return [startingWith(rest, urls), rest]
  return [[], rest]
}

function startingWith(start: string, words: Iterable<string>): string[] {
  // Readline would write the words to the terminal as they are; those that could act on it are not offered.
  return [...new Set(words)].filter((word) => word.startsWith(start) && !/[\p{Cc}\p{Bidi_Control}]/u.test(word)).sort()
}
