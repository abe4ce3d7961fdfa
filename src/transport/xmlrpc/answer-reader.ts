/** The bytes of an answer as they come in, and the markup round its data. The data itself is read by `content-decode`. */
import { afterDeclaration, tagOf } from './guard.js'
import { XmlRpcError } from './xmlrpc-error.js'

/** Markup before, in and after the data. It takes 300 bytes; the rest is room for somebody's comments and indentation. */
const MAX_MARKUP_BYTES = 64 * 1024

export const LESS_THAN = 0x3c
const SPACE = new Set([0x20, 0x09, 0x0d, 0x0a])
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])

/** One reader for one answer: `buffer` from `at` on is what has come in and is not read yet. */
export class AnswerReader {
  buffer: Buffer = Buffer.alloc(0)
  at = 0
  readonly #source: AsyncIterator<Uint8Array>

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#source = body[Symbol.asyncIterator]()
  }

  /** Waits for more bytes. Whoever needs no longer what lies before `at` calls {@link release} first. False at the end. */
  async fill(): Promise<boolean> {
    if (this.buffer.length > MAX_MARKUP_BYTES) throw new XmlRpcError('too-big', 'Markup without an end.')
    const next = await this.#source.next()
    if (next.done === true) return false
    const chunk = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength)
    this.buffer = this.buffer.length === 0 ? chunk : Buffer.concat([this.buffer, chunk])
    return true
  }

  /** As {@link fill}, where the end would come too early. */
  async need(): Promise<void> {
    if (!(await this.fill())) throw new XmlRpcError('malformed', 'The answer was cut off.')
  }

  /** Lets go of what has been read. */
  release(): void {
    this.buffer = this.buffer.subarray(this.at)
    this.at = 0
  }

  /** Whether the next bytes are `text` (ASCII). */
  async startsWith(text: string): Promise<boolean> {
    while (this.buffer.length - this.at < text.length) {
      const here = this.buffer.toString('latin1', this.at)
      if (!text.startsWith(here) || !(await this.fill())) return false
    }
    return this.buffer.toString('latin1', this.at, this.at + text.length) === text
  }

  /** Steps over byte order mark and XML declaration to the root, which must be an answer's. */
  async begin(): Promise<void> {
    if (await this.startsWith(BYTE_ORDER_MARK.toString('latin1'))) this.at += BYTE_ORDER_MARK.length
    if ((await this.skipSpace()) !== LESS_THAN) throw new XmlRpcError('not-xmlrpc', 'No XML.')
    if (await this.startsWith('<?')) {
      const end = await this.find('?>')
      afterDeclaration(this.buffer.toString('latin1', this.at, end), 0)
      this.at = end
    }
    let root: string | undefined
    try {
      root = await this.tag()
    } catch (error) {
      // No tag at all, like a DOCTYPE. What the body throws is the network's, and says nothing about the peer.
      if (!(error instanceof XmlRpcError)) throw error
    }
    if (root !== 'methodResponse') throw new XmlRpcError('not-xmlrpc', 'Not a methodResponse.')
  }

  /** Stops before the first byte that is no space, and gives it; undefined at the end. */
  async skipSpace(): Promise<number | undefined> {
    for (;;) {
      for (; this.at < this.buffer.length; this.at++) {
        const byte = this.buffer[this.at]
        if (byte !== undefined && !SPACE.has(byte)) return byte
      }
      if (!(await this.fill())) return undefined
    }
  }

  /** The next tag, in the form of {@link tagOf}; space and comments before it are stepped over. */
  async tag(): Promise<string> {
    for (;;) {
      const byte = await this.skipSpace()
      if (byte === undefined) throw new XmlRpcError('malformed', 'The answer was cut off.')
      if (byte !== LESS_THAN) throw new XmlRpcError('malformed', 'Text in a place where XML-RPC has none.')
      if (await this.startsWith('<!--')) await this.skipComment()
      else break
    }
    const start = this.at
    this.at = await this.find('>')
    return tagOf(this.buffer.toString('latin1', start, this.at))
  }

  /** Steps over the comment that begins here. */
  async skipComment(): Promise<void> {
    this.at = await this.find('-->', this.at + 4)
  }

  /** Steps over these tags. */
  async expect(...tags: readonly string[]): Promise<void> {
    for (const wanted of tags) {
      if ((await this.tag()) !== wanted) throw new XmlRpcError('malformed', `No <${wanted}> where one belongs.`)
    }
  }

  /** The whole message, from its first byte; only while nothing has been released. */
  async whole(): Promise<Buffer> {
    while (await this.fill());
    return this.buffer
  }

  /** Makes sure that nothing but space and comments comes until the end. */
  async end(): Promise<void> {
    while ((await this.skipSpace()) !== undefined) {
      if (!(await this.startsWith('<!--'))) throw new XmlRpcError('malformed', 'Something after the end.')
      await this.skipComment()
    }
  }

  /** Lets go of the body; safe at any time. */
  async close(): Promise<void> {
    await this.#source.return?.()
  }

  /** The place behind the next `text`, which must come. */
  async find(text: string, from = this.at): Promise<number> {
    for (;;) {
      const found = this.buffer.indexOf(text, from, 'latin1')
      if (found !== -1) return found + text.length
      await this.need()
    }
  }
}
