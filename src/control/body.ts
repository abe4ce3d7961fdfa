/** The body of a request: short, JSON, and what it should be. */
import type { IncomingMessage } from 'node:http'
import { type GenericSchema, safeParse } from 'valibot'
import { failure } from './failure.js'
import type { Failure } from './messages.js'

/** Eight times the longest name and the longest folder together. */
const MAX_BODY_BYTES = 64 * 1024

const ADVICE = 'Send one JSON object as docs/protocol.md describes.'

export async function readBody<T extends object>(
  request: IncomingMessage,
  schema: GenericSchema<unknown, T>
): Promise<T | Failure> {
  const chunks: Buffer[] = []
  let bytes = 0
  // The answer goes over the same socket, which the end of a plain loop would destroy.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) return failure('BAD_CALL', `The body is longer than ${MAX_BODY_BYTES} bytes`, ADVICE)
    chunks.push(chunk)
  }
  let value: unknown
  try {
    value = JSON.parse(Buffer.concat(chunks).toString())
  } catch {
    return failure('BAD_CALL', 'The body is not JSON', ADVICE)
  }
  const checked = safeParse(schema, value)
  if (checked.success) return checked.output
  const [issue] = checked.issues
  const where = issue.path?.map(({ key }) => String(key)).join('.') ?? ''
  return failure('BAD_CALL', `The body is wrong${where === '' ? '' : ` at ${where.slice(0, 100)}`}`, ADVICE)
}
