/** The methods behind one path, and how a call finds its own. */
import * as v from 'valibot'
import { P2pError } from '../../errors.js'
import type { Answer } from '../http/answer.js'
import { encodeFault, encodeResponse, type XmlRpcCall } from './codec.js'
import type { XmlRpcValue } from './values.js'

/** What a Python server says of any exception but its own two (WIRE W19). */
export const OTHER_FAULT = 1

/** An answer that is a fault. */
export class Fault extends Error {
  constructor(
    readonly code: number,
    message: string
  ) {
    super(message)
  }
}

/** What a method returns when it has sent its answer itself. */
export const SENT: unique symbol = Symbol('sent')

export interface Method {
  /** Types as in XML-RPC: what comes back, then the parameters. One row for each way to call it. */
  readonly signatures: readonly (readonly string[])[]
  readonly help: string
  /** Whether `system.multicall` may run it: only what is answered at once and briefly. */
  readonly inBatch: boolean
  /** Throws a {@link Fault}, a P2pError, or a ValiError for parameters it does not take. */
  readonly run: (params: readonly XmlRpcValue[], answer: Answer) => XmlRpcValue | Promise<XmlRpcValue | typeof SENT>
}

/** A Map, so that no name of a call can reach anything but a method: `__proto__` and `constructor` are just unknown. */
export type Methods = ReadonlyMap<string, Method>

/** One path that takes calls. */
export interface Door {
  readonly methods: Methods
  /** What it answers while too many calls are running. */
  readonly overloaded: Buffer
}

/** Answers one call, whatever it is. Rejects only when the answer could not be sent whole. */
export async function dispatch({ methods }: Door, { method, params }: XmlRpcCall, answer: Answer): Promise<void> {
  let xml: Buffer
  try {
    const value = await methodNamed(methods, method).run(params, answer)
    if (value === SENT) return
    xml = encodeResponse(value)
  } catch (error) {
    const { code, message } = faultOf(error)
    xml = encodeFault(code, message)
  }
  answer.end(xml)
}

export function methodNamed(methods: Methods, name: string): Method {
  const method = methods.get(name)
  if (method === undefined) throw new Fault(OTHER_FAULT, `method "${name}" is not supported`)
  return method
}

/** What a caller may know of an error. */
export function faultOf(error: unknown): Fault {
  if (error instanceof Fault) return error
  if (error instanceof P2pError) return new Fault(error.faultCode, error.message)
  if (error instanceof v.ValiError) return new Fault(OTHER_FAULT, 'wrong parameters; see system.methodSignature')
  return new Fault(OTHER_FAULT, 'internal error')
}
