/**
 * The public API, listed by hand: what is not listed is not promised.
 *
 * @packageDocumentation
 */
export { type ErrorCode, P2pError } from './errors.js'
export { type PeerOptions, parsePeerUrl } from './options.js'
export { createPeer, type Peer } from './peer.js'
export { hashFile } from './store/hash-file.js'
export type { KnownPeer } from './streams/directory.js'
export type { PeerEvent } from './streams/events.js'
export type { Clock, Dialect, FailureReason, Offer, PeerUrl, SharedFile } from './streams/ports.js'
export type { Progress } from './streams/transfer.js'
export { createVirtualClock, type VirtualClock } from './transport/memory/clock.js'
export {
  type CallKind,
  createMemoryNetwork,
  type MemoryCall,
  type MemoryNetwork,
  type MemoryNetworkOptions
} from './transport/memory/network.js'
