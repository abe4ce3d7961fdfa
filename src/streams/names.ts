/**
 * The one rule what a file may be called. A name is taken literally and never decoded: `..%2fx`, `a\b`, `...` and `C:x`
 * are ordinary names, here and on every p2p-rx peer.
 */

/** First part of the names a peer keeps for itself: partial files and the cache lie there. */
export const PRIVATE_FOLDER = '.p2p-rx'

/** PATH_MAX of Linux; longer paths cannot be opened anyway. */
const MAX_NAME_BYTES = 4096

/** NAME_MAX of every common file system. */
const MAX_PART_BYTES = 255

/** Deeper than any folder a person made; keeps every walk from part to part short. */
const MAX_NAME_PARTS = 64

// What XML 1.0 can carry: a name outside of this could not be asked for over XML-RPC. With the `u` flag a lone
// surrogate is a code point of its own and falls into the gap.
const XML_TEXT = /^[\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]+$/u

/**
 * Whether `name` names a file inside a share: a relative path, `/` between its parts, none of them empty, `.` or `..`.
 *
 * @example
 * ```ts
 * isPlainName('notes/todo.txt') // true
 * isPlainName('../todo.txt') // false
 * ```
 */
export function isPlainName(name: string): boolean {
  // Cheap test first: no name of this many characters fits, whatever its encoding.
  if (typeof name !== 'string' || name.length > MAX_NAME_BYTES || !XML_TEXT.test(name)) return false
  if (utf8Length(name) > MAX_NAME_BYTES) return false
  const parts = name.split('/')
  if (parts.length > MAX_NAME_PARTS) return false
  // In any case of letters, because `.P2P-RX` is the same folder on the file systems of macOS and Windows.
  if (parts[0]?.toLowerCase() === PRIVATE_FOLDER) return false
  return parts.every((part) => part !== '' && part !== '.' && part !== '..' && utf8Length(part) <= MAX_PART_BYTES)
}

/** Escapes that somebody decodes: `%2e`, `%%32`, `%c0%af`, `%u2215`, `0x2f`; and the separator of Windows. */
const LOOKS_ENCODED = /%[%0-9a-z]{2}|0x(?:2e|2f|5c)|\\/i

/** Where Windows begins at the root of a drive. */
const LOOKS_ROOTED = /^[a-z]:\//i

/** A part of dots and wildcards only, which some shorten to `..`. */
const LOOKS_LIKE_DOTS = /(?:^|\/)[.?]+;?(?:\/|$)/

/**
 * Whether a neighbour that reads names less strictly could take a plain name for a path out of its share. Such a name is
 * answered from our own share, where it is just a name, but is not passed on for somebody else: whoever passes a question
 * on vouches for it. Rather too broad than clever: every list of such names grows.
 */
export function isSuspectName(name: string): boolean {
  return LOOKS_ENCODED.test(name) || LOOKS_LIKE_DOTS.test(name) || LOOKS_ROOTED.test(name)
}

/** Order of two names by the bytes of their UTF-8 form, in which every peer lists its files. */
export function compareNames(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = rank(a.charCodeAt(i)) - rank(b.charCodeAt(i))
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

// UTF-16 puts surrogates (code points from 0x10000) before 0xe000 to 0xffff, UTF-8 behind them.
function rank(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}

function utf8Length(text: string): number {
  let bytes = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    // Each half of a surrogate pair counts two of the four bytes.
    bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 2 : 3
  }
  return bytes
}
