/**
 * The `xmlrpc` package's deserializer, made strict: it accepts what the XML-RPC specification and its common extensions
 * allow and nothing else, and it throws instead of calling back. Text must have passed the guard.
 */
import Deserializer from 'xmlrpc/lib/deserializer.js'
import { type Shape, shapeOf } from './grammar.js'
import { MAX_DEPTH } from './values.js'
import { XmlRpcError } from './xmlrpc-error.js'

const NOT_BLANK = /[^ \t\r\n]/
const INTEGER = /^[+-]?\d{1,20}$/
export const DOUBLE = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?$/
const SPACES = /[ \t\r\n]+/g
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/
const DATE = /^(\d{4})-?(\d\d)-?(\d\d)T(\d\d):?(\d\d):?(\d\d)(?:[.,](\d{1,9}))?(?:Z|([+-])(\d\d):?(\d\d))?$/

interface Frame {
  readonly shape: Shape
  filled: number
}

/** What a message said; a call when it has a method. */
export interface Parsed {
  readonly method: string | null
  readonly isFault: boolean
  readonly values: readonly unknown[]
}

class StrictDeserializer extends Deserializer {
  #frames: Frame[] = []
  #hasRoot = false

  constructor() {
    super()
    const sax = this.parser._parser
    sax.strict = true
    sax.noscript = true
    // Counting lines costs time, and makes the parser cut long text at 64 KiB.
    sax.trackPosition = false
    sax.opt.position = false
    // Straight to our methods: events through the stream the package wraps round the parser cost half as much again.
    sax.onopentag = (node) => this.onOpentag(node)
    sax.onclosetag = () => this.onClosetag()
    sax.ontext = (text) => this.onText(text)
    sax.oncdata = (text) => this.onText(text)
    sax.onerror = (error) => this.onError(error)
    sax.onend = () => undefined
  }

  /** Reads one message. After a throw the object is in the middle of it and cannot be used again. */
  read(text: string): Parsed {
    this.parser._parser.write(text)
    this.parser._parser.end()
    const message = { method: this.methodname, isFault: this.responseType === 'fault', values: this.stack }
    this.stack = []
    this.methodname = null
    this.responseType = null
    this.#hasRoot = false
    return message
  }

  override onOpentag({ name }: { readonly name: string }): void {
    const shape = shapeOf(name)
    if (shape === undefined) throw malformed('An element XML-RPC does not have.')
    const parent = this.#frames.at(-1)
    if (parent === undefined) {
      if (this.#hasRoot) throw malformed('More than one root.')
      this.#hasRoot = true
    } else {
      const role = parent.shape.children[parent.shape.repeats ? 0 : parent.filled]
      // An answer holds either of two, and `params` already has a role of its own in a call.
      const fits = role === shape.role || (role === 'outcome' && name === 'params')
      if (!fits) throw malformed('An element in a place where XML-RPC does not have it.')
      if (parent.shape.isText) this.#expectBlank()
      parent.filled++
    }
    this.#frames.push({ shape, filled: 0 })
    super.onOpentag({ name: shape.known })
    if (this.marks.length > MAX_DEPTH) throw new XmlRpcError('too-big', `More than ${MAX_DEPTH} levels.`)
  }

  override onText(text: string): void {
    const frame = this.#frames.at(-1)
    if (frame?.shape.isText === true && frame.filled === 0) this.data.push(text)
    else if (NOT_BLANK.test(text)) throw malformed('Text in a place where XML-RPC has none.')
  }

  override onClosetag(): void {
    const frame = this.#frames.pop()
    if (frame === undefined || frame.filled < frame.shape.atLeast) throw malformed('An element lacks its content.')
    super.onClosetag(frame.shape.known)
  }

  override onError(error: Error | string): void {
    throw error instanceof XmlRpcError ? error : malformed('Not well-formed XML, or a value that is none.')
  }

  override endMethodName(data: string): void {
    this.methodname = data.trim()
    if (this.methodname === '') throw malformed('A call without a method name.')
  }

  override endNil(data: string): void {
    if (NOT_BLANK.test(data)) throw malformed('A nil with content.')
    super.endNil(data)
  }

  override endBoolean(data: string): void {
    super.endBoolean(data.trim())
  }

  override endInt(data: string): void {
    const text = data.trim()
    const value = INTEGER.test(text) ? Number(text) : Number.NaN
    if (!Number.isSafeInteger(value)) throw malformed('An integer that is none, or beyond 2^53.')
    this.#end(value === 0 ? 0 : value)
  }

  override endDouble(data: string): void {
    const text = data.trim()
    const value = DOUBLE.test(text) ? Number(text) : Number.NaN
    if (!Number.isFinite(value)) throw malformed('A double that is none, or not finite.')
    this.#end(value)
  }

  override endBase64(data: string): void {
    const text = data.replace(SPACES, '')
    if (text.length % 4 !== 0 || !BASE64.test(text)) throw malformed('Base64 that is none.')
    this.#end(Buffer.from(text, 'base64'))
  }

  override endDateTime(data: string): void {
    this.#end(utcDate(data.trim()))
  }

  /** Without a prototype, a member called `__proto__` is a member like any other. */
  override endStruct(): void {
    const items = this.stack.splice(this.marks.pop() ?? 0)
    const struct = Object.create(null) as Record<string, unknown>
    for (let i = 0; i < items.length; i += 2) struct[items[i] as string] = items[i + 1]
    this.#end(struct)
  }

  #end(value: unknown): void {
    this.push(value)
    this.value = false
  }

  #expectBlank(): void {
    if (this.data.some((text) => NOT_BLANK.test(text))) throw malformed('Text beside a typed value.')
  }
}

/** A date without a zone is taken as UTC: reading it as local time moves it whenever it crosses a border. */
function utcDate(text: string): Date {
  const parts = DATE.exec(text)
  if (parts === null) throw malformed('A date that is none.')
  const [, year, month, day, hour, minute, second, fraction = '', sign, zoneHour = '0', zoneMinute = '0'] = parts
  const utc = `${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.padEnd(3, '0').slice(0, 3)}Z`
  const date = new Date(utc)
  // 30 February would become 1 March.
  if (Number.isNaN(date.getTime()) || date.toISOString() !== utc) throw malformed('A date that is none.')
  const zoneMs = (Number(zoneHour) * 60 + Number(zoneMinute)) * 60_000
  return new Date(date.getTime() - (sign === '-' ? -zoneMs : zoneMs))
}

function malformed(what: string): XmlRpcError {
  return new XmlRpcError('malformed', what)
}

// Making one takes as long as reading a small call, so the last one is used again. Reading never waits: it is never shared.
let spare: StrictDeserializer | undefined

/** Reads a guarded text. Throws an XmlRpcError. */
export function parsed(text: string): Parsed {
  const deserializer = spare ?? new StrictDeserializer()
  spare = undefined
  const message = deserializer.read(text)
  spare = deserializer
  return message
}
