/** Reads from a holder: bytes, hashes and roots, by what the heads of its answers say. */
import type {
  HashesOutcome,
  HashRequest,
  PeerUrl,
  ReadOutcome,
  ReadRequest,
  RootOutcome
} from '../../../streams/ports.js'
import { CallFailed } from '../failure.js'
import { type HttpLimits, SHORT_READ_BYTES } from '../limits.js'
import { filePath, hashesPath, isRoot, PASSED_HEADER, PEER_HEADER, QUEUE_HEADER, rootPath } from '../paths.js'
import { readContentRange } from '../range.js'
import { Unwanted } from './exchange.js'
import type { Head } from './head.js'
import type { DataPool } from './pool.js'

type Body = Extract<ReadOutcome, { type: 'body' }>
/** What came of asking once; a place in the queue with the time after which to ask again. */
type Answer =
  | Exclude<ReadOutcome, { type: 'queued' }>
  | (Extract<ReadOutcome, { type: 'queued' }> & { retryMs: number })

export interface DataLine {
  readonly pool: DataPool
  readonly holder: PeerUrl
  /** Who we are, so that all our connections count as one. */
  readonly self: string
  readonly limits: HttpLimits
  readonly signal: AbortSignal
}

/** An answer that came before this was not held open for us: whoever sent it is not to be asked again at once. */
const HELD_MS = 500
const MAX_RETRY_MS = 10_000

/** Asks until it is our turn; tells each new place in the queue. Rejects with {@link CallFailed}. */
export async function openRead(
  line: DataLine,
  request: ReadRequest,
  queued: (position: number) => void
): Promise<Exclude<ReadOutcome, { type: 'queued' }>> {
  let position: number | undefined
  for (;;) {
    const askedAtMs = performance.now()
    const answer = await askOnce(line, request)
    if (answer.type !== 'queued') return answer
    const isFirst = position === undefined
    if (answer.position !== position) queued(answer.position)
    position = answer.position
    if (line.signal.aborted) throw new CallFailed('reset', 'taken back')
    // The first refusal comes at once and the next ones late, so that nobody loses a slot between two of them.
    if (!isFirst && performance.now() - askedAtMs < HELD_MS) await pause(answer.retryMs, line.signal)
  }
}

function askOnce({ pool, holder, self, limits, signal }: DataLine, request: ReadRequest): Promise<Answer> {
  const { name, root, start, end, etag } = request
  const path = root === undefined ? pathOf(name) : rootPath(root)
  if (path === undefined) return Promise.resolve({ type: 'gone' })
  if (etag !== undefined && !ETAG.test(etag)) return Promise.resolve({ type: 'changed' })
  // An empty range cannot be asked for; one byte from there on tells the same.
  const last = end === undefined ? '' : String(Math.max(start, end - 1))
  const isShort = end !== undefined && end - start <= SHORT_READ_BYTES
  return pool.send(
    holder,
    {
      method: 'GET',
      path,
      headers: {
        'Accept-Encoding': 'identity',
        [PEER_HEADER]: self,
        ...(request.passed === true ? { [PASSED_HEADER]: '1' } : {}),
        ...(start === 0 && end === undefined ? {} : { Range: `bytes=${start}-${last}` }),
        ...(etag === undefined ? {} : { 'If-Match': `"${etag}"` })
      },
      memory: request.memory,
      headTimeoutMs: limits.dataHeadTimeoutMs,
      signal,
      receive: (head, bytes) => received(head, bytes, request)
    },
    isShort ? 'short' : 'long'
  )
}

/** What may stand between the quotes of an entity tag. */
const ETAG = /^[\x21\x23-\x7e\x80-\xff]*$/

/** No path leads to a name that is no Unicode. */
function pathOf(name: string): string | undefined {
  try {
    return filePath(name)
  } catch {
    return undefined
  }
}

function received(head: Head, bytes: AsyncIterable<Uint8Array>, request: ReadRequest): Answer | Unwanted<Answer> {
  const { status, headers, contentLength } = head
  const etag = etagOf(head)
  if (status === 404 || status === 410) return new Unwanted({ type: 'gone' })
  if (status === 412) return new Unwanted({ type: 'changed' })
  if (status === 416) return new Unwanted(beyondTheEnd(headers, request, etag))
  if (status === 503) return new Unwanted(placeInQueue(headers))
  if (status !== 200 && status !== 206) throw new CallFailed('not-a-peer', `HTTP ${status}`)
  if ((headers.get('content-encoding') ?? 'identity').toLowerCase() !== 'identity')
    throw new CallFailed('nonsense', 'the answer is packed, and that was not asked for')
  if (request.root !== undefined && etag !== request.root)
    throw new CallFailed('nonsense', 'the answer has not the root asked for')
  // A holder without entity tags ignores If-Match.
  if (request.etag !== undefined && etag !== request.etag) return new Unwanted({ type: 'changed' })
  if (contentLength === undefined) throw new CallFailed('nonsense', 'the answer has no length')
  const whole = { start: 0, end: contentLength, size: contentLength }
  const range = status === 206 ? readContentRange(headers.get('content-range')) : whole
  if (range === undefined) throw new CallFailed('nonsense', 'the answer does not say what part it is')
  if (range.end - range.start !== contentLength)
    throw new CallFailed('nonsense', 'the answer has another length than it says')
  if (status === 206 && range.start !== request.start) throw new CallFailed('nonsense', 'not the range asked for')
  const body = { type: 'body' as const, size: range.size, start: range.start, etag }
  if (request.end === request.start && status === 206) return new Unwanted({ ...body, bytes: nothing() })
  if (range.end > (request.end ?? Infinity)) throw new CallFailed('nonsense', 'the answer is longer than asked for')
  return { ...body, bytes }
}

