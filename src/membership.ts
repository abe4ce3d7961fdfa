/** Our membership of a private network, made of what the options say. */
import type { NetworkOptions } from './options.js'
import type { Happening } from './streams/events.js'
import type { Pins } from './streams/ports.js'
import type { PrivateNetwork } from './transport/http/transport.js'
import { newPeerKey } from './transport/tls/identity.js'
import { createMember } from './transport/tls/member.js'

/** Changes of ids that are known to have been told; beyond it some are told twice. */
const MAX_TOLD = 1_024

/** Errors with USAGE when the secret or the key is none. */
export function createMembership(
  { secret, key = newPeerKey(), refused = [] }: NetworkOptions,
  pins: Pins,
  tell: (happening: Happening) => void
): PrivateNetwork {
  const member = createMember({ secret, key })
  member.setRefused(refused)
  // Whoever has changed is tried again and again.
  const told = new Set<string>()
  return {
    member,
    pins,
    onIdChange({ url, pinnedId, id }) {
      const change = `${url} ${pinnedId} ${id}`
      if (told.has(change)) return
      if (told.size >= MAX_TOLD) told.clear()
      told.add(change)
      tell({ type: 'id-changed', url, pinnedId, id })
    }
  }
}
