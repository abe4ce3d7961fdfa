/** The private networks of this user, one folder for each: `networks/NAME/secret` below the state of p2p-rx. */
import { randomBytes } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { P2pError } from '../errors.js'
import { createPrivateFile, readPrivateFile, writePrivateFile } from './private-file.js'

export interface Network {
  readonly name: string
  /** Whoever has it is a member. */
  readonly secret: Uint8Array
}

/** What is taken when no network is named. */
export const DEFAULT_NETWORK = 'default'
/** Twice the least: as hard to guess as the keys that are made of it. */
const SECRET_BYTES = 32
/** Networks listed at most: far more than anybody is in. */
const MAX_NETWORKS = 256
/** The same on every file system: none that differ in case only, none that mean another folder. */
const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/

export interface Networks {
  /** Their names, in order. */
  readonly list: () => Promise<string[]>
  /** Errors with USAGE for what can be no name, and with FOLDER or DISK. */
  readonly load: (name: string) => Promise<Network | undefined>
  /**
   * Makes a network, with this secret where one was given by somebody else. Errors with EXISTS when there is one of that
   * name with another secret.
   */
  readonly create: (name: string, secret?: Uint8Array) => Promise<Network>
  /** In place of the secret before. */
  readonly replace: (name: string, secret: Uint8Array) => Promise<Network>
  /** Nothing is left of it. */
  readonly remove: (name: string) => Promise<void>
}

/** `root` is the folder of all state of p2p-rx. */
export function openNetworks(root: string): Networks {
  const folder = join(root, 'networks')
  const fileOf = (name: string) => join(folder, checked(name), 'secret')

  async function load(name: string): Promise<Network | undefined> {
    const text = await readPrivateFile(fileOf(name))
    if (text === undefined) return undefined
    const secret = Buffer.from(text.trim(), 'base64url')
    if (secret.length > 0 && secret.toString('base64url') === text.trim()) return { name, secret }
    const advice = `Join the network again with an invite, under another name or after removing ${fileOf(name)}.`
    throw new P2pError('FOLDER', `The secret of the network ${name} is damaged`, { advice })
  }

  return {
    async list() {
      const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
      const names = entries.filter((entry) => entry.isDirectory() && NAME.test(entry.name)).map(({ name }) => name)
      return names.sort().slice(0, MAX_NETWORKS)
    },
    load,
    async create(name, given) {
      const secret = given ?? randomBytes(SECRET_BYTES)
      if (await createPrivateFile(fileOf(name), encoded(secret))) return { name, secret }
      const there = await load(name)
      const isSame = there !== undefined && Buffer.from(there.secret).equals(secret)
      if (there !== undefined && (given === undefined || isSame)) return there
      const advice = 'Choose another name for the one you join with --network NAME.'
      throw new P2pError('EXISTS', `You have a network ${name} already, which is another one`, { advice })
    },
    async replace(name, secret) {
      await writePrivateFile(fileOf(name), encoded(secret))
      return { name, secret }
    },
    remove: (name) => rm(join(folder, checked(name)), { recursive: true, force: true })
  }
}

function encoded(secret: Uint8Array): string {
  return `${Buffer.from(secret).toString('base64url')}\n`
}

function checked(name: string): string {
  if (NAME.test(name)) return name
  const advice = 'Use up to 63 lower-case letters, digits, - and _.'
  throw new P2pError('USAGE', `${JSON.stringify(name.slice(0, 64))} can be no name of a network`, { advice })
}
