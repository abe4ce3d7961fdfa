/** What a peer can be told, and the checks that need nothing but the text. */
import { P2pError } from './errors.js'
import type { Clock, Neighbourhood, PeerUrl, Transport } from './streams/ports.js'
import { DEFAULT_CONCURRENCY } from './streams/query.js'
import { MAX_URL_LENGTH, peerKey } from './streams/urls.js'
import type { Rates } from './transport/http/rates.js'

/** The port of the book's examples. */
const DEFAULT_PORT = 4242
/** Without being told otherwise, a peer can be reached from its own machine only. */
const DEFAULT_HOST = '127.0.0.1'
/** How long a user waits for a miss when neighbours are silent. */
const DEFAULT_QUERY_TIMEOUT_MS = 15_000

/** A private network, and who we are in it. */
export interface NetworkOptions {
  /** Makes whoever has it a member, so it is kept secret: 16 to 64 random bytes. See `userNetworks`. */
  readonly secret: Uint8Array
  /** Our own key, as PEM text; from it follows our id. Default: a new one for each process. See `loadPeerKey`. */
  readonly key?: string
  /** Ids of peers that are not talked to, though they have the secret; `setRefused` changes them. */
  readonly refused?: readonly string[]
  /**
   * Takes a changed secret from a member we know, and keeps it for the next start; the peer goes on with it once this has
   * resolved. Default: secrets are taken from nobody.
   */
  readonly keepSecret?: (secret: Uint8Array, from: { readonly id: string }) => Promise<void>
}

/** Settings of a peer. */
export interface PeerOptions {
  /** The shared folder, and where fetched files go. Created when missing. */
  readonly dir: string
  /**
   * The one spelling under which the peer announces itself, e.g. `http://192.168.1.10:4242`.
   * Default: `http://HOST:PORT` as bound.
   */
  readonly url?: PeerUrl
  /** Address to listen on. Default 127.0.0.1, which only this machine can reach; `0.0.0.0` is every interface. */
  readonly host?: string
  /** Port to listen on; 0 is any free one. Default: the port of `url`, else 4242. */
  readonly port?: number
  /** Peers to begin with. */
  readonly peers?: readonly PeerUrl[]
  /** Only asks and fetches: does not listen, share or introduce itself. Default false. */
  readonly visitor?: boolean
  /** Neighbours asked at once by one query, 1 to 64. Default 8. */
  readonly concurrency?: number
  /** How long a query of ours may take, in milliseconds, when nobody finds the file. Default 15,000. */
  readonly queryTimeoutMs?: number
  /**
   * The private network to be in: all it says and serves is encrypted, for members alone, and peers are named by `https:`
   * URLs. Default: none, everything is in the clear for everybody who can reach the port.
   */
  readonly network?: NetworkOptions
  /** Who knows it may make this peer fetch a file over XML-RPC (the book's `fetch`). Default: nobody may. */
  readonly fetchSecret?: string
  /**
   * Password of a TinyP2P network to be a server of: whoever knows it may list and read the files of the shared folder, but
   * not those of its folders, as the original's clients do. All in the clear, so not in a private network. Default: of none.
   */
  readonly tinyPassword?: string
  /**
   * Where what outlives the process is kept: the hashes of files, so that they are not hashed again, and the peers that
   * answered, which are looked for at the next start. One peer at a time.
   * Default: nothing is kept. See `defaultStateDir`.
   */
  readonly stateDir?: string
  /** How fast bytes may come and go; `setRates` changes it. Default: as fast as they can. */
  readonly rates?: Rates
  /** Peers that may download from us at once, the others wait in a queue; 1 to 384. Default 16. */
  readonly uploadSlots?: number
  /** Bytes that are kept of what was fetched from foreign peers for somebody else. Default 1 GiB; 0 keeps nothing longer than it is sent. */
  readonly cacheBytes?: number
  /** Lets others look for what is in the text files of the folder, not for names only. Default false. */
  readonly searchContent?: boolean
  /**
   * Tells neighbours of each other, so that whoever knows one comes to know all. Default: in a private network, yes; elsewhere
   * some of the peers may be of other kinds, and who knows whom is their users' affair.
   */
  readonly exchange?: boolean
  /**
   * Finds peers of the same network nearby by multicast DNS, and is found by them. They know the secret, others see a hash.
   * Default: those of the private network, nobody without one. `false`: nobody. Without effect where only this machine can
   * reach us.
   */
  readonly lan?: false | { readonly secret: string | Uint8Array }
  /** Another way to find those nearby than multicast DNS. */
  readonly neighbourhood?: Neighbourhood
  /** Another way to the neighbours than HTTP, such as a memory network's. `url` must be set with it. */
  readonly transport?: Transport
  /** Another time than the real one, for tests and simulations. */
  readonly clock?: Clock
}

