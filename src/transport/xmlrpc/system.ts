/** The methods that tell of methods, and several calls in one. */
import * as v from 'valibot'
import { Fault, faultOf, type Method, type Methods, methodNamed, OTHER_FAULT } from './serve.js'
import type { XmlRpcValue } from './values.js'

/** Calls in one `system.multicall`. All that is allowed there is brief, so this bounds the answer, not the time. */
const MAX_BATCH = 64

const None = v.strictTuple([])
const Name = v.strictTuple([v.string()])
const Batch = v.strictTuple([v.array(v.unknown())])
const BatchedCall = v.object({ methodName: v.string(), params: v.array(v.any()) })

/** The given methods and `system.*` beside them. */
export function withSystem(methods: Methods): Methods {
  const all = new Map(methods)
  const add = (name: string, signature: readonly string[], help: string, run: Method['run'], inBatch = true) =>
    all.set(name, { signatures: [signature], help, inBatch, run })

  add('system.listMethods', ['array'], 'The names of all methods.', (params) => {
    v.parse(None, params)
    return [...all.keys()].sort()
  })
  add('system.methodHelp', ['string', 'string'], 'What a method does.', (params) => {
    const [name] = v.parse(Name, params)
    return methodNamed(all, name).help
  })
  add('system.methodSignature', ['array', 'string'], 'The types a method returns and takes.', (params) => {
    const [name] = v.parse(Name, params)
    return methodNamed(all, name).signatures
  })
  add(
    'system.multicall',
    ['array', 'array'],
    `Up to ${MAX_BATCH} calls {methodName, params}; for each [its value] or a fault {faultCode, faultString}.`,
    async (params, answer) => {
      const [calls] = v.parse(Batch, params)
      if (calls.length > MAX_BATCH) throw new Fault(OTHER_FAULT, `a batch has at most ${MAX_BATCH} calls`)
      const results: XmlRpcValue[] = []
      for (const call of calls) results.push(await runBatched(all, call, answer))
      return results
    },
    false
  )
  return all
}

async function runBatched(methods: Methods, call: unknown, answer: Parameters<Method['run']>[1]): Promise<XmlRpcValue> {
  try {
    const { methodName, params } = v.parse(BatchedCall, call)
    const method = methodNamed(methods, methodName)
    if (!method.inBatch) throw new Fault(OTHER_FAULT, `${methodName} cannot be called in a batch`)
    return [(await method.run(params as XmlRpcValue[], answer)) as XmlRpcValue]
  } catch (error) {
    const { code, message } = faultOf(error)
    return { faultCode: code, faultString: message }
  }
}
