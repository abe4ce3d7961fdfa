/** The key of a peer, kept with the state of its share: two shares of one machine are two peers. */
import { join } from 'node:path'
import { createPrivateFile, readPrivateFile } from './private-file.js'

/** Reads the key, PEM text, or keeps the one that `create` makes. Errors with FOLDER or DISK. */
export async function keptPeerKey(stateDir: string, create: () => string): Promise<string> {
  const file = join(stateDir, 'peer.key')
  const kept = await readPrivateFile(file)
  if (kept !== undefined) return kept
  const made = create()
  // Two that start at the same time are one peer: the second takes what the first has made.
  return (await createPrivateFile(file, made)) ? made : ((await readPrivateFile(file)) ?? made)
}
