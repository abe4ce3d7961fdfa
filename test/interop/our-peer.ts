/** Our own peer among the foreign ones: in this process, on a real port. */

import { readFile } from 'node:fs/promises'
import { lastValueFrom, type Observable } from 'rxjs'
import { createPeer, P2pError, type Peer, type PeerOptions } from '../../src/index.js'
import { type Field, type Files, type Implementation, SECRET } from './harness.js'

export interface OurPeer {
  readonly peer: Peer
  readonly url: string
  readonly dir: string
  /** The URL under which a node of that implementation has to know us. */
  readonly as: (implementation: Implementation) => string
}

export async function startPeer(
  field: Field,
  { files, ...options }: Partial<PeerOptions> & { files?: Files } = {}
): Promise<OurPeer> {
  const dir = options.dir ?? (await field.folder(files))
  const peer = createPeer({ port: 0, fetchSecret: SECRET, ...options, dir })
  field.atEnd(() => peer.destroy())
  const url = await peer.ready()
  return {
    peer,
    url,
    dir,
    as: (implementation) => (implementation === '27-1' ? `${url.replace(/\/$/, '')}/simple` : url)
  }
}

/** Fetches, and reads what then lies in the folder. */
export async function fetched({ peer }: OurPeer, name: string): Promise<Buffer> {
  const { path } = await lastValueFrom(peer.fetch(name))
  if (path === undefined) throw new Error('the last progress does not say where the file is')
  return readFile(path)
}

/** The code of the error with which a stream ends, or `none`. */
export async function errorCode(stream: Observable<unknown>): Promise<string> {
  try {
    await lastValueFrom(stream)
    return 'none'
  } catch (error) {
    if (error instanceof P2pError) return error.code
    throw error
  }
}
