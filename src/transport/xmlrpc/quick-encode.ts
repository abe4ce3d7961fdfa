/**
 * Writes a message of plain values as text, in a fraction of the time the package's XML builder takes, and the very same text.
 *
 * Plain are null, booleans, numbers, strings, arrays and structs. Bytes and dates, and all that XML-RPC cannot carry,
 * are left to the builder behind `sendable`: there is one place only that refuses.
 */
import { isXmlText, MAX_DEPTH, MAX_VALUES } from './values.js'

const DECLARATION = '<?xml version="1.0"?>'

const INT_MAX = 0x7fffffff
const INT_MIN = -0x80000000

/** Markup, CR, and what XML may not carry; half a character and a whole one look alike here. Most text has none of it. */
const NOT_PLAIN = /[^\t\n\x20-%'-;=?-\ud7ff\ue000-\ufffd]/

/** Thrown and caught, never seen outside. */
const GIVE_UP = new Error('Not a plain value.')

/** A call to a method whose name was checked; undefined when a parameter is not plain. */
export function quickCall(method: string, params: readonly unknown[]): string | undefined {
  return quick(() => {
    // Each parameter has a budget of its own, as it has in `sendable`.
    const items = Array.from(params, (param) => `<param>${new Writer().value(param, 0)}</param>`)
    const inside = element('params', items.join(''))
    return `${DECLARATION}<methodCall><methodName>${escaped(method)}</methodName>${inside}</methodCall>`
  })
}

/** An answer; undefined when the value is not plain. */
export function quickResponse(value: unknown): string | undefined {
  return quick(() => {
    const inside = new Writer().value(value, 0)
    return `${DECLARATION}<methodResponse><params><param>${inside}</param></params></methodResponse>`
  })
}

/** A fault; undefined when `fault` is not plain. */
export function quickFault(fault: unknown): string | undefined {
  return quick(() => `${DECLARATION}<methodResponse><fault>${new Writer().value(fault, 0)}</fault></methodResponse>`)
}

function quick(write: () => string): string | undefined {
  try {
    return write()
  } catch (error) {
    if (error === GIVE_UP) return undefined
    throw error
  }
}

class Writer {
  #left = MAX_VALUES

  value(value: unknown, depth: number): string {
    if (this.#left-- === 0) throw GIVE_UP
    switch (typeof value) {
      case 'string':
        return `<value>${element('string', escaped(value))}</value>`
      case 'number':
        return `<value>${number(value)}</value>`
      case 'boolean':
        return value ? '<value><boolean>1</boolean></value>' : '<value><boolean>0</boolean></value>'
      case 'object':
        if (value === null) return '<value><nil/></value>'
        if (depth === MAX_DEPTH) throw GIVE_UP
        return Array.isArray(value) ? this.#array(value, depth + 1) : this.#struct(value, depth + 1)
      case 'bigint':
      case 'function':
      case 'symbol':
      case 'undefined':
        throw GIVE_UP
    }
  }

  #array(items: readonly unknown[], depth: number): string {
    if (items.length > this.#left) throw GIVE_UP
    let inside = ''
    for (const item of items) inside += this.value(item, depth)
    return `<value><array>${element('data', inside)}</array></value>`
  }

  #struct(members: object, depth: number): string {
    const prototype: unknown = Object.getPrototypeOf(members)
    // Bytes and dates, too, are instances of classes.
    if (prototype !== Object.prototype && prototype !== null) throw GIVE_UP
    let inside = ''
    for (const [name, member] of Object.entries(members) as [string, unknown][]) {
      if (member === undefined) continue
      inside += `<member>${element('name', escaped(name))}${this.value(member, depth)}</member>`
    }
    return `<value>${element('struct', inside)}</value>`
  }
}

function number(value: number): string {
  // -0 is a double to `sendable`, and Infinity and an inexact integer are refused there.
  if (!Number.isFinite(value) || Object.is(value, -0)) throw GIVE_UP
  if (!Number.isInteger(value)) return `<double>${value}</double>`
  if (!Number.isSafeInteger(value)) throw GIVE_UP
  return value > INT_MAX || value < INT_MIN ? `<i8>${value}</i8>` : `<int>${value}</int>`
}

function element(name: string, inside: string): string {
  return inside === '' ? `<${name}/>` : `<${name}>${inside}</${name}>`
}

function escaped(text: string): string {
  if (!NOT_PLAIN.test(text)) return text
  if (!isXmlText(text)) throw GIVE_UP
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('\r', '&#xD;')
}
