/**
 * An invite to a private network: `p2prx://HOST:PORT[,HOST:PORT...]/NAME#SECRET`. Pure.
 *
 * The secret stands in the fragment, the part of a URL that programs keep to themselves. Its last four bytes are a checksum,
 * so that one that was cut off or mistyped is found out here, and not by a handshake that fails.
 */
import { createHash } from 'node:crypto'
import { P2pError } from './errors.js'
import { isNetworkName } from './network-name.js'

/** Whom to join, and how. */
export interface Invite {
  /** Where members may be met, as `https://HOST:PORT`, the best guess first. */
  readonly addresses: readonly string[]
  /** What the network is called by whoever invites. */
  readonly name: string
  /** Makes whoever has it a member. */
  readonly secret: Uint8Array
}

/** More would not fit a QR code that a phone reads from a terminal. */
export const MAX_INVITE_ADDRESSES = 8
/** Eight of the longest host names, and the rest. */
const MAX_INVITE_CHARS = 2_400
const CHECKSUM_BYTES = 4
/** As networks have them: 128 bits at least. */
const MIN_SECRET_BYTES = 16
const MAX_SECRET_BYTES = 64

const FORM = /^p2prx:\/\/([^/?#]*)\/([^/?#]*)(\?[^#]*)?#(.*)$/i
const HOST_PORT = /^([a-z0-9](?:[a-z0-9.-]{0,252})|\[[0-9a-f:.]{2,45}\]):([1-9][0-9]{0,4})$/i

/** Writes an invite; of many addresses it names the first. Errors with BAD_INVITE for what cannot be said in one. */
export function formatInvite({ addresses, name, secret }: Invite): string {
  const places = [...new Set(addresses)].slice(0, MAX_INVITE_ADDRESSES).map(placeOf)
  const text = `p2prx://${places.join(',')}/${name}#${Buffer.concat([secret, checksumOf(secret)]).toString('base64url')}`
  // What others could not read is refused where it is written.
  parseInvite(text)
  return text
}

/**
 * Reads an invite as it was copied. Errors with BAD_INVITE, in words that hold nothing of it.
 *
 * @example
 * ```ts
 * const { addresses, name, secret } = parseInvite('p2prx://192.168.1.7:4242/default#q83v...')
 * ```
 */
export function parseInvite(text: string): Invite {
  const trimmed = text.trim()
  if (trimmed === '') throw bad('There is no invite')
  if (trimmed.length > MAX_INVITE_CHARS) throw bad('That is too long to be an invite')
  if (!/^p2prx:\/\//i.test(trimmed)) throw bad('That is no invite: it does not begin with p2prx://')
  if (!trimmed.includes('#')) throw bad('The invite is cut off: its secret, behind the #, is missing')
  const [, places = '', name = '', query, encoded = ''] = FORM.exec(trimmed) ?? []
  if (query !== undefined) throw bad('The invite was made by a later version of p2p-rx', 'Install the newest version.')
  if (!isNetworkName(name)) throw bad('The invite is damaged: it names no network')
  const addresses = addressesIn(places)
  return { addresses, name, secret: secretIn(encoded) }
}

function addressesIn(places: string): string[] {
  const urls = new Set(places.split(',').map(urlAt))
  if (urls.size > MAX_INVITE_ADDRESSES) throw bad('The invite is damaged: it has too many addresses')
  return [...urls]
}

/** As `https://HOST:PORT`, in the one spelling that URLs have. */
function urlAt(place: string): string {
  const [, host, port] = HOST_PORT.exec(place) ?? []
  const url = `https://${host}:${port}`
  if (host === undefined || Number(port) > 65_535 || !URL.canParse(url))
    throw bad('The invite is damaged: it has no address of the form HOST:PORT')
  // `URL.port` is empty for 443.
  return `https://${new URL(url).hostname}:${port}`
}

function placeOf(address: string): string {
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url?.protocol !== 'https:') throw bad('An invite names members by https: URLs')
  return `${url.hostname}:${url.port === '' ? 443 : url.port}`
}

function secretIn(encoded: string): Uint8Array {
  const bytes = Buffer.from(encoded, 'base64url')
  const secret = bytes.subarray(0, -CHECKSUM_BYTES)
  const isWhole =
    bytes.toString('base64url') === encoded &&
    secret.length >= MIN_SECRET_BYTES &&
    secret.length <= MAX_SECRET_BYTES &&
    bytes.subarray(-CHECKSUM_BYTES).equals(checksumOf(secret))
  if (!isWhole) throw bad('The invite is damaged or cut off: its secret does not fit its checksum')
  return new Uint8Array(secret)
}

/** Tells a slip from a secret; whoever has the secret gains nothing from it, and nobody else sees it. */
function checksumOf(secret: Uint8Array): Buffer {
  return createHash('sha256').update('p2p-rx invite v1').update(secret).digest().subarray(0, CHECKSUM_BYTES)
}

function bad(message: string, advice?: string): P2pError {
  return new P2pError('BAD_INVITE', message, advice === undefined ? {} : { advice })
}