function etagOf({ headers }: Head): string {
  return /^"([^"]*)"$/.exec(headers.get('etag') ?? '')?.[1] ?? ''
}

/** Reading on at the very end of a file is no change of it: there is just nothing left. */
function beyondTheEnd(headers: Head['headers'], { start }: ReadRequest, etag: string): Answer {
  const size = Number(/^bytes \*\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1] ?? Number.NaN)
  return start === size ? ({ type: 'body', size, start, etag, bytes: nothing() } satisfies Body) : { type: 'changed' }
}

function placeInQueue(headers: Head['headers']): Answer {
  const position = headers.get(QUEUE_HEADER) ?? ''
  if (!/^[1-9]\d{0,5}$/.test(position)) throw new CallFailed('refused', 'the holder is overloaded')
  const retryAfter = headers.get('retry-after') ?? ''
  const retryMs = /^\d{1,5}$/.test(retryAfter) ? Number(retryAfter) * 1_000 : MAX_RETRY_MS
  return { type: 'queued', position: Number(position), retryMs: Math.min(Math.max(HELD_MS, retryMs), MAX_RETRY_MS) }
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  yield* await Promise.resolve([])
}

export async function askHashes(line: DataLine, request: HashRequest): Promise<HashesOutcome> {
  const { pool, holder, limits, signal } = line
  const path = hashesPath(request)
  if (path === undefined) throw new CallFailed('nonsense', 'no request for hashes')
  const most = 32 * (request.length + request.proofLayers)
  const bytes = await pool.send<AsyncIterable<Uint8Array> | undefined>(
    holder,
    {
      method: 'GET',
      path,
      headers: { 'Accept-Encoding': 'identity', ...(request.passed === true ? { [PASSED_HEADER]: '1' } : {}) },
      headTimeoutMs: limits.dataHeadTimeoutMs,
      signal,
      receive({ status, contentLength = 0 }, body) {
        if (status === 404 || status === 410) return new Unwanted(undefined)
        if (status === 400) throw new CallFailed('nonsense', 'the holder has no such hashes')
        if (status === 503) throw new CallFailed('refused', 'the holder is overloaded')
        if (status !== 200) throw new CallFailed('not-a-peer', `HTTP ${status}`)
        if (contentLength === 0 || contentLength % 32 !== 0 || contentLength > most)
          throw new CallFailed('nonsense', 'the answer is no list of the hashes asked for')
        return body
      }
    },
    'short'
  )
  if (bytes === undefined) return { type: 'gone' }
  const chunks: Uint8Array[] = []
  for await (const chunk of bytes) chunks.push(chunk)
  return { type: 'hashes', bytes: chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks) }
}

export async function askRoot(line: DataLine, name: string, waitMs: number): Promise<RootOutcome> {
  const { pool, holder, limits, signal } = line
  const path = pathOf(name)
  if (path === undefined) return { type: 'gone' }
  return await pool.send<RootOutcome>(
    holder,
    {
      method: 'HEAD',
      path,
      headers: { 'Accept-Encoding': 'identity', Prefer: `wait=${Math.ceil(waitMs / 1_000)}` },
      headTimeoutMs: limits.dataHeadTimeoutMs + waitMs,
      signal,
      receive(head) {
        if (head.status === 404 || head.status === 410) return new Unwanted<RootOutcome>({ type: 'gone' })
        if (head.status !== 200) throw new CallFailed('not-a-peer', `HTTP ${head.status}`)
        const root = etagOf(head)
        if (!isRoot(root) || head.contentLength === undefined) return new Unwanted<RootOutcome>({ type: 'unknown' })
        return new Unwanted<RootOutcome>({ type: 'root', root, size: head.contentLength })
      }
    },
    // Its answer takes long, and others would wait behind it.
    waitMs > 0 ? 'long' : 'short'
  )
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(new CallFailed('reset', 'taken back'))
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    signal.addEventListener('abort', stop, { once: true })
  })
}
