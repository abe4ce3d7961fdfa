/**
 * Writes DER, the bytes of certificates (X.690), as far as our certificates need it. Only written here, never read:
 * reading is left to OpenSSL. Pure.
 */

export const sequence = (...parts: Uint8Array[]) => tagged(0x30, ...parts)
export const setOf = (...parts: Uint8Array[]) => tagged(0x31, ...parts)
/** The numbered parts of a structure, each wrapped once more. */
export const explicit = (number: number, ...parts: Uint8Array[]) => tagged(0xa0 + number, ...parts)
export const octets = (...parts: Uint8Array[]) => tagged(0x04, ...parts)
export const utf8 = (text: string) => tagged(0x0c, Buffer.from(text))
export const truth = () => tagged(0x01, Uint8Array.of(0xff))

/** Bits that fill their bytes but for the last `unused` ones. */
export const bits = (bytes: Uint8Array, unused = 0) => tagged(0x03, Uint8Array.of(unused), bytes)

/** A number from its bytes, which must not begin with zeros; a leading one is put before what would be negative. */
export function integer(bytes: Uint8Array): Buffer {
  return (bytes[0] ?? 0) < 0x80 ? tagged(0x02, bytes) : tagged(0x02, Uint8Array.of(0), bytes)
}

/** The form of a date changes with the year 2050 (RFC 5280, 4.1.2.5). */
export function date(at: Date): Buffer {
  const digits = at.toISOString().replace(/\.\d+|[-:T]/g, '')
  return at.getUTCFullYear() < 2050 ? tagged(0x17, Buffer.from(digits.slice(2))) : tagged(0x18, Buffer.from(digits))
}

/** An object identifier in its usual spelling, such as `1.3.101.112`. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return tagged(0x06, Uint8Array.from([first * 40 + second, ...rest.flatMap(inSevens)]))
}

/** Seven bits a byte, the high bit on all but the last. */
function inSevens(number: number): number[] {
  const sevens = [number & 0x7f]
  for (let rest = number >> 7; rest > 0; rest >>= 7) sevens.unshift((rest & 0x7f) | 0x80)
  return sevens
}

function tagged(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  return Buffer.concat([Uint8Array.from([tag, ...lengthOf(content.length)]), content])
}

function lengthOf(length: number): number[] {
  if (length < 0x80) return [length]
  return length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
}
