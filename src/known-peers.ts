/** Whom a peer has met, for those who look while it does not run. */
import { access } from 'node:fs/promises'
import { createPeerMemory, type RememberedPeer } from './store/remembered.js'
import { openState, stateLocation } from './store/state.js'

/**
 * The peers that are remembered in a state folder, the last one that answered first. Errors with STATE_IN_USE while a
 * peer runs with it, and with FOLDER or DISK.
 */
export async function rememberedPeers(stateDir: string): Promise<readonly RememberedPeer[]> {
  // Looking makes nothing.
  const isThere = await access(stateLocation(stateDir)).then(
    () => true,
    () => false
  )
  if (!isThere) return []
  const state = await openState(stateDir)
  try {
    return await createPeerMemory(() => Promise.resolve(state.text('peers'))).load(Date.now())
  } finally {
    await state.close()
  }
}
