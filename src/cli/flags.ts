/** The flags that commands share, and what is checked of them before a command is loaded. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { parseAmount, RATE_RULE, SIZE_RULE } from './amounts.js'

const MAX_PORT = 65_535
/** The most a query may take; longer is a slip of the finger. */
const MAX_TIMEOUT_SECONDS = 600
/** Uploads at a time; each holds a file open. */
const MAX_SLOTS = 384
/** Files of one find: the peer's own cap. */
const MAX_LIMIT = 250_000

/** An option that can also be given in the environment: `--secret-file` as `P2PRX_SECRET_FILE`. */
export function option(flags: string, description: string): Option {
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

export function seconds(value: string): number {
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

function limitNumber(value: string): number {
  const limit = Number(value)
  if (/^\d+$/.test(value) && limit >= 1 && limit <= MAX_LIMIT) return limit
  throw new InvalidArgumentError(`Give a whole number from 1 to ${MAX_LIMIT}.`)
}

export const count = (_: unknown, soFar = 0) => soFar + 1

export const dirOption = (description: string) => option('--dir <folder>', description)
export const peerOption = () =>
  option(
    '--peer <url>',
    'a peer to ask, like https://192.168.1.7:4242, or http: for open ones; may be repeated'
  ).argParser(collectUrls)
export const peersOption = () => option('--peers <file>', 'a file with a peer on each line; # begins a comment')
export const stateDirOption = (description: string) => option('--state-dir <folder>', description)
export const runningDirOption = () => dirOption('through the peer that runs for this folder')
export const runningStateDirOption = () => stateDirOption('through the peer that runs with this state folder')
const rateOption = (flags: string, description: string) => option(`${flags} <rate>`, description).argParser(rate)
export const jsonOption = (what: string) => option('--json', `${what} on stdout, one JSON object a line`)
export const noProgressOption = () => option('--no-progress', 'no progress bar, also on a terminal')
export const networkOption = (description = 'the private network; default: `default`, or the only one you are in') =>
  option('--network <name>', description)

export const hostOption = () =>
  option('--host <address>', 'where to listen; default 0.0.0.0, which is everywhere; with --open 127.0.0.1')
export const portOption = () =>
  option('--port <number>', 'default: that of --url, or 4242; 0 for any free one').argParser(portNumber)

export const upOption = () =>
  rateOption('--up', 'the most that is sent, like 2M or 500K a second; 0 or none for no cap')
export const downOption = () => rateOption('--down', 'the most that is received')

export const tinyPasswordOption = (description: string) => option('--tiny-password-file <file>', description)
export const limitOption = () =>
  option('--limit <number>', 'different files at most; default 1000').argParser(limitNumber)
export const findTimeoutOption = () =>
  option('--timeout <seconds>', 'how long to wait for peers that do not answer; default 15, at most 120').argParser(
    seconds
  )

/** All that can be said to `start`, and to `join` when it starts at once. */
export function withStartOptions(command: Command): Command {
  return command
    .addOption(option('--url <url>', 'how others are to call this peer; default https://HOST:PORT, http: with --open'))
    .addOption(hostOption())
    .addOption(portOption())
    .addOption(peerOption())
    .addOption(peersOption())
    .addOption(option('--no-lan', 'do not look for members on the local network, and do not be found there'))
    .addOption(option('--secret-file <file>', 'with this secret others may make this peer fetch'))
    .addOption(upOption())
    .addOption(downOption())
    .addOption(rateOption('--up-per-peer', 'the most that is sent to one peer'))
    .addOption(rateOption('--down-per-peer', 'the most that is received from one peer'))
    .addOption(option('--slots <number>', 'uploads at a time; others wait their turn').argParser(slotNumber))
    .addOption(option('--cache <size>', 'disk for what is passed on for others, like 1G; 0 for none').argParser(size))
    .addOption(option('--search-content', 'let others look for what is in your text files, not for names only'))
    .addOption(stateDirOption('where it keeps what outlives it; default: a folder of its own for each --dir'))
    .addOption(option('--no-shell', 'no shell: run until a signal stops it'))
    .addOption(noProgressOption())
    .addOption(jsonOption('events'))
}
