/** The private networks of this user, one folder for each: `networks/NAME/secret` below the state of p2p-rx. */
import { randomBytes } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { P2pError } from '../errors.js'
import { checkNetworkName, isNetworkName } from '../network-name.js'
import { type NetworkFolder, openNetworkFolder } from './network-folder.js'
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

export interface Networks {
  /** Where they lie: not to be shared with anybody. */
  readonly root: string
  /** Their names, in order. */
  readonly list: () => Promise<string[]>
  /** Errors with USAGE for what can be no name, and with FOLDER or DISK. */
  readonly load: (name: string) => Promise<Network | undefined>
  /**
   * Makes a network, with this secret where one was given by somebody else. Errors with EXISTS when there is one of that
   * name with another secret.
   */
  readonly create: (name: string, secret?: Uint8Array) => Promise<Network>
  /** In place of the secret before, which is kept beside it in `secret.before`. */
  readonly replace: (name: string, secret: Uint8Array) => Promise<Network>
  /** What is kept beside the secret: who is refused, and where members were met. */
  readonly folder: (name: string) => NetworkFolder
  /** Nothing is left of it. */
  readonly remove: (name: string) => Promise<void>
}

/** Where the networks are kept, each in a folder of its name. */
export const networksFolder = (root: string) => join(root, 'networks')

/** `root` is the folder of all state of p2p-rx. */
export function openNetworks(root: string): Networks {
  const folder = networksFolder(root)
  const fileOf = (name: string) => join(folder, checkNetworkName(name), 'secret')

  async function load(name: string): Promise<Network | undefined> {
    const text = await readPrivateFile(fileOf(name))
    if (text === undefined) return undefined
    const secret = Buffer.from(text.trim(), 'base64url')
    if (secret.length > 0 && secret.toString('base64url') === text.trim()) return { name, secret }
    const advice = `Join the network again with an invite, under another name or after removing ${fileOf(name)}.`
    throw new P2pError('FOLDER', `The secret of the network ${name} is damaged`, { advice })
  }

  return {
    root: folder,
    async list() {
      const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
      const names = entries.filter((entry) => entry.isDirectory() && isNetworkName(entry.name)).map(({ name }) => name)
      return names.sort().slice(0, MAX_NETWORKS)
    },
    load,
    async create(name, given) {
      const secret = given ?? randomBytes(SECRET_BYTES)
      if (await createPrivateFile(fileOf(name), encoded(secret))) return { name, secret }
      const there = await load(name)
      const isSame = there !== undefined && Buffer.from(there.secret).equals(secret)
      if (there !== undefined && (given === undefined || isSame)) return there
      const advice =
        'Choose another name for the one you join with --network NAME; if its secret was changed, take the new one with `p2p-rx join --replace`.'
      throw new P2pError('EXISTS', `You have a network ${name} already, which is another one`, { advice })
    },
    async replace(name, secret) {
      // Whoever was handed a secret he does not want goes back to this one by hand.
      const before = await readPrivateFile(fileOf(name))
      if (before !== undefined && before !== encoded(secret)) await writePrivateFile(`${fileOf(name)}.before`, before)
      await writePrivateFile(fileOf(name), encoded(secret))
      return { name, secret }
    },
    folder: (name) => openNetworkFolder(join(folder, checkNetworkName(name))),
    remove: (name) => rm(join(folder, checkNetworkName(name)), { recursive: true, force: true })
  }
}

function encoded(secret: Uint8Array): string {
  return `${Buffer.from(secret).toString('base64url')}\n`
}
