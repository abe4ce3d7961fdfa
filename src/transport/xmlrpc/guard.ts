/**
 * What may reach the XML parser: one walk over the text, before the parser sees any of it.
 *
 * The parser (sax 1.2) is lenient where it should refuse, takes quadratic time on a long `<!name`, and its entity table
 * answers to `&constructor;`. Nothing of the kind passes here: the text is cut into tags, comments, CDATA and character
 * data, and whatever is none of them is refused. What is left for the parser is the nesting.
 */
import { isUtf8 } from 'node:buffer'
import { isXmlText, MAX_VALUES } from './values.js'
import { XmlRpcError } from './xmlrpc-error.js'

/** Twice a page of 500 listed files with names of 4 KiB. File content does not come this way. */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024

/** An array item takes four tags, a struct member eight. The parser needs about a microsecond for one. */
const MAX_TAGS = 4 * MAX_VALUES

/** The element that holds all others. */
export type Root = 'methodCall' | 'methodResponse'

const SPACE = /[ \t\r\n]*/y
const DECLARATION = /<\?xml\s+version\s*=\s*["']1\.\d["'](?:\s+encoding\s*=\s*["']([\w.-]*)["'])?[^<>?]*\?>/y
const UTF8_NAMES = /^(?:utf-?8|us-ascii|ascii)$/i
// No two neighbouring parts match the same characters, so there is one way only to try: linear on any input.
// The longest name is dateTime.iso8601; the attributes are those that declare namespaces, and mean nothing to us.
const TAG =
  /<(?:(\/[A-Za-z_][\w.:-]{0,31})\s*|([A-Za-z_][\w.:-]{0,31})(?:\s+[\w.:-]{1,63}\s*=\s*(?:"[^"<>&]*"|'[^'<>&]*')){0,8}\s*(\/?))>/y
const REFERENCE = /&(?:amp|lt|gt|quot|apos|#(\d{1,8})|#x([\da-fA-F]{1,6}));/y
const DOCTYPE = /<!DOCTYPE\s+([\w.:-]*)/iy
const CDATA = '<![CDATA['

/**
 * The text of a message whose root is `root`, without the XML declaration and safe to be parsed.
 * Throws an XmlRpcError: not-xmlrpc where there is no such root, too-big, or malformed.
 */
export function guarded(body: Uint8Array, root: Root): string {
  if (body.byteLength > MAX_MESSAGE_BYTES) throw new XmlRpcError('too-big', `More than ${MAX_MESSAGE_BYTES} bytes.`)
  const text = withoutDeclaration(decoded(body))
  let at = 0
  let tags = 0
  let reference = text.indexOf('&')
  for (let open = text.indexOf('<'); open !== -1; open = text.indexOf('<', at)) {
    while (reference !== -1 && reference < open) reference = text.indexOf('&', afterReference(text, reference))
    if (text[open + 1] === '!') {
      at = afterSection(text, open, root)
      if (reference !== -1 && reference < at) reference = text.indexOf('&', at)
    } else {
      const tag = matchAt(TAG, text, open)
      if (tags === 0 && tag?.[2] !== root) throw new XmlRpcError('not-xmlrpc', `Not a ${root}.`)
      if (tag === null) throw malformed('Not well-formed XML.')
      if (++tags > MAX_TAGS) throw new XmlRpcError('too-big', `More than ${MAX_TAGS} tags.`)
      at = TAG.lastIndex
    }
  }
  if (tags === 0) throw new XmlRpcError('not-xmlrpc', `Not a ${root}.`)
  if (reference !== -1) throw malformed('A reference after the end.')
  return text
}

function decoded(body: Uint8Array): string {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const text = bytes.toString('utf8')
  const kind = /^\ufeff?\s*<(?:\?xml|method)/.test(text) ? 'malformed' : 'not-xmlrpc'
  if (!isUtf8(bytes)) throw new XmlRpcError(kind, 'Not UTF-8.')
  if (!isXmlText(text)) throw new XmlRpcError(kind, 'Characters that XML does not have.')
  return text
}

/** Steps over byte order mark, space and declaration. Space in front of a declaration is against XML, and harmless. */
function withoutDeclaration(text: string): string {
  matchAt(SPACE, text, text.startsWith('\ufeff') ? 1 : 0)
  const start = SPACE.lastIndex
  if (text[start] !== '<') throw new XmlRpcError('not-xmlrpc', 'No XML.')
  if (!text.startsWith('<?', start)) return text.slice(start)
  return text.slice(afterDeclaration(text, start))
}

/** The place behind the XML declaration at `at`. Throws an XmlRpcError unless it is one that promises UTF-8. */
export function afterDeclaration(text: string, at: number): number {
  const declaration = matchAt(DECLARATION, text, at)
  if (declaration === null) throw malformed('A processing instruction.')
  const [, encoding] = declaration
  if (encoding !== undefined && !UTF8_NAMES.test(encoding)) throw malformed('Declares an encoding other than UTF-8.')
  return DECLARATION.lastIndex
}

/** What a tag says: `name` opens, `/name` closes, `name/` does both. Throws an XmlRpcError when the markup is no tag. */
export function tagOf(markup: string): string {
  const [whole, closing, opening, slash] = matchAt(TAG, markup, 0) ?? []
  if (whole !== markup) throw malformed('Not well-formed XML.')
  return closing ?? `${opening}${slash}`
}

/** The place behind the reference at `at`. */
function afterReference(text: string, at: number): number {
  const match = matchAt(REFERENCE, text, at)
  if (match === null) throw malformed('An entity XML-RPC does not have.')
  const [, decimal, hex] = match
  if (decimal !== undefined || hex !== undefined) {
    const point = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal)
    if (!isXmlCodePoint(point)) throw malformed('A reference to a character that XML does not have.')
  }
  return REFERENCE.lastIndex
}

/** Whether a numeric reference may name this code point. */
export function isXmlCodePoint(point: number): boolean {
  return point <= 0x10ffff && isXmlText(String.fromCodePoint(point))
}

/** The place behind the comment or CDATA section at `at`. There is nothing else that may begin with `<!`. */
function afterSection(text: string, at: number, root: Root): number {
  const isComment = text.startsWith('<!--', at)
  if (!isComment && !text.startsWith(CDATA, at)) {
    const doctype = matchAt(DOCTYPE, text, at)
    if (doctype !== null && doctype[1] !== root) throw new XmlRpcError('not-xmlrpc', `Not a ${root}.`)
    throw malformed('A document type declaration.')
  }
  const end = isComment ? text.indexOf('--', at + 4) : text.indexOf(']]>', at + CDATA.length)
  // Inside a comment `--` is not well-formed; the parser would go on to look for another end than we do.
  if (end === -1 || (isComment && text[end + 2] !== '>')) throw malformed('A comment or CDATA section without an end.')
  return end + 3
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at
  return pattern.exec(text)
}

function malformed(what: string): XmlRpcError {
  return new XmlRpcError('malformed', what)
}
