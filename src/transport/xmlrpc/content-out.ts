/** A file as the answer to a foreign peer's query: a whole methodResponse, written while the file is being read. */
import { isUtf8 } from 'node:buffer'
import { P2pError } from '../../errors.js'

/** Which book node is talked to: Listing 27-2 answers the content alone, Listing 27-1 the pair `[1, content]`. */
export type ForeignDialect = 'book' | 'simple'

/**
 * How content can travel. `text`: as a string that any reader gives back byte for byte; `text-cr`: the same, but a relay
 * that writes CR bare loses it on the next hop; `base64`: it is not text that XML can carry.
 */
export type ContentForm = 'text' | 'text-cr' | 'base64'

/** What XML 1.0 leaves out of the first 32 characters. */
const CONTROLS = Array.from({ length: 32 }, (_, code) => code).filter((code) => ![0x09, 0x0a, 0x0d].includes(code))

const CR = 0x0d

/** U+FFFE and U+FFFF, which XML leaves out too, begin with these bytes. */
const NONCHARACTER_LEAD = Buffer.from([0xef, 0xbf])

const ESCAPE_OF: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '\r': '&#13;' }
const ESCAPED = Object.keys(ESCAPE_OF)
const ESCAPES = Array.from({ length: 256 }, (_, byte) => Buffer.from(ESCAPE_OF[String.fromCharCode(byte)] ?? ''))

/** How many bytes an escape adds, by the byte it stands for. A typed array: the loops below look at every byte of a file. */
const ADDED = Uint8Array.from({ length: 256 }, (_, byte) => (ESCAPE_OF[String.fromCharCode(byte)] ?? ' ').length - 1)

const HEAD = '<?xml version="1.0"?>\n<methodResponse><params><param>'
const TAIL = '</param></params></methodResponse>\n'

/** The whole answer for content that is here already. `relayed`: the caller only passes it on. */
export function contentAtOnce(bytes: Uint8Array, dialect: ForeignDialect, relayed: boolean): Buffer {
  const content = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const form = formFor(formAtOnce(bytes), relayed)
  const [before, after] = around(form, dialect)
  return Buffer.concat([
    before,
    form === 'text' ? escapedPiece(content) : Buffer.from(content.toString('base64')),
    after
  ])
}

/** How content that is here already can travel. */
export function formAtOnce(bytes: Uint8Array): ContentForm {
  const content = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return isXmlBytes(content) ? (content.includes(CR) ? 'text-cr' : 'text') : 'base64'
}

/** How to send content of this form: Python's relays would write a CR bare, and the next reader turn it into LF (WIRE W15 to W17). */
export function formFor(form: ContentForm, relayed: boolean): 'text' | 'base64' {
  return form === 'text-cr' ? (relayed ? 'base64' : 'text') : form
}

/** Finds out in one pass how the bytes can travel; stops reading at the first that rules text out. */
export async function contentForm(bytes: AsyncIterable<Uint8Array>): Promise<ContentForm> {
  let hasCr = false
  for await (const text of inWholeCharacters(bytes)) {
    if (!isXmlBytes(text)) return 'base64'
    hasCr ||= text.includes(CR)
  }
  return hasCr ? 'text-cr' : 'text'
}

/**
 * The answer that carries these bytes, in constant memory. CR is written as `&#13;`, so that parsers leave it alone.
 * Errors with INTEGRITY when bytes that were to go as text are none: the file has changed since it was looked at.
 */
export async function* contentResponse(
  bytes: AsyncIterable<Uint8Array>,
  form: 'text' | 'base64',
  dialect: ForeignDialect
): AsyncGenerator<Uint8Array, void> {
  const [before, after] = around(form, dialect)
  yield before
  yield* form === 'text' ? escaped(bytes) : inBase64(bytes)
  yield after
}

/** What stands before and after the content. */
function around(form: 'text' | 'base64', dialect: ForeignDialect): readonly [Buffer, Buffer] {
  const element = form === 'text' ? 'string' : 'base64'
  const [before, after] =
    dialect === 'book'
      ? ['<value>', '</value>']
      : ['<value><array><data><value><int>1</int></value><value>', '</value></data></array></value>']
  return [Buffer.from(`${HEAD}${before}<${element}>`), Buffer.from(`</${element}>${after}${TAIL}`)]
}

async function* escaped(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  for await (const text of inWholeCharacters(bytes)) {
    if (!isXmlBytes(text)) throw new P2pError('INTEGRITY', 'The file has changed while it was being sent.')
    yield escapedPiece(text)
  }
}

/** Byte by byte, in two passes: on a page of HTML several times as fast as replacing in a string. */
function escapedPiece(bytes: Buffer): Buffer {
  if (!ESCAPED.some((special) => bytes.includes(special))) return bytes
  let size = bytes.length
  for (let at = 0; at < bytes.length; at++) size += ADDED[bytes[at] ?? 0] ?? 0
  const out = Buffer.allocUnsafe(size)
  for (let at = 0, to = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0
    if (ADDED[byte] === 0) out[to++] = byte
    else for (const code of ESCAPES[byte] ?? []) out[to++] = code
  }
  return out
}

/** Three bytes make four characters, so what is left over of a chunk waits for the next one. */
async function* inBase64(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  let left = Buffer.alloc(0)
  for await (const chunk of bytes) {
    const all = joined(left, chunk)
    const end = all.length - (all.length % 3)
    if (end > 0) yield Buffer.from(all.toString('base64', 0, end), 'latin1')
    left = Buffer.from(all.subarray(end))
  }
  if (left.length > 0) yield Buffer.from(left.toString('base64'), 'latin1')
}

/** The same bytes, cut between characters. What is no UTF-8 comes as it is. */
async function* inWholeCharacters(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void> {
  let left = Buffer.alloc(0)
  for await (const chunk of bytes) {
    const all = joined(left, chunk)
    const end = all.length - unfinished(all)
    if (end > 0) yield all.subarray(0, end)
    left = Buffer.from(all.subarray(end))
  }
  if (left.length > 0) yield left
}

/** How many bytes at the end begin a UTF-8 character without finishing it: 0 to 3. */
function unfinished(bytes: Buffer): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0
    if (byte < 0x80) return 0
  }
  return 0
}

function joined(left: Buffer, chunk: Uint8Array): Buffer {
  if (left.length > 0) return Buffer.concat([left, chunk])
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
}

function isXmlBytes(bytes: Buffer): boolean {
  // One native search per control character is three times as fast as one loop over the bytes.
  if (!isUtf8(bytes) || CONTROLS.some((code) => bytes.includes(code))) return false
  for (let at = bytes.indexOf(NONCHARACTER_LEAD); at !== -1; at = bytes.indexOf(NONCHARACTER_LEAD, at + 1)) {
    if ((bytes[at + 2] ?? 0) >= 0xbe) return false
  }
  return true
}
