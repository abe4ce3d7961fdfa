#!/usr/bin/env node
/** The program `p2p-rx`: what can be said on the command line. Each command is loaded only when it is run. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { parseAmount, RATE_RULE, SIZE_RULE } from './amounts.js'
import type { GetFlags } from './get.js'
import type { HashFlags } from './hash.js'
import type { LsFlags } from './ls.js'
import type { PeersFlags } from './peers.js'
import type { StartFlags } from './start.js'
import type { StatusFlags } from './status.js'

const USAGE_EXIT_CODE = 2
const MAX_PORT = 65_535
/** The most a query may take; longer is a slip of the finger. */
const MAX_TIMEOUT_SECONDS = 600
/** Uploads at a time; each holds a file open. */
const MAX_SLOTS = 384

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

/** 0 where there is no cap: commander takes nothing for an empty text. */
function rate(value: string): number {
  const bytesPerSecond = parseAmount(value)
  if (bytesPerSecond === undefined) throw new InvalidArgumentError(RATE_RULE)
  return bytesPerSecond
}

function size(value: string): number {
  const bytes = parseAmount(value)
  if (bytes === undefined) throw new InvalidArgumentError(SIZE_RULE)
  return bytes
}

function slotNumber(value: string): number {
  const slots = Number(value)
  if (/^\d+$/.test(value) && slots >= 1 && slots <= MAX_SLOTS) return slots
  throw new InvalidArgumentError(`Give a whole number from 1 to ${MAX_SLOTS}.`)
}

const count = (_: unknown, soFar = 0) => soFar + 1

/**
 * Whom to ask, when it is said twice: what is typed counts more than the environment, where P2PRX_PEER and P2PRX_DIR
 * may be meant for `start`.
 */
function withoutOverruled<T extends object>(given: T, command: Command): T {
  const source = (name: string) => command.getOptionValueSource(name)
  const flags = source('dir') === 'cli' && source('stateDir') === 'env' ? { ...given, stateDir: undefined } : given
  if (source('dir') !== 'cli' && source('stateDir') !== 'cli') return flags
  if (source('peer') === 'cli' || source('peers') === 'cli')
    command.error('error: ask other peers or the one that runs; leave out --peer and --peers, or --dir and --state-dir')
  return { ...flags, peer: undefined, peers: undefined }
}

/** Of --overwrite, --rename and --skip the typed one; that of the environment only where none is. */
function withoutOverruledExists<T extends object>(flags: T, command: Command): T {
  const names = ['overwrite', 'rename', 'skip']
  const fromEnv = names.filter((name) => command.getOptionValueSource(name) === 'env')
  if (fromEnv.length === 0 || !names.some((name) => command.getOptionValueSource(name) === 'cli')) return flags
  return { ...flags, ...Object.fromEntries(fromEnv.map((name) => [name, undefined])) }
}

const dirOption = (description: string) => option('--dir <folder>', description)
const peerOption = () =>
  option('--peer <url>', 'a peer to ask, like http://127.0.0.1:4242; may be repeated').argParser(collectUrls)
const peersOption = () => option('--peers <file>', 'a file with a peer on each line; # begins a comment')
const stateDirOption = (description: string) => option('--state-dir <folder>', description)
const runningDirOption = () => dirOption('through the peer that runs for this folder')
const runningStateDirOption = () => stateDirOption('through the peer that runs with this state folder')
const rateOption = (flags: string, description: string) => option(`${flags} <rate>`, description).argParser(rate)
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
  .addOption(rateOption('--up', 'the most that is sent, like 2M or 500K a second; 0 or none for no cap'))
  .addOption(rateOption('--down', 'the most that is received'))
  .addOption(rateOption('--up-per-peer', 'the most that is sent to one peer'))
  .addOption(rateOption('--down-per-peer', 'the most that is received from one peer'))
  .addOption(option('--slots <number>', 'uploads at a time; others wait their turn').argParser(slotNumber))
  .addOption(option('--cache <size>', 'disk for what is passed on for others, like 1G; 0 for none').argParser(size))
  .addOption(stateDirOption('where it keeps what outlives it; default: a folder of its own for each --dir'))
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
  .description('get files by name or pattern, through the peer that runs here or those of --peer')
  .argument('<name...>', "paths inside the share, like notes/todo.txt, or patterns, like 'photos/**' or '*.pdf'")
  .addOption(peerOption())
  .addOption(peersOption())
  .addOption(runningDirOption())
  .addOption(runningStateDirOption())
  .addOption(option('-o, --output <folder>', 'where to put it; - for stdout').default('.', 'this folder'))
  .addOption(option('--overwrite', 'replace what is there already'))
  .addOption(option('--rename', 'keep what is there already, and put the new one beside it'))
  .addOption(option('--skip', 'leave what is there already, and count it as done'))
  .addOption(option('--wait', 'go on by itself when there is room again, or somebody who has it comes back'))
  .addOption(rateOption('--up', 'the most that is sent, like 2M or 500K a second; 0 or none for no cap'))
  .addOption(rateOption('--down', 'the most that is received'))
  .addOption(option('--timeout <seconds>', 'how long to look for somebody who has it; default 15').argParser(seconds))
  .addOption(option('--no-input', 'ask nothing, also on a terminal'))
  .addOption(option('-v, --verbose', 'show what each holder sends').argParser(count))
  .addOption(noProgressOption())
  .addOption(jsonOption('events'))
  .action(async (names: string[], flags: GetFlags, command: Command) => {
    const { get } = await import('./get.js')
    const capTyped = ['up', 'down'].some((name) => command.getOptionValueSource(name) === 'cli')
    const given = withoutOverruledExists(withoutOverruled(flags, command), command)
    process.exitCode = await get(names, { ...given, capTyped })
  })

program
  .command('ls')
  .description('list what the peer that runs shares, what a folder would share, or what a peer shares')
  .addOption(dirOption('the folder; default: this one'))
  .addOption(runningStateDirOption())
  .addOption(new Option('--peer <url>', 'list what this peer shares instead'))
  .addOption(jsonOption('files'))
  .action(async (flags: LsFlags, command: Command) => {
    // Not commander's `conflicts`: that would also count a P2PRX_DIR meant for `start`.
    if (flags.peer !== undefined && command.getOptionValueSource('dir') === 'cli')
      command.error('error: list a folder or a peer, not both; leave out --dir or --peer')
    if (flags.peer !== undefined && command.getOptionValueSource('stateDir') === 'cli')
      command.error('error: list a peer that runs or another, not both; leave out --state-dir or --peer')
    const { ls } = await import('./ls.js')
    process.exitCode = await ls(withoutOverruled(flags, command))
  })

program
  .command('peers')
  .description('see which of the named peers answer, or whom the peer that runs here knows')
  .addOption(peerOption())
  .addOption(peersOption())
  .addOption(runningDirOption())
  .addOption(runningStateDirOption())
  .addOption(jsonOption('peers'))
  .action(async (flags: PeersFlags, command: Command) => {
    const { peers } = await import('./peers.js')
    process.exitCode = await peers(withoutOverruled(flags, command))
  })

program
  .command('status')
  .description('see how the peer that runs here is doing')
  .addOption(runningDirOption())
  .addOption(runningStateDirOption())
  .addOption(option('--json', 'all of it as one JSON object on stdout'))
  .action(async (flags: StatusFlags, command: Command) => {
    const { status } = await import('./status.js')
    process.exitCode = await status(withoutOverruled(flags, command))
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
