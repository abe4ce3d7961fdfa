/**
 * Which values can travel, and the form in which the `xmlrpc` package's serializer carries them unharmed.
 * Left to itself it injects XML, loses CR, sends 1e21 as an integer and a Uint8Array as a struct of its bytes.
 */
import CustomType from 'xmlrpc/lib/customtype.js'
import { P2pError } from '../../errors.js'

/** What XML-RPC can say. Integers up to 2^53; a Date to the millisecond; bytes travel as base64 and arrive as a Buffer. */
export type XmlRpcValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | Date
  | readonly XmlRpcValue[]
  | { readonly [member: string]: XmlRpcValue | undefined }

/** Arrays and structs within each other. Our own messages need 4; every level is a stack frame in somebody's parser. */
export const MAX_DEPTH = 32

/** Values in one message. A list page of 500 files has 2,500; beyond this a tree is hostile, or shares branches until it explodes. */
export const MAX_VALUES = 50_000

const INT_MAX = 0x7fffffff
const INT_MIN = -0x80000000

/** With the u flag a surrogate matches only when it stands alone. Control characters are what XML 1.0 leaves out. */
const NOT_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ud800-\udfff\ufffe\uffff]/u
const EACH_NOT_XML = new RegExp(NOT_XML, 'gu')

/** Whether XML 1.0 can carry every character of `text`, escaped or not: no control characters but tab, LF and CR, no lone surrogate. */
export function isXmlText(text: string): boolean {
  return !NOT_XML.test(text)
}

/** The text with U+FFFD in place of every character that XML 1.0 cannot carry. */
export function toXmlText(text: string): string {
  return text.replace(EACH_NOT_XML, '\ufffd')
}

/** A value whose text is ready. `txt` escapes where the package would open a CDATA section, which lets `]]>` out and turns CR into LF. */
class Ready extends CustomType {
  constructor(tagName: string, text: string) {
    super(text)
    this.tagName = tagName
  }
}

/**
 * The value as the serializer may have it. Members that are undefined are left out.
 * Errors with BAD_CALL for what XML-RPC cannot say: NaN, Infinity, integers beyond 2^53, BigInt, undefined, functions,
 * symbols, instances of classes, invalid dates, text that XML cannot carry, more than 32 levels (so cycles), too many values.
 */
export function sendable(value: unknown): unknown {
  return prepare(value, 0, { left: MAX_VALUES })
}

function prepare(value: unknown, depth: number, budget: { left: number }): unknown {
  if (budget.left-- === 0) refuse(`more than ${MAX_VALUES} values`)
  switch (typeof value) {
    case 'string':
      return new Ready('string', xmlText(value))
    case 'number':
      return number(value)
    case 'boolean':
      return value
    case 'object':
      if (value === null) return null
      if (value instanceof Date) return new Ready('dateTime.iso8601', iso8601(value))
      // Buffer.from copies nothing here; a DataView and every typed array is bytes as it lies in memory.
      if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
      if (depth === MAX_DEPTH) refuse(`more than ${MAX_DEPTH} levels`)
      return Array.isArray(value) ? array(value, depth, budget) : struct(value, depth, budget)
    case 'bigint':
    case 'function':
    case 'symbol':
    case 'undefined':
      return refuse(typeof value)
  }
}

function array(items: readonly unknown[], depth: number, budget: { left: number }): unknown[] {
  if (items.length > budget.left) refuse(`more than ${MAX_VALUES} values`)
  // Not map: it steps over the holes of a sparse array, which must be refused like any undefined.
  return Array.from(items, (item) => prepare(item, depth + 1, budget))
}

function struct(members: object, depth: number, budget: { left: number }): object {
  const prototype: unknown = Object.getPrototypeOf(members)
  // A Map or an Error would arrive as an empty struct.
  if (prototype !== Object.prototype && prototype !== null) refuse('an instance of a class')
  const ready = Object.create(null) as Record<string, unknown>
  for (const [name, member] of Object.entries(members) as [string, unknown][]) {
    if (member !== undefined) ready[xmlText(name)] = prepare(member, depth + 1, budget)
  }
  return ready
}

function number(value: number): unknown {
  if (!Number.isFinite(value)) return refuse(`the number ${value}`)
  if (Object.is(value, -0)) return new Ready('double', '-0.0')
  if (!Number.isInteger(value)) return value
  if (!Number.isSafeInteger(value)) return refuse(`the number ${value}, which is not exact`)
  // <int> is 32 bits for everybody but this package.
  return value > INT_MAX || value < INT_MIN ? new Ready('i8', String(value)) : value
}

/** UTC, and says so: 20240229T12:34:56Z. Milliseconds only where there are any, since few readers expect them. */
function iso8601(date: Date): string {
  const year = date.getUTCFullYear()
  if (!(year >= 0 && year <= 9999)) refuse('a date without a four-digit year')
  return date.toISOString().replaceAll('-', '').replace('.000Z', 'Z')
}

function xmlText(text: string): string {
  return isXmlText(text) ? text : refuse('text with characters XML has no form for')
}

function refuse(what: string): never {
  throw new P2pError('BAD_CALL', `XML-RPC cannot carry ${what}.`)
}
