#!/usr/bin/env node
/** The program `p2p-rx`: what can be said on the command line. Each command is loaded only when it is run. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError, Option } from 'commander'
import type { Spoken } from './completion.js'
import type { DoctorFlags } from './doctor.js'
import type { FindFlags } from './find.js'
import {
  count,
  dirOption,
  downOption,
  findTimeoutOption,
  hostOption,
  jsonOption,
  limitOption,
  networkOption,
  noProgressOption,
  option,
  peerOption,
  peersOption,
  portOption,
  runningDirOption,
  runningStateDirOption,
  seconds,
  stateDirOption,
  tinyPasswordOption,
  upOption,
  withStartOptions
} from './flags.js'
import type { GetFlags } from './get.js'
import type { HashFlags } from './hash.js'
import type { InviteFlags } from './invite.js'
import type { JoinFlags } from './join.js'
import type { LsFlags } from './ls.js'
import type { LsNetworkFlags } from './ls-network.js'
import type { NetworkListFlags, RotateFlags } from './network.js'
import type { NetworkFlags } from './networks.js'
import type { PeersFlags } from './peers.js'
import type { QueryFlags } from './query.js'
import type { StartFlags } from './start.js'
import type { StatusFlags } from './status.js'

const PASSWORD_HELP =
  'asks for a password that makes the network of --network; whoever meets a member can try passwords, so take four random words or more'

const USAGE_EXIT_CODE = 2
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

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

/** A network that is typed is meant, whatever the environment says of the open. */
function withoutOverruledOpen<T extends { readonly open?: boolean }>(flags: T, command: Command): T {
  const isTyped = (name: string) => command.getOptionValueSource(name) === 'cli'
  const typed = ['network', 'password', 'passwordFile'].find(isTyped)
  if (typed === undefined || flags.open !== true) return flags
  if (isTyped('open')) command.error('error: a peer is in the open or in a network; leave out --open or the network')
  return { ...flags, open: false }
}

/** Of --overwrite, --rename and --skip the typed one; that of the environment only where none is. */
function withoutOverruledExists<T extends object>(flags: T, command: Command): T {
  const names = ['overwrite', 'rename', 'skip']
  const fromEnv = names.filter((name) => command.getOptionValueSource(name) === 'env')
  if (fromEnv.length === 0 || !names.some((name) => command.getOptionValueSource(name) === 'cli')) return flags
  return { ...flags, ...Object.fromEntries(fromEnv.map((name) => [name, undefined])) }
}

const program = new Command('p2p-rx')
  .description('Share a folder with people you trust, and get any file of theirs by name.')
  .version(version)
  .exitOverride()
  .configureOutput({ outputError: writeUsageError })

