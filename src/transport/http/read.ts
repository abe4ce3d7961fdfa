/** Reads a file's bytes from a holder. */
import type { Agent, IncomingMessage } from 'node:http'
import type { HashesOutcome, HashRequest, PeerUrl, ReadOutcome, ReadRequest, RootOutcome } from '../../streams/ports.js'
import { bodyOf, CallFailed, exchange, readWhole } from './client.js'
import { type HttpLimits, LEAST_CONTENT_BYTES } from './limits.js'
import { filePath, hashesPath, isRoot, rootPath } from './paths.js'
import { readContentRange } from './range.js'

type Body = Extract<ReadOutcome, { type: 'body' }>

interface Line {
  readonly holder: PeerUrl
  readonly agent: Agent | undefined
  readonly limits: HttpLimits
  readonly signal: AbortSignal
}

/** Asks and resolves once the head of the answer is here. Rejects with {@link CallFailed}. */
export async function openRead({ holder, agent, limits, signal }: Line, request: ReadRequest): Promise<ReadOutcome> {
  const { name, root, start, end, etag } = request
  const path = root === undefined ? pathOf(name) : rootPath(root)
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
  if (request.root !== undefined && etag !== request.root) return { type: 'changed' }
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

export async function askHashes(line: Line, request: HashRequest): Promise<HashesOutcome> {
  const path = hashesPath(request)
  if (path === undefined) throw new CallFailed('nonsense', 'no request for hashes')
  const response = await exchange({ ...lineOf(line), method: 'GET', path, headers: { 'Accept-Encoding': 'identity' } })
  const { statusCode = 0 } = response
  if (statusCode !== 200) {
    response.destroy()
    if (statusCode === 404 || statusCode === 410) return { type: 'gone' }
    throw new CallFailed(statusCode === 400 ? 'nonsense' : 'not-a-peer', `HTTP ${statusCode}`)
  }
  const most = 32 * (request.length + request.proofLayers)
  const bytes = await readWhole(response, most, line.limits.idleTimeoutMs)
  if (bytes.length % 32 !== 0) throw new CallFailed('nonsense', 'the answer is no list of hashes')
  return { type: 'hashes', bytes }
}

export async function askRoot(line: Line, name: string, waitMs: number): Promise<RootOutcome> {
  const path = pathOf(name)
  if (path === undefined) return { type: 'gone' }
  const response = await exchange({
    ...lineOf(line, waitMs),
    method: 'HEAD',
    path,
    headers: { 'Accept-Encoding': 'identity', Prefer: `wait=${Math.ceil(waitMs / 1_000)}` }
  })
  response.resume()
  const { statusCode = 0, headers } = response
  if (statusCode === 404 || statusCode === 410) return { type: 'gone' }
  if (statusCode !== 200) throw new CallFailed('not-a-peer', `HTTP ${statusCode}`)
  const root = /^"([^"]*)"$/.exec(headers.etag ?? '')?.[1] ?? ''
  if (!isRoot(root)) return { type: 'unknown' }
  return { type: 'root', root, size: Number(headers['content-length']) }
}

function lineOf({ holder, agent, limits, signal }: Line, extraMs = 0) {
  return { peer: holder, agent, headTimeoutMs: limits.dataHeadTimeoutMs + extraMs, limits, signal }
}
