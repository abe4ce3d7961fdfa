/**
 * The data of an answer, from its first byte up to and with the tag that ends it.
 *
 * Text is handed on as the bytes that came: a Python 2 peer writes a file as it is, whatever its encoding and line ends,
 * and an XML parser would refuse the one and change the other (WIRE W15).
 */
import { type AnswerReader, LESS_THAN } from './answer-reader.js'
import { isXmlCodePoint } from './guard.js'
import { XmlRpcError } from './xmlrpc-error.js'

const CDATA = '<![CDATA['
const CDATA_END = ']]>'

/** `&#x10ffff;` has ten characters; one or two leading zeros are let pass. */
const MAX_REFERENCE_BYTES = 12

const AMPERSAND = 0x26
const SEMICOLON = 0x3b
const NUMERIC = /^&#(?:(\d{1,8})|x([\da-fA-F]{1,6}));/

/** The five names there are, and CR, which we write ourselves at the end of every line of a DOS file. */
const COMMON = Object.entries({ lt: '<', gt: '>', amp: '&', '#13': '\r', quot: '"', apos: "'" }).map(
  ([name, character]) => ({ reference: Buffer.from(`&${name};`), byte: character.charCodeAt(0) })
)

const SPACES = /[ \t\r\n]+/g

/** The bytes of a string, up to and with the closing tag of `element`. */
export async function* textOf(reader: AnswerReader, element: 'string' | 'value'): AsyncGenerator<Buffer, void> {
  for (;;) {
    reader.release()
    const { buffer } = reader
    const markup = buffer.indexOf(LESS_THAN)
    const end = markup === -1 ? buffer.length - unfinishedReference(buffer) : markup
    reader.at = end
    reader.release()
    if (end > 0) yield unescaped(buffer.subarray(0, end))
    if (markup === -1) {
      await reader.need()
    } else if (await reader.startsWith(CDATA)) {
      reader.at += CDATA.length
      yield* cdataOf(reader)
    } else if (await reader.startsWith('<!--')) {
      await reader.skipComment()
    } else {
      return reader.expect(`/${element}`)
    }
  }
}

async function* cdataOf(reader: AnswerReader): AsyncGenerator<Buffer, void> {
  for (;;) {
    reader.release()
    const { buffer } = reader
    const found = buffer.indexOf(CDATA_END)
    // The last two bytes may begin the end.
    const end = found === -1 ? Math.max(0, buffer.length - (CDATA_END.length - 1)) : found
    reader.at = found === -1 ? end : end + CDATA_END.length
    reader.release()
    if (end > 0) yield buffer.subarray(0, end)
    if (found !== -1) return
    await reader.need()
  }
}

/** How many bytes at the end may be the beginning of a reference. */
function unfinishedReference(bytes: Buffer): number {
  const start = Math.max(0, bytes.length - MAX_REFERENCE_BYTES)
  const last = bytes.subarray(start)
  const ampersand = last.lastIndexOf(AMPERSAND)
  return ampersand === -1 || last.includes(SEMICOLON, ampersand) ? 0 : last.length - ampersand
}

/** Byte by byte: a replacement with a callback is five times slower, and bytes that are no UTF-8 must survive. */
function unescaped(bytes: Buffer): Buffer {
  const first = bytes.indexOf(AMPERSAND)
  if (first === -1) return bytes
  // No reference is shorter than what it stands for.
  const out = Buffer.allocUnsafe(bytes.length)
  let size = bytes.copy(out, 0, 0, first)
  for (let at = first; at < bytes.length; ) {
    const byte = bytes[at] ?? 0
    if (byte !== AMPERSAND) {
      out[size++] = byte
      at++
      continue
    }
    const common = COMMON.find(({ reference }) => isAt(bytes, at, reference))
    if (common === undefined) {
      const [reference, character] = numeric(bytes, at)
      size += out.write(character, size)
      at += reference.length
    } else {
      out[size++] = common.byte
      at += common.reference.length
    }
  }
  return out.subarray(0, size)
}

function isAt(bytes: Buffer, at: number, reference: Buffer): boolean {
  for (let i = 1; i < reference.length; i++) if (bytes[at + i] !== reference[i]) return false
  return true
}

/** The numeric reference at `at`, and its character. */
function numeric(bytes: Buffer, at: number): [string, string] {
  const [reference, decimal, hex] = NUMERIC.exec(bytes.toString('latin1', at, at + MAX_REFERENCE_BYTES)) ?? []
  const point = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal)
  if (reference === undefined || !isXmlCodePoint(point)) throw new XmlRpcError('malformed', 'A reference to nothing.')
  return [reference, String.fromCodePoint(point)]
}

/** The bytes a base64 element stands for, up to and with its closing tag. Space anywhere is stepped over. */
export async function* base64Of(reader: AnswerReader): AsyncGenerator<Buffer, void> {
  let left = ''
  let isPadded = false
  for (;;) {
    reader.release()
    const { buffer } = reader
    const markup = buffer.indexOf(LESS_THAN)
    reader.at = markup === -1 ? buffer.length : markup
    const text = left + buffer.toString('latin1', 0, reader.at).replace(SPACES, '')
    // Four characters make three bytes; what is left over waits for the next chunk.
    const end = text.length - (text.length % 4)
    left = text.slice(end)
    if (isPadded && text !== '') throw notBase64()
    if (end > 0) {
      const whole = text.slice(0, end)
      isPadded = whole.endsWith('=')
      yield decoded(whole)
    }
    reader.release()
    if (markup !== -1) break
    await reader.need()
  }
  if (left !== '') throw notBase64()
  await reader.expect('/base64')
}

function decoded(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  // Buffer steps over what is not base64, so that too few bytes come out; but it knows the URL alphabet as well.
  if (bytes.length !== (text.length / 4) * 3 - padding || text.includes('-') || text.includes('_')) throw notBase64()
  return bytes
}

function notBase64(): XmlRpcError {
  return new XmlRpcError('malformed', 'Base64 that is none.')
}
