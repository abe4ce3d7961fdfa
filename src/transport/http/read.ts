/** Reads a file's bytes from a holder. */
import type { Agent, IncomingMessage } from 'node:http'
import type { PeerUrl, ReadOutcome, ReadRequest } from '../../streams/ports.js'
import { bodyOf, CallFailed, exchange } from './client.js'
import { filePath } from './files.js'
import { type HttpLimits, LEAST_CONTENT_BYTES } from './limits.js'
import { readContentRange } from './range.js'

type Body = Extract<ReadOutcome, { type: 'body' }>

export interface ReadInit {
  readonly holder: PeerUrl
  readonly request: ReadRequest
  readonly agent: Agent | undefined
  readonly limits: HttpLimits
  readonly signal: AbortSignal
}

/** Asks and resolves once the head of the answer is here. Rejects with {@link CallFailed}. */
export async function openRead({ holder, request, agent, limits, signal }: ReadInit): Promise<ReadOutcome> {
  const { name, start, end, etag } = request
  const path = pathOf(name)
  if (path === undefined) return { type: 'gone' }
  // An empty range cannot be asked for; one byte from there on tells the same.
  const last = end === undefined ? '' : String(Math.max(start, end - 1))
  const response = await exchange({
    peer: holder,
    method: 'GET',
    path,
    headers: {
      'Accept-Encoding': 'identity',
      ...(start === 0 && end === undefined ? {} : { Range: `bytes=${start}-${last}` }),
      ...(etag === undefined ? {} : { 'If-Match': `"${etag}"` })
    },
    agent,
    headTimeoutMs: limits.dataHeadTimeoutMs,
    limits,
    signal
  })
  const outcome = outcomeOf(response, request, limits)
  // What is not read would block the connection for whoever gets it next.
  if (outcome.type !== 'body') response.destroy()
  return outcome
}

/** No path leads to a name that is no Unicode. */
function pathOf(name: string): string | undefined {
  try {
    return filePath(name)
  } catch {
    return undefined
  }
}

function outcomeOf(response: IncomingMessage, request: ReadRequest, limits: HttpLimits): ReadOutcome {
  const { statusCode = 0, headers } = response
  const etag = /^"([^"]*)"$/.exec(headers.etag ?? '')?.[1] ?? ''
  if (statusCode === 404 || statusCode === 410) return { type: 'gone' }
  if (statusCode === 412) return { type: 'changed' }
  if (statusCode === 416) return beyondTheEnd(response, request, etag)
  if (statusCode !== 200 && statusCode !== 206) throw new CallFailed('not-a-peer', `HTTP ${statusCode}`)
  // A holder without entity tags ignores If-Match.
  if (request.etag !== undefined && etag !== request.etag) return { type: 'changed' }
  const whole = Number(headers['content-length'] ?? Number.NaN)
  const range = statusCode === 206 ? readContentRange(headers['content-range']) : { start: 0, end: whole, size: whole }
  if (range === undefined || !Number.isSafeInteger(whole)) throw new CallFailed('nonsense', 'the answer has no length')
  if (statusCode === 206 && range.start !== request.start) throw new CallFailed('nonsense', 'not the range asked for')
  const bytes = exactly(bodyOf(response, limits.idleTimeoutMs, LEAST_CONTENT_BYTES), range.end - range.start)
  return { type: 'body', size: range.size, start: range.start, etag, bytes }
}

/** Reading on at the very end of a file is no change of it: there is just nothing left. */
function beyondTheEnd({ headers }: IncomingMessage, { start }: ReadRequest, etag: string): ReadOutcome {
  const size = Number(/^bytes \*\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1] ?? Number.NaN)
  return start === size ? ({ type: 'body', size, start, etag, bytes: nothing() } satisfies Body) : { type: 'changed' }
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  yield* await Promise.resolve([])
}

/** The bytes of a range, no more and no less than it has. */
async function* exactly(bytes: AsyncIterable<Uint8Array>, length: number): AsyncGenerator<Uint8Array> {
  let left = length
  for await (const chunk of bytes) {
    left -= chunk.length
    if (left < 0) break
    yield chunk
  }
  if (left !== 0) throw new CallFailed('nonsense', 'the answer has another length than it said')
}
