/** Shapes of what comes in over the wire, with a bound on every length. */
import * as v from 'valibot'
import { MAX_CONTACTS } from '../../streams/exchange.js'
import { MAX_ADDRESSES, MAX_URL_LENGTH } from '../../streams/urls.js'

/** A name in UTF-16 units: as long as a path may be on Linux. A longer one cannot be a file's. */
const MAX_NAME_CHARS = 4_096
/** A URL in a history or a greeting, as foreign callers may spell them; ours are shorter. */
const MAX_FOREIGN_URL_CHARS = 2_048
/** URLs in one history. The rules stop at 6; what is longer is answered, and not passed on. */
const MAX_FOREIGN_HISTORY = 64
/** Peers asked at the same time by those before us: every hop adds its neighbours. */
export const MAX_ASKING = 1_024
/** Holders in an offer. */
export const MAX_HOLDERS = 64
/** Files on a page of a list; ours have 500. */
const MAX_LISTED = 1_000
/** A query's or a process' id; ours are UUIDs. */
const MAX_ID_CHARS = 64
/** A secret of the book's `fetch`. */
const MAX_SECRET_CHARS = 1_024

export const Name = v.pipe(v.string(), v.maxLength(MAX_NAME_CHARS))
export const Id = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_ID_CHARS))
export const ForeignUrl = v.pipe(v.string(), v.maxLength(MAX_FOREIGN_URL_CHARS))
export const History = v.pipe(v.array(ForeignUrl), v.maxLength(MAX_FOREIGN_HISTORY))
export const Asking = v.pipe(v.array(ForeignUrl), v.maxLength(MAX_ASKING))
export const Secret = v.pipe(v.string(), v.maxLength(MAX_SECRET_CHARS))
/** The secret of a private network, of 16 to 64 bytes in base64url. */
export const NetworkSecret = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{22,86}$/))
export const Milliseconds = v.pipe(v.number(), v.safeInteger(), v.minValue(0))

const SizeBytes = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
/** XML-RPC has no way to leave a value out that all parsers know, so no root is an empty one. */
const Root = v.pipe(v.string(), v.regex(/^([0-9a-f]{64})?$/))
export const WholeRoot = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))
const PeerUrl = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_URL_LENGTH))

// Answers are read leniently: members we do not know are a later version's, and are dropped.
export const OfferStruct = v.object({
  name: Name,
  size: SizeBytes,
  root: Root,
  holders: v.pipe(v.array(PeerUrl), v.minLength(1), v.maxLength(MAX_HOLDERS)),
  relays: v.optional(v.pipe(v.array(PeerUrl), v.maxLength(MAX_HOLDERS)))
})
export const ListStruct = v.object({
  files: v.pipe(
    v.array(v.object({ name: Name, size: SizeBytes, modified: v.number(), root: Root })),
    v.maxLength(MAX_LISTED)
  ),
  more: v.boolean()
})
/** A peer's addresses, its own or another's. */
export const Addresses = v.pipe(v.array(PeerUrl), v.maxLength(MAX_ADDRESSES))
export const HelloStruct = v.object({ url: ForeignUrl, id: Id, v: v.literal(1), urls: v.optional(Addresses, []) })
export const ContactsStruct = v.object({
  peers: v.pipe(v.array(v.object({ id: v.optional(Id), urls: Addresses })), v.maxLength(MAX_CONTACTS))
})
