/**
 * The public API, listed by hand: what is not listed is not promised.
 *
 * @packageDocumentation
 */
export { type ErrorCode, P2pError } from './errors.js'
export type { FindNews, FindOptions, FoundFile } from './finding.js'
export { formatInvite, type Invite, MAX_INVITE_ADDRESSES, parseInvite } from './invite.js'
export { rememberedPeers } from './known-peers.js'
export { checkNetworkName } from './network-name.js'
export { type NetworkOptions, type PeerOptions, parsePeerUrl } from './options.js'
export type { FetchOptions } from './orders.js'
export { createPeer, type Peer } from './peer.js'
export { loadPeerKey, loadVisitorKey, userNetworks } from './private-network.js'
export type { Handed } from './rotation.js'
export { defaultStateDir } from './state-dir.js'
export { hashFile } from './store/hash-file.js'
export type { NetworkFolder } from './store/network-folder.js'
export { DEFAULT_NETWORK, type Network, type Networks } from './store/networks.js'
export type { RememberedPeer } from './store/remembered.js'
export type { KnownPeer } from './streams/directory-table.js'
export type { PeerEvent } from './streams/events.js'
export type { FailedFile, FolderProgress } from './streams/fetch-all.js'
export type {
  Clock,
  Contact,
  Dialect,
  FailureReason,
  Hit,
  IfExists,
  MatchedLine,
  Neighbourhood,
  Offer,
  Pattern,
  PeerUrl,
  SharedFile,
  Sighting,
  Trace
} from './streams/ports.js'
export type { Progress } from './streams/progress.js'
export type { SourceRate } from './streams/swarm.js'
export { fetchTiny, type TinyEvent, type TinyOptions } from './tiny.js'
export type { Rates } from './transport/http/rates.js'
export { type Multicast, probeMulticast } from './transport/mdns/probe.js'
export { createVirtualClock, type VirtualClock } from './transport/memory/clock.js'
export {
  type CallKind,
  createMemoryNetwork,
  type MemoryCall,
  type MemoryNetwork,
  type MemoryNetworkOptions
} from './transport/memory/network.js'
export { SOFTWARE } from './transport/software.js'
export { MIN_PASSWORD_CHARS, passwordSecret } from './transport/tls/password.js'
