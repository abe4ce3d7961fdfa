#!/usr/bin/env node
/** The program `p2p-rx`: what can be said on the command line. Each command is loaded only when it is run. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import type { GetFlags } from './get.js'
import type { HashFlags } from './hash.js'
import type { LsFlags } from './ls.js'
import type { PeersFlags } from './peers.js'
import type { StartFlags } from './start.js'

const USAGE_EXIT_CODE = 2
const MAX_PORT = 65_535
/** The most a query may take; longer is a slip of the finger. */
const MAX_TIMEOUT_SECONDS = 600

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

/** An option that can also be given in the environment: `--secret-file` as `P2PRX_SECRET_FILE`. */
function option(flags: string, description: string): Option {
  const made = new Option(flags, description)
  const name = `P2PRX_${made.name().toUpperCase().replaceAll('-', '_')}`
  const value = process.env[name]
  const isSwitch = !made.required && !made.optional
  // Commander takes a variable that is there for one that is set, even `P2PRX_JSON=0`.
  if (value === '' || (isSwitch && (value === '0' || value === 'false'))) Reflect.deleteProperty(process.env, name)
  return made.env(name)
}

/** Repeats add up; in the environment several stand in one value, with blanks between. */
function collectUrls(value: string, soFar: readonly string[] = []): string[] {
  return [...soFar, ...value.split(/\s+/).filter((url) => url !== '')]
}

function portNumber(value: string): number {
  const port = Number(value)
  if (/^\d+$/.test(value) && port <= MAX_PORT) return port
  throw new InvalidArgumentError(`A port is a whole number from 0 to ${MAX_PORT}.`)
}

function seconds(value: string): number {
  const number = Number(value)
  if (value.trim() !== '' && number > 0 && number <= MAX_TIMEOUT_SECONDS) return number
  throw new InvalidArgumentError(`Give a number of seconds, more than 0 and at most ${MAX_TIMEOUT_SECONDS}.`)
}

const dirOption = (description: string) => option('--dir <folder>', description)
const peerOption = () =>
  option('--peer <url>', 'a peer to ask, like http://127.0.0.1:4242; may be repeated').argParser(collectUrls)
const peersOption = () => option('--peers <file>', 'a file with a peer on each line; # begins a comment')
const jsonOption = (what: string) => option('--json', `${what} on stdout, one JSON object a line`)
const noProgressOption = () => option('--no-progress', 'no progress bar, also on a terminal')

const program = new Command('p2p-rx')
  .description('Share a folder with people you trust, and get any file of theirs by name.')
  .version(version)
  .exitOverride()
  .configureOutput({ outputError: writeUsageError })

program
  .command('start')
  .description('share a folder, and fetch files from the shell')
  .addOption(dirOption('the folder to share; created when missing'))
  .addOption(option('--url <url>', 'how others are to call this peer; default http://HOST:PORT'))
  .addOption(option('--host <address>', 'where to listen; default 127.0.0.1, 0.0.0.0 for every network'))
  .addOption(option('--port <number>', 'default: that of --url, or 4242; 0 for any free one').argParser(portNumber))
  .addOption(peerOption())
  .addOption(peersOption())
  .addOption(option('--secret-file <file>', 'with this secret others may make this peer fetch'))
  .addOption(option('--no-shell', 'no shell: run until a signal stops it'))
  .addOption(noProgressOption())
  .addOption(jsonOption('events'))
  .action(async (flags: StartFlags) => {
    const { start } = await import('./start.js')
    process.exitCode = await start(flags)
  })

program
  .command('get')
  .alias('fetch')
  .description('get one file by name, without a running peer')
  .argument('<name>', 'its path inside the share, like notes/todo.txt')
  .addOption(peerOption())
  .addOption(peersOption())
  .addOption(option('-o, --output <folder>', 'where to put it; - for stdout').default('.', 'this folder'))
  .addOption(option('--overwrite', 'replace the file if it is there already'))
  .addOption(option('--timeout <seconds>', 'how long to look for somebody who has it; default 15').argParser(seconds))
  .addOption(noProgressOption())
  .addOption(jsonOption('events'))
  .action(async (name: string, flags: GetFlags) => {
    const { get } = await import('./get.js')
    process.exitCode = await get(name, flags)
  })

program
  .command('ls')
  .description('list what a folder would share, or what a peer shares')
  .addOption(dirOption('the folder; default: this one'))
  .addOption(new Option('--peer <url>', 'list what this peer shares instead'))
  .addOption(jsonOption('files'))
  .action(async (flags: LsFlags, command: Command) => {
    // Not commander's `conflicts`: that would also count a P2PRX_DIR meant for `start`.
    if (flags.peer !== undefined && command.getOptionValueSource('dir') === 'cli')
      command.error('error: list a folder or a peer, not both; leave out --dir or --peer')
    const { ls } = await import('./ls.js')
    process.exitCode = await ls(flags)
  })

program
  .command('peers')
  .description('see which of the named peers answer')
  .addOption(peerOption())
  .addOption(peersOption())
  .addOption(jsonOption('peers'))
  .action(async (flags: PeersFlags) => {
    const { peers } = await import('./peers.js')
    process.exitCode = await peers(flags)
  })

program
  .command('hash')
  .description('compute the root of files, as BitTorrent v2 does (BEP 52)')
  .argument('<file...>', 'files to read')
  .addOption(jsonOption('roots'))
  .action(async (files: string[], flags: HashFlags) => {
    const { hash } = await import('./hash.js')
    process.exitCode = await hash(files, flags)
  })

/** Commander's `error: …` and its `(Did you mean …?)` as one line of ours. */
function writeUsageError(text: string, write: (text: string) => void): void {
  const sentence = text
    .trim()
    .replace(/^error: /, '')
    .replace(/\s*\n\s*/g, ' ')
  write(`p2p-rx: ${/[.?!)]$/.test(sentence) ? sentence : `${sentence}.`} See \`p2p-rx help\`.\n`)
}

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : USAGE_EXIT_CODE
  else {
    const { reportError } = await import('./output.js')
    process.exitCode = reportError(error)
  }
}
