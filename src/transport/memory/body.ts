import { Observable } from 'rxjs'
import { asP2pError, P2pError } from '../../errors.js'
import type { Failed, Inbound, ReadOutcome, ReadRequest, Source } from '../../streams/ports.js'

/** How bytes flow. */
interface Flow {
  /** The most that is handed over at a time. */
  readonly chunkBytes: number
  /** Whether the holder has fallen silent: then no more bytes come, and no end. */
  readonly stalled: () => boolean
}

/** What a read costs the holder: an open source, from the first byte to the last one or until it is unsubscribed. */
export function readFrom(
  { open, openRoot }: Pick<Inbound, 'open' | 'openRoot'>,
  { name, root, start, end, etag, passed }: ReadRequest,
  flow: Flow
): Observable<ReadOutcome> {
  return new Observable((reader) => {
    let body: Body | undefined

    async function begin(): Promise<void> {
      const source = await (root === undefined ? open(name) : openRoot(root, passed))
      if (reader.closed) {
        await source.close()
        return
      }
      // Who asks for bytes behind the end has another file in mind.
      if ((etag !== undefined && etag !== source.etag) || start > source.size) {
        await source.close()
        reader.next({ type: 'changed' })
        reader.complete()
        return
      }
      const stop = Math.max(start, Math.min(end ?? source.size, source.size))
      body = new Body(source, start, stop, flow, () => {
        reader.complete()
      })
      reader.next({ type: 'body', size: source.size, start, etag: source.etag, bytes: body })
    }

    begin().catch((thrown: unknown) => {
      reader.next(goneOrFailed(thrown))
      reader.complete()
    })
    return () => body?.cut()
  })
}

/** What a holder says that could not serve. It does not tell a name it refuses from one it does not know. */
export function goneOrFailed(thrown: unknown): { readonly type: 'gone' } | Failed {
  const { code, message } = asP2pError(thrown)
  if (code === 'NOT_FOUND' || code === 'BAD_NAME') return { type: 'gone' }
  return { type: 'failed', reason: 'nonsense', detail: message }
}

/** The bytes of one read. The source is asked for a chunk only when the reader wants one. */
class Body implements AsyncIterableIterator<Uint8Array> {
  readonly #source: Source
  readonly #chunks: AsyncIterator<Uint8Array>
  readonly #flow: Flow
  readonly #over: () => void
  #rest = new Uint8Array()
  #owedBytes: number
  #ended: 'at the end' | 'cut' | undefined
  #rejectPending: ((error: P2pError) => void) | undefined

  constructor(source: Source, start: number, end: number, flow: Flow, over: () => void) {
    this.#source = source
    this.#chunks = source.read(start, end)[Symbol.asyncIterator]()
    this.#flow = flow
    this.#over = over
    this.#owedBytes = end - start
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#ended === 'cut') throw connectionBroke()
    if (this.#ended === 'at the end') return { done: true, value: undefined }
    try {
      if (this.#rest.length === 0 && this.#owedBytes > 0) this.#rest = await this.#nextOfSource()
    } catch (cause) {
      this.cut()
      throw connectionBroke(cause)
    }
    if (this.#rest.length === 0) {
      this.#end('at the end')
      return { done: true, value: undefined }
    }
    // Copied, because the source may use its buffer again.
    const value = this.#rest.slice(0, this.#flow.chunkBytes)
    this.#rest = this.#rest.subarray(value.length)
    this.#owedBytes -= value.length
    return { done: false, value }
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.#end('at the end')
    return Promise.resolve({ done: true, value: undefined })
  }

  /** The connection is no more; whoever waits for a chunk hears it at once. */
  cut(): void {
    this.#end('cut')
    this.#rejectPending?.(connectionBroke())
  }

  async #nextOfSource(): Promise<Uint8Array<ArrayBuffer>> {
    const result = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
      this.#rejectPending = reject
      if (!this.#flow.stalled()) this.#chunks.next().then(resolve, reject)
    })
    this.#rejectPending = undefined
    if (result.done) throw new Error('The file ended early.')
    return result.value as Uint8Array<ArrayBuffer>
  }

  #end(how: 'at the end' | 'cut'): void {
    if (this.#ended !== undefined) return
    this.#ended = how
    // What fails while it closes has nobody left to tell. A reader stuck in a chunk would hold up its own
    // `return`, so the source is closed beside it and not after it.
    this.#chunks.return?.().catch(() => undefined)
    this.#source.close().then(this.#over, this.#over)
  }
}

const connectionBroke = (cause?: unknown) =>
  new P2pError('NETWORK', 'The connection broke before all bytes had come.', { cause })
