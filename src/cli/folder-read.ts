/** When the shared folder has been read once, so that a list of it is all of it. */
import { debounceTime, firstValueFrom, merge, take, timer } from 'rxjs'
import type { Peer } from '../index.js'

/** Longer than a peer waits to see whether a file is still being written, and than its pauses between two states of the list. */
const QUIET_MS = 700
/** For a folder in which files come and go all the time: then the list is what it is. */
const MAX_READ_MS = 30_000

/**
 * Resolves when the list of shared files has stopped growing. A peer is ready before it has read its folder, and
 * does not tell when it has; who lists it right after the start would see nothing.
 */
export async function whenRead({ shared$ }: Peer): Promise<void> {
  const quiet$ = merge(shared$.pipe(debounceTime(QUIET_MS)), timer(MAX_READ_MS))
  await firstValueFrom(quiet$.pipe(take(1)), { defaultValue: undefined })
}
