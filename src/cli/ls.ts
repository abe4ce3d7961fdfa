/** `p2p-rx ls`: what a folder would share, or what a peer shares. */
import { tmpdir } from 'node:os'
import { firstValueFrom, lastValueFrom, takeUntil, tap } from 'rxjs'
import { createPeer, parsePeerUrl, type SharedFile } from '../index.js'
import { requireFolder } from './inputs.js'
import { answer, fileRow, say, writeJson } from './output.js'
import { type Stops, stoppedExitCode, watchStops } from './stop.js'

export interface LsFlags {
  readonly dir?: string
  readonly peer?: string
  readonly json?: boolean
}

export async function ls({ dir = '.', peer: url, json = false }: LsFlags): Promise<number> {
  const stops = watchStops()
  let count = 0
  const show = (files: readonly SharedFile[]) => {
    count += files.length
    for (const file of files)
      if (json) writeJson(file)
      else answer(fileRow(file))
  }
  if (url === undefined) {
    await requireFolder(dir)
    show(await listFolder(dir))
  } else await listPeer(parsePeerUrl(url), show, stops)
  if (stops.reason !== undefined) return stoppedExitCode(stops.reason)
  if (count === 0) say(`${url ?? dir} has nothing to share.`)
  return 0
}

/** Hands over page after page as it comes. */
async function listPeer(url: string, show: (files: readonly SharedFile[]) => void, { stop$ }: Stops): Promise<void> {
  // Nothing is fetched, so any folder will do that can be written, which this one may not.
  const peer = createPeer({ dir: tmpdir(), visitor: true })
  try {
    await peer.ready()
    await lastValueFrom(peer.list(url).pipe(tap(show), takeUntil(stop$)), { defaultValue: [] })
  } finally {
    await peer.close()
  }
}

/** What is shared is what the peer itself says of the folder; it listens for this moment only, on any free port. */
async function listFolder(dir: string): Promise<readonly SharedFile[]> {
  const peer = createPeer({ dir, port: 0 })
  try {
    await peer.ready()
    return await firstValueFrom(peer.shared$, { defaultValue: [] })
  } finally {
    await peer.close()
  }
}