/**
 * Checks a peer's URL as somebody typed it, and returns it unchanged: neighbours compare it letter by letter.
 * Errors with BAD_URL.
 */
export function parsePeerUrl(text: string): PeerUrl {
  if (peerKey(text) !== undefined) return text
  // Not repeated: it holds a secret.
  if (/^p2prx:/i.test(text)) {
    const advice = 'Run `p2p-rx join` and paste it there.'
    throw new P2pError('BAD_URL', 'That is an invite, not the URL of a peer', { advice })
  }
  throw new P2pError('BAD_URL', `${JSON.stringify(text.slice(0, MAX_URL_LENGTH))} is not the URL of a peer`)
}

/** Settings with their defaults filled in. Errors with USAGE or BAD_URL. */
export function completeOptions(options: PeerOptions) {
  const { url, host = DEFAULT_HOST, concurrency = DEFAULT_CONCURRENCY, peers = [] } = options
  const { queryTimeoutMs = DEFAULT_QUERY_TIMEOUT_MS, visitor = false } = options
  if (typeof options.dir !== 'string' || options.dir === '') throw new P2pError('USAGE', 'No folder is named')
  if (host === '') throw new P2pError('USAGE', 'The host to listen on is empty')
  if (url !== undefined) parsePeerUrl(url)
  checkKind([...peers, ...(url === undefined ? [] : [url])], options.network !== undefined)
  const port = options.port ?? (url === undefined ? DEFAULT_PORT : portOf(url))
  within('The port', port, 0, 65_535)
  within('concurrency', concurrency, 1, 64)
  within('queryTimeoutMs', queryTimeoutMs, 1, 600_000)
  checkTinyPassword(options)
  if (options.uploadSlots !== undefined) within('uploadSlots', options.uploadSlots, 1, 384)
  if (options.cacheBytes !== undefined) within('cacheBytes', options.cacheBytes, 0, Number.MAX_SAFE_INTEGER)
  checkRates(options.rates)
  const exchange = options.exchange ?? options.network !== undefined
  return { ...options, host, port, concurrency, queryTimeoutMs, visitor, exchange, peers: peers.map(parsePeerUrl) }
}

function portOf(url: PeerUrl): number {
  const { port, protocol } = new URL(url)
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)
}

/** Errors with USAGE. */
function checkTinyPassword({ tinyPassword, network }: PeerOptions): void {
  if (tinyPassword === undefined) return
  if (tinyPassword === '') throw new P2pError('USAGE', 'The TinyP2P password is empty')
  if (network !== undefined)
    throw new P2pError('USAGE', 'TinyP2P speaks in the clear, and this peer is in a private network', {
      advice: 'Leave the one or the other out.'
    })
}

/** A private network is spoken in over TLS only, and an open one in the clear only. Errors with BAD_URL. */
export function checkKind(urls: readonly PeerUrl[], isPrivate: boolean): void {
  const wrong = urls.find((url) => url.startsWith('https:') !== isPrivate)
  if (wrong === undefined) return
  const message = isPrivate
    ? `${wrong} is in the open, and this peer is private`
    : `${wrong} is private, and this peer is not`
  const advice = isPrivate
    ? 'Peers of a private network are named like https://192.168.1.7:4242.'
    : 'Join its network first.'
  throw new P2pError('BAD_URL', message, { advice })
}

/** Errors with USAGE. */
export function checkRates(rates: Rates = {}): void {
  for (const [name, rate] of Object.entries(rates) as [string, number | undefined][]) {
    if (rate !== undefined) within(name, rate, 1, Number.MAX_SAFE_INTEGER)
  }
}

/** Errors with USAGE. */
export function within(what: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  throw new P2pError('USAGE', `${what} is a whole number from ${least} to ${most}, not ${value}`)
}