withStartOptions(
  program
    .command('start')
    .description('share a folder with a private network, and fetch files from the shell')
    .addOption(dirOption('the folder to share; created when missing'))
    .addOption(networkOption('the private network; made when missing. Default: `default`, or the only one you are in'))
    .addOption(
      option('--open', 'no private network: plain HTTP for everybody who reaches the port, also older programs')
    )
    // No variable of the environment: it would be taken for the password itself.
    .addOption(new Option('--password', PASSWORD_HELP))
    .addOption(option('--password-file <file>', 'the same, with the password in a file'))
    .addOption(tinyPasswordOption('with --open: be a server of the TinyP2P network with the password in this file'))
).action(async (flags: StartFlags, command: Command) => {
  const { start } = await import('./start.js')
  process.exitCode = await start(withoutOverruledOpen(flags, command))
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
  .addOption(upOption())
  .addOption(downOption())
  .addOption(option('--timeout <seconds>', 'how long to look for somebody who has it; default 15').argParser(seconds))
  .addOption(option('--no-input', 'ask nothing, also on a terminal'))
  .addOption(option('-v, --verbose', 'show what each holder sends').argParser(count))
  .addOption(noProgressOption())
  .addOption(networkOption('the private network of https: peers'))
  .addOption(new Option('--tiny <url>', "from a TinyP2P network: all that fits Python's re.search and is not here yet"))
  .addOption(tinyPasswordOption('its password, in a file; otherwise it is asked for'))
  .addOption(jsonOption('events'))
  .action(async (names: string[], flags: GetFlags & { readonly tiny?: string }, command: Command) => {
    const { tiny } = flags
    if (tiny !== undefined) {
      const contradicting = ['peer', 'peers', 'dir', 'stateDir', 'overwrite', 'rename', 'wait', 'up', 'down', 'network']
      if (contradicting.some((name) => command.getOptionValueSource(name) === 'cli'))
        command.error('error: with --tiny say one pattern, and no more than -o, --timeout, --json and the password')
      const { getTiny } = await import('./get-tiny.js')
      process.exitCode = await getTiny(names, { ...flags, tiny })
      return
    }
    const { get } = await import('./get.js')
    const capTyped = ['up', 'down'].some((name) => command.getOptionValueSource(name) === 'cli')
    const given = withoutOverruledExists(withoutOverruled(flags, command), command)
    process.exitCode = await get(names, { ...given, capTyped })
  })

program
  .command('find')
  .description('find all files whose names fit, in everybody\'s folders: words, or a glob like "*.pdf"')
  .argument('<pattern...>', 'words that all occur in the name, in any case of letters, or a pattern with * ? [ or {')
  .addOption(option('--regex', 'the pattern is a regular expression (RE2), found anywhere in the name'))
  .addOption(option('--content', 'look in the lines of text files, where their owners allow it'))
  .addOption(option('--name', 'the pattern is the whole name of a file'))
  .addOption(limitOption())
  .addOption(findTimeoutOption())
  .addOption(option('--trace', 'show who was asked by whom, and what came of it'))
  .addOption(peerOption())
  .addOption(peersOption())
  .addOption(runningDirOption())
  .addOption(runningStateDirOption())
  .addOption(networkOption())
  .addOption(option('--no-progress', 'no table that grows, also on a terminal'))
  .addOption(jsonOption('files'))
  .action(async (words: string[], flags: FindFlags, command: Command) => {
    const { find } = await import('./find.js')
    process.exitCode = await find(words, withoutOverruled(flags, command))
  })

program
  .command('query')
  .description('ask who has the file of a name, and fetch nothing')
  .argument('<name>', 'path inside the share, like notes/todo.txt')
  .addOption(findTimeoutOption())
  .addOption(option('--trace', 'show who was asked by whom; Python peers are left out, as they cannot tell'))
  .addOption(peerOption())
  .addOption(peersOption())
  .addOption(runningDirOption())
  .addOption(runningStateDirOption())
  .addOption(networkOption())
  .addOption(jsonOption('the offer'))
  .action(async (name: string, flags: QueryFlags, command: Command) => {
    const { query } = await import('./query.js')
    process.exitCode = await query(name, withoutOverruled(flags, command))
  })

program
  .command('ls')
  .description('list what the peer that runs shares, what a folder would share, what a peer shares, or all in reach')
  .addOption(dirOption('the folder; default: this one'))
  .addOption(runningStateDirOption())
  .addOption(new Option('--peer <url>', 'list what this peer shares instead'))
  .addOption(
    option(
      '--network [name]',
      'list every file in reach, with its number of copies; with --peer and a name: its network'
    )
  )
  .addOption(new Option('--rare', 'of those in reach, only what one peer has'))
  .addOption(findTimeoutOption())
  .addOption(jsonOption('files'))
  .action(async (given: Omit<LsFlags, 'network'> & { network?: string | true; rare?: boolean }, command: Command) => {
    const { rare = false, ...flags } = given
    // Not commander's `conflicts`: that would also count a P2PRX_DIR meant for `start`.
    if (flags.peer !== undefined && command.getOptionValueSource('dir') === 'cli')
      command.error('error: list a folder or a peer, not both; leave out --dir or --peer')
    if (flags.peer !== undefined && command.getOptionValueSource('stateDir') === 'cli')
      command.error('error: list a peer that runs or another, not both; leave out --state-dir or --peer')
    const isTyped = command.getOptionValueSource('network') === 'cli'
    // Typed without a name it hides the one of the environment.
    const network = flags.network === true ? process.env.P2PRX_NETWORK : flags.network
    if (rare || flags.network === true || (isTyped && flags.peer === undefined)) {
      const { lsNetwork } = await import('./ls-network.js')
      const peer = flags.peer === undefined ? undefined : [flags.peer]
      const asked: LsNetworkFlags = { ...withoutOverruled({ ...flags, rare, network }, command), peer }
      process.exitCode = await lsNetwork(asked)
      return
    }
    const { ls } = await import('./ls.js')
    process.exitCode = await ls(withoutOverruled({ ...flags, network }, command))
  })

program
  .command('peers')
  .description('see which of the named peers answer, or whom the peer that runs here knows')
  .addOption(peerOption())
  .addOption(peersOption())
  .addOption(runningDirOption())
  .addOption(runningStateDirOption())
  .addOption(networkOption('the private network of https: peers'))
  .addOption(option('-v, --verbose', 'ids, all addresses, why one fails, and when it was last seen').argParser(count))
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
  .command('doctor')
  .description('see what works and what does not, and what to do about it')
  .addOption(dirOption('the folder that is, or would be, shared'))
  .addOption(stateDirOption('where its peer keeps what outlives it'))
  .addOption(networkOption())
  .addOption(option('--open', 'no private network, as with `start --open`'))
  .addOption(hostOption())
  .addOption(portOption())
  .addOption(peerOption())
  .addOption(peersOption())
  .addOption(jsonOption('findings'))
  .action(async (flags: DoctorFlags, command: Command) => {
    const { doctor } = await import('./doctor.js')
    process.exitCode = await doctor(withoutOverruledOpen(flags, command))
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

program
  .command('invite')
  .description('print an invite to your private network: whoever has it is a member')
  .addOption(networkOption())
  .addOption(runningDirOption())
  .addOption(runningStateDirOption())
  .action(async (flags: InviteFlags) => {
    const { invite } = await import('./invite.js')
    process.exitCode = await invite(flags)
  })

withStartOptions(
  program
    .command('join')
    .description('join the private network of an invite, and share a folder with it at once where --dir names one')
    .argument('[invite]', 'better left out: it is asked for then, or read from a pipe, as with -')
    .addOption(dirOption('share this folder at once, as `start` does'))
    .addOption(networkOption('what to call it here; default: its own name'))
    .addOption(new Option('--replace', 'take its secret in place of the one you have, after it was changed'))
).action(async (text: string | undefined, flags: JoinFlags, command: Command) => {
  const { join } = await import('./join.js')
  // A folder in the environment is meant for `start`.
  const startNow = command.getOptionValueSource('dir') === 'cli'
  process.exitCode = await join(text, startNow ? flags : { ...flags, dir: undefined })
})

const network = program
  .command('network')
  .description('list your private networks; the one with the star is taken when none is named')
  .addOption(jsonOption('networks'))
  .action(async (flags: NetworkListFlags) => {
    const { listNetworks } = await import('./network.js')
    process.exitCode = await listNetworks(flags)
  })
network
  .command('rotate')
  .description('change the secret of a network, and hand it to the members your peer knows and you have not banned')
  .addOption(networkOption())
  .addOption(runningDirOption())
  .addOption(runningStateDirOption())
  .addOption(new Option('--alone', 'also when no peer of yours runs, so that nobody can be handed it'))
  .action(async (flags: RotateFlags) => {
    const { rotate } = await import('./network.js')
    process.exitCode = await rotate(flags)
  })

for (const verb of ['ban', 'unban'] as const)
  program
    .command(verb)
    .description(verb === 'ban' ? 'refuse a member from now on' : 'let a banned member in again')
    .argument('<id...>', 'the id that `p2p-rx peers` shows, or as much of it as is clear')
    .addOption(networkOption())
    .action(async (ids: string[], flags: NetworkFlags) => {
      const { changeBans } = await import('./ban.js')
      process.exitCode = await changeBans(verb, ids, flags)
    })

program
  .command('completion')
  .description(
    'print a script that completes commands, flags and found names; for bash: source <(p2p-rx completion bash)'
  )
  .argument('<shell>', 'bash, zsh or fish')
  .action(async (shell: string) => {
    const { completion } = await import('./completion.js')
    process.exitCode = completion(shell, program.commands.map(spoken))
  })

/** What can be said to a command, for the scripts of completion. */
function spoken(command: Command): Spoken {
  return {
    names: [command.name(), ...command.aliases()],
    flags: [...command.options.flatMap(({ long }) => long ?? []), '--help'],
    commands: command.commands.map(spoken)
  }
}

/** Commander's `error: …` and its `(Did you mean …?)` as one line of ours. */
function writeUsageError(text: string, write: (text: string) => void): void {
  const sentence = text
    .trim()
    .replace(/^error: /, '')
    .replace(/\s*\n\s*/g, ' ')
    // An invite in the wrong place.
    .replace(/(p2prx:[^#\s]*#)[\w-]+/gi, '$1...')
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
