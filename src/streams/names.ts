/**
 * The one rule what a file may be called. A name is taken literally and never decoded: `..%2fx`, `a\b`, `...` and `C:x`
 * are ordinary names, here and on every p2p-rx peer.
 */

/** First part of the names a peer keeps for itself: partial files and the cache lie there. */
export const PRIVATE_FOLDER = '.p2p-rx'

/** PATH_MAX of Linux; longer paths cannot be opened anyway. */
export const MAX_NAME_BYTES = 4096

/** NAME_MAX of every common file system. */
export const MAX_PART_BYTES = 255

/** Deeper than any folder a person made; keeps every walk from part to part short. */
export const MAX_NAME_PARTS = 64

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

/**
 * Whether a neighbour that reads names less strictly (takes `\` for a separator, decodes percent signs once or more often)
 * could read a plain name as a path out of its share. Such a name is answered from the own share, where it is just a
 * name, but never forwarded: to ask for it on somebody's behalf would be to lend him a hand.
 */
export function leavesShareElsewhere(name: string): boolean {
  let read = name
  for (let round = 0; ; round++) {
    const decoded = decodeOnce(read)
    if (decoded === read) break
    // Nobody wraps an honest name this often.
    if (round === MAX_DECODING_ROUNDS) return true
    read = decoded
  }
  if (/^(?:[a-z]:)?[/\\]/i.test(read)) return true
  // Last, and for `..` alone: `0x2f3a.bin` is an honest name.
  read = read.replace(/0x(2e|2f|5c)/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
  // A parameter (`..;x`, Java servers) ends a part for those who heed it.
  return read.split(/[/\\]/).some((part) => part.split(';', 1)[0] === '..')
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

/** Traversal corpora stop at four; every round is linear in the name. */
const MAX_DECODING_ROUNDS = 6

// `%u2215`; a run of `%af`. Digits past `f` are let through because decoders that do not check them
// made `%bg%qf` into an overlong slash.
const ENCODED = /%u([0-9a-f]{4})|((?:%(?!u[0-9a-f]{4})[0-9a-z]{2})+)/gi

// Characters that a conversion to an old Windows code page turns into the ASCII ones; the last two slashes are private use.
const LOOKS_LIKE: Readonly<Record<string, string>> = {
  '\u2024': '.',
  '\uff0e': '.',
  '\u2044': '/',
  '\u2215': '/',
  '\uff0f': '/',
  '\uf025': '/',
  '\uefc8': '/',
  '\u2216': '\\',
  '\uff3c': '\\'
}

function decodeOnce(text: string): string {
  return (
    text
      .replace(ENCODED, (_, unit: string, run?: string) =>
        run === undefined ? String.fromCharCode(Number.parseInt(unit, 16)) : decodeRun(run)
      )
      .replace(/[\u2024\uff0e\u2044\u2215\uff0f\uf025\uefc8\u2216\uff3c]/g, (character) => LOOKS_LIKE[character] ?? '')
      // `.%00.` and `..%01`: some drop what cannot be shown, or stop there.
      .replace(/\p{Cc}/gu, '')
  )
}

/** Reads percent-encoded bytes as a careless UTF-8 decoder does: overlong forms count. All else may come out as it likes. */
function decodeRun(run: string): string {
  let text = ''
  let lead = 0
  for (let i = 1; i < run.length; i += 3) {
    const byte = (Number.parseInt(run[i] ?? '', 36) * 16 + Number.parseInt(run[i + 1] ?? '', 36)) & 0xff
    if (lead !== 0) {
      // Only the last follower counts: in an overlong `/`, `.` or `\` those before it are nothing but leading zeros,
      // or the one bit of `\` that does not fit (`%c1%9c`, `%e0%81%9c`), which 0x40 stands for.
      const low = byte & 0x3f
      const overlong = SEPARATORS[low] ?? SEPARATORS[low | 0x40]
      if (overlong !== undefined) text += overlong
      // A lead byte in front of a plain character is skipped by some: `%c0%5c`.
      else if (byte < 0x80) text += String.fromCharCode(byte)
      lead = byte === 0x80 || byte === 0x81 ? lead : 0
    } else if (byte >= 0xc0) lead = byte
    else text += String.fromCharCode(byte)
  }
  return text
}

const SEPARATORS: Readonly<Record<number, string>> = { 0x2e: '.', 0x2f: '/', 0x5c: '\\' }
