/**
 * What is kept beside the secret of a network: whom this user's peers refuse (`refused-ID`, an empty file each, so that two
 * commands at a time lose nothing), where members were met first (`peers`), and where our own peer was (`addresses`).
 */
import { watch } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { asP2pError } from '../errors.js'
import { peerKey } from '../streams/urls.js'
import { createPrivateFile, readPrivateFile, writePrivateFile } from './private-file.js'

/** Members are introduced by those we know; these are for the first contact. With URLs of 256 characters it fits a private file. */
const MAX_FIRST_PEERS = 32
/** Several changes of one command are read once. */
const SETTLE_MS = 20
const REFUSED = /^refused-([0-9a-f]{64})$/

export interface NetworkFolder {
  /** Ids that this user's peers do not talk to. */
  readonly refused: () => Promise<string[]>
  /** Tells whether it was not refused before. */
  readonly refuse: (id: string) => Promise<boolean>
  /** Tells whether it was refused before. */
  readonly allow: (id: string) => Promise<boolean>
  /** Where to look for members first. */
  readonly peers: () => Promise<string[]>
  /** In front of those before; the oldest make room. */
  readonly addPeers: (urls: readonly string[]) => Promise<void>
  /** Where a peer of this user could be reached when it ran last. */
  readonly addresses: () => Promise<string[]>
  readonly setAddresses: (urls: readonly string[]) => Promise<void>
  /** Calls back after each change in the folder, until the returned function is called. `failed` when that cannot be known. */
  readonly follow: (changed: () => void, failed: (error: unknown) => void) => () => void
}

export function openNetworkFolder(folder: string): NetworkFolder {
  const refusal = (id: string) => join(folder, `refused-${id}`)
  const peersFile = join(folder, 'peers')
  const addressesFile = join(folder, 'addresses')

  async function refused(): Promise<string[]> {
    try {
      const names = await readdir(folder)
      return names.flatMap((name) => REFUSED.exec(name)?.[1] ?? []).sort()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      // To refuse nobody because the list cannot be read would let them in.
      throw asP2pError(error, 'FOLDER')
    }
  }

  return {
    refused,
    refuse: (id) => createPrivateFile(refusal(id), ''),
    async allow(id) {
      const was = (await refused()).includes(id)
      await rm(refusal(id), { force: true })
      return was
    },
    peers: () => readUrls(peersFile),
    async addPeers(urls) {
      const all = [...new Set([...urls, ...(await readUrls(peersFile))])]
      await writePrivateFile(peersFile, linesOf(all.slice(0, MAX_FIRST_PEERS)))
    },
    addresses: () => readUrls(addressesFile),
    setAddresses: (urls) => writePrivateFile(addressesFile, linesOf(urls.slice(0, MAX_FIRST_PEERS))),
    follow(changed, failed) {
      const stopped = new AbortController()
      let settling: NodeJS.Timeout | undefined
      const soon = () => {
        settling ??= setTimeout(() => {
          settling = undefined
          changed()
        }, SETTLE_MS)
      }
      mkdir(folder, { recursive: true, mode: 0o700 })
        .then(() => {
          if (stopped.signal.aborted) return
          const watcher = watch(folder, { signal: stopped.signal, persistent: false }, soon)
          watcher.on('error', failed)
          // What changed before the watch began.
          soon()
        })
        .catch(failed)
      return () => {
        stopped.abort()
        clearTimeout(settling)
      }
    }
  }
}

async function readUrls(file: string): Promise<string[]> {
  const lines = ((await readPrivateFile(file)) ?? '').split('\n')
  return lines.filter((line) => line.startsWith('https:') && peerKey(line) !== undefined)
}

function linesOf(urls: readonly string[]): string {
  return urls.map((url) => `${url}\n`).join('')
}
