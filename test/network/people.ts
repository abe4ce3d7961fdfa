/** People with machines of their own: each has a home and the state of p2p-rx in it, and peers are real processes. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Ended, launch, type Running, run, testFolder } from '../cli/program.js'
import { onTerminal } from '../cli/pty.js'

interface PrivatePeer extends Running {
  readonly url: string
}

export interface Person {
  readonly home: string
  readonly run: (args: readonly string[], input?: string, more?: NodeJS.ProcessEnv) => Promise<Ended>
  readonly launch: (args: readonly string[]) => Running
  readonly onTerminal: (args: readonly string[]) => Running
  /** Shares `files` privately on this machine, and waits until the peer serves. */
  readonly start: (args?: readonly string[]) => Promise<PrivatePeer>
  /** The invite that `p2p-rx invite` prints. */
  readonly invite: (args?: readonly string[]) => Promise<string>
  /** The secret of a network as it lies in the state. */
  readonly secret: (network?: string) => Promise<string>
  /** What `peers --json` tells, of each the state and the id. */
  readonly peers: () => Promise<readonly Peer[]>
}

interface Peer {
  readonly url: string
  readonly state: string
  readonly id?: string
}

/** Peers that only this machine reaches, on any free port. */
const HERE = ['--host', '127.0.0.1', '--port', '0']
const SHARING = /^Sharing files with the network \S+ at (https:\/\/127\.0\.0\.1:\d+)$/m

export async function person(files: Record<string, string> = {}): Promise<Person> {
  const home = await testFolder()
  await mkdir(join(home, 'files'))
  for (const [name, content] of Object.entries(files)) await writeFile(join(home, 'files', name), content)
  const state = join(home, 'state')
  const env = { XDG_STATE_HOME: state, P2PRX_OPEN: '' }
  const launched = (args: readonly string[]) => launch(home, args, env)
  return {
    home,
    run: (args, input = '', more = {}) => run(home, args, { env: { ...env, ...more }, input }),
    launch: launched,
    onTerminal: (args) => onTerminal(home, args, env),
    async start(args = []) {
      const running = launched(['start', '--dir', 'files', ...HERE, '--no-shell', ...args])
      const [, url = ''] = await running.seen('err', SHARING)
      return { ...running, url }
    },
    async invite(args = []) {
      const { out, err, code } = await run(home, ['invite', ...args], { env })
      if (code !== 0) throw new Error(err)
      return out.trim()
    },
    secret: async (network = 'default') =>
      (await readFile(join(state, 'p2p-rx/networks', network, 'secret'), 'utf8')).trim(),
    async peers() {
      const { out } = await run(home, ['peers', '--json'], { env })
      return out
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Peer)
    }
  }
}

/** Two people of one network, both running; `ann` began, `bob` was invited. */
export async function annAndBob(
  annsFiles: Record<string, string> = { 'notes.txt': 'of ann' },
  annsArgs: readonly string[] = []
) {
  const [ann, bob] = [await person(annsFiles), await person({ 'bobs.txt': 'of bob' })]
  const annsPeer = await ann.start(annsArgs)
  const joined = await bob.run(['join', '-'], await ann.invite())
  if (joined.code !== 0) throw new Error(joined.err)
  const bobsPeer = await bob.start()
  return { ann, bob, annsPeer, bobsPeer }
}
