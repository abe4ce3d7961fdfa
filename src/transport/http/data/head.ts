/** Reads the head of an answer on the data plane: strict, for what is unclear here is where two parsers disagree. Pure. */

export interface Head {
  readonly status: number
  /** Names in lower case. What comes several times is joined with commas. */
  readonly headers: ReadonlyMap<string, string>
  /** Bytes of the body by its Content-Length; absent when it is framed in another way, which we do not read. */
  readonly contentLength: number | undefined
  /** Whether the connection may be used again. */
  readonly keepsAlive: boolean
}

/** What is wrong with a head: not HTTP at all, or HTTP of a kind that nobody should send. */
export class BadHead extends Error {
  constructor(
    readonly reason: 'not-a-peer' | 'nonsense',
    message: string
  ) {
    super(message)
  }
}

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/
// A name, and a value without control characters: so no line feed of its own, and no folded line.
const HEADER_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t ]*([\t\x20-\x7e\x80-\xff]*?)[\t ]*$/
const LENGTH = /^\d{1,16}$/

/** `text` is the head without the empty line that ends it, in latin1. Throws {@link BadHead}. */
export function parseHead(text: string, maxHeaders: number): Head {
  const [statusLine = '', ...lines] = text.split('\r\n')
  const [, minor, status] = STATUS_LINE.exec(statusLine) ?? []
  if (status === undefined) throw new BadHead('not-a-peer', 'the answer is no HTTP')
  if (lines.length > maxHeaders) throw new BadHead('nonsense', `the answer has over ${maxHeaders} header lines`)
  const headers = new Map<string, string>()
  for (const line of lines) {
    const [, name, value] = HEADER_LINE.exec(line) ?? []
    if (name === undefined || value === undefined)
      throw new BadHead('nonsense', 'a header line of the answer is broken')
    const key = name.toLowerCase()
    const before = headers.get(key)
    headers.set(key, before === undefined ? value : `${before}, ${value}`)
  }
  return {
    status: Number(status),
    headers,
    contentLength: readLength(headers),
    keepsAlive: keepsAlive(headers.get('connection'), minor === '1')
  }
}

function readLength(headers: ReadonlyMap<string, string>): number | undefined {
  const length = headers.get('content-length')
  if (length === undefined) return undefined
  // Also two of them, even equal ones: they are joined by a comma by now.
  if (!LENGTH.test(length) || !Number.isSafeInteger(Number(length)))
    throw new BadHead('nonsense', 'the answer has a length that is none')
  if (headers.has('transfer-encoding')) throw new BadHead('nonsense', 'the answer has a length twice')
  return Number(length)
}

function keepsAlive(connection: string | undefined, byDefault: boolean): boolean {
  const options = (connection ?? '').split(',').map((option) => option.trim().toLowerCase())
  if (options.includes('close')) return false
  return byDefault || options.includes('keep-alive')
}
