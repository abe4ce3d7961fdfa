/** XML-RPC messages to bytes and back, whole and at once. File content is streamed instead: content-out, content-in. */
import serializer from 'xmlrpc/lib/serializer.js'
import { type Parsed, parsed } from './deserializer.js'
import { guarded, type Root } from './guard.js'
import { quickParsed } from './quick-decode.js'
import { quickCall, quickFault, quickResponse } from './quick-encode.js'
import { isXmlText, sendable, toXmlText, type XmlRpcValue } from './values.js'
import { XmlRpcError } from './xmlrpc-error.js'

/** A fault is one sentence; a longer one is somebody's data, and is cut. In UTF-16 units. */
export const MAX_FAULT_CHARS = 1000

/** What a Python server says of any exception, and what we say in place of a code that is no integer. */
const OTHER_FAULT = 1

const INT_MAX = 0x7fffffff

/** What a call asks for. */
export interface XmlRpcCall {
  readonly method: string
  readonly params: readonly XmlRpcValue[]
}

/** How a call was answered. */
export type XmlRpcAnswer =
  | { readonly type: 'value'; readonly value: XmlRpcValue }
  | { readonly type: 'fault'; readonly code: number; readonly message: string }

/** A call in UTF-8. Errors with BAD_CALL for what XML-RPC cannot carry (see {@link sendable}). */
export function encodeCall(method: string, params: readonly XmlRpcValue[]): Buffer {
  const name = methodName(method)
  return bytes(quickCall(name, params) ?? serializer.serializeMethodCall(name, Array.from(params, sendable)))
}

/** An answer in UTF-8. Errors with BAD_CALL for what XML-RPC cannot carry (see {@link sendable}). */
export function encodeResponse(value: XmlRpcValue): Buffer {
  return bytes(quickResponse(value) ?? serializer.serializeMethodResponse(sendable(value)))
}

/** A fault in UTF-8. Never throws: what XML cannot carry is replaced by U+FFFD, what is too long is cut. */
export function encodeFault(code: number, message: string): Buffer {
  const faultCode = Number.isInteger(code) && Math.abs(code) <= INT_MAX ? code : OTHER_FAULT
  const faultString = toXmlText(message.slice(0, MAX_FAULT_CHARS))
  const struct = { faultCode, faultString }
  return bytes(quickFault(struct) ?? serializer.serializeFault(sendable(struct)))
}

/** Reads a call. Throws an {@link XmlRpcError}. Bytes come as Buffers, structs have no prototype. */
export function decodeCall(body: Uint8Array): XmlRpcCall {
  const { method, values } = read(body, 'methodCall')
  if (method === null) throw new XmlRpcError('malformed', 'A call without a method name.')
  return { method, params: values as XmlRpcValue[] }
}

/** Reads an answer. Throws an {@link XmlRpcError}. */
export function decodeResponse(body: Uint8Array): XmlRpcAnswer {
  const { isFault, values } = read(body, 'methodResponse')
  if (values.length !== 1) throw new XmlRpcError('malformed', 'An answer without exactly one value.')
  const value = values[0] as XmlRpcValue
  return isFault ? fault(value) : { type: 'value', value }
}

function read(body: Uint8Array, root: Root): Parsed {
  return quickParsed(body, root) ?? parsed(guarded(body, root))
}

function fault(value: XmlRpcValue): XmlRpcAnswer {
  const { faultCode, faultString } = (value ?? {}) as { faultCode?: XmlRpcValue; faultString?: XmlRpcValue }
  if (!Number.isInteger(faultCode) || typeof faultString !== 'string') {
    throw new XmlRpcError('malformed', 'A fault without code and text.')
  }
  return { type: 'fault', code: faultCode as number, message: faultString }
}

/** Some name it must be: the reader takes the space off both its ends. */
function methodName(method: string): string {
  if (!isXmlText(method) || method.trim() !== method || method === '') {
    throw new XmlRpcError('malformed', 'Not a method name.')
  }
  return method
}

function bytes(xml: string): Buffer {
  return Buffer.from(xml, 'utf8')
}
