/** XML-RPC by hand: requests byte for byte as Python 2 sends them, and servers that answer what a test wants. */
import { EventEmitter, once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { gunzipSync } from 'node:zlib'

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

function value(item: unknown): string {
  if (Array.isArray(item)) return `<value><array><data>\n${item.map(value).join('\n')}\n</data></array></value>`
  if (typeof item === 'number') return `<value><int>${item}</int></value>`
  return `<value><string>${escaped(String(item))}</string></value>`
}

/** The body of a call with values that are written out already. */
export const callOf = (method: string, ...values: string[]): string =>
  `<?xml version='1.0'?>\n<methodCall>\n<methodName>${method}</methodName>\n<params>\n` +
  `${values.map((item) => `<param>\n${item}\n</param>\n`).join('')}</params>\n</methodCall>\n`

/** The body of a call as xmlrpclib writes it. */
export const call = (method: string, ...params: unknown[]): string => callOf(method, ...params.map(value))

/** The body of a reply. */
export const reply = (content: string): string =>
  `<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n${content}\n</param>\n</params>\n</methodResponse>\n`

export const faultReply = (code: number): string =>
  `<?xml version='1.0'?>\n<methodResponse>\n<fault>\n<value><struct>\n<member>\n<name>faultCode</name>\n` +
  `<value><int>${code}</int></value>\n</member>\n<member>\n<name>faultString</name>\n` +
  `<value><string>no</string></value>\n</member>\n</struct></value>\n</fault>\n</methodResponse>\n`

/** The head xmlrpclib sends, and nothing else. */
export const head = (url: string, body: string, version = '1.1'): string => {
  const { host, pathname } = new URL(url)
  return (
    `POST ${pathname} HTTP/${version}\r\nHost: ${host}\r\nAccept-Encoding: gzip\r\n` +
    `User-Agent: xmlrpclib.py/1.0.1 (by www.pythonware.com)\r\nContent-Type: text/xml\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n`
  )
}

export interface HttpReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** With the encodings of the transfer and the content undone. */
  readonly body: string
}

/** Sends bytes as they are, in as many pieces as given, and reads one reply; closes as soon as the reply is whole. */
export function exchange(
  { url, localAddress }: { url: string; localAddress?: string },
  ...pieces: string[]
): Promise<HttpReply> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect({ host: hostname, port: Number(port), localAddress, noDelay: true })
    const send = ([piece, ...rest]: string[]) => {
      if (piece !== undefined) socket.write(piece, () => send(rest))
    }
    socket.once('connect', () => send(pieces))
    const settle = (ended: boolean) => {
      const parsed = parse(Buffer.concat(chunks), ended)
      if (parsed) resolve(parsed)
      else if (ended) reject(new Error(`no whole reply, only ${Buffer.concat(chunks).length} bytes`))
      else return
      socket.destroy()
    }
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      settle(false)
    })
    socket.on('end', () => settle(true))
    socket.on('error', reject)
  })
}

export const post = (url: string, body: string, version?: string): Promise<HttpReply> =>
  exchange({ url }, head(url, body, version) + body)

function parse(bytes: Buffer, ended: boolean): HttpReply | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [first = '', ...rest] = bytes.toString('latin1', 0, end).split('\r\n')
  const headers = Object.fromEntries(
    rest.map((line): [string, string] => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    })
  )
  const body = bodyOf(bytes.subarray(end + 4), headers, ended)
  if (!body) return undefined
  const plain = headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body
  return { status: Number(first.split(' ')[1]), headers, body: plain.toString() }
}

function bodyOf(rest: Buffer, headers: Record<string, string>, ended: boolean): Buffer | undefined {
  const length = headers['content-length']
  if (length !== undefined) return rest.length >= Number(length) ? rest.subarray(0, Number(length)) : undefined
  if (headers['transfer-encoding'] !== 'chunked') return ended ? rest : undefined
  const parts: Buffer[] = []
  for (let at = 0; ; ) {
    const line = rest.indexOf('\r\n', at)
    if (line < 0) return undefined
    const size = Number.parseInt(rest.toString('latin1', at, line), 16)
    if (rest.length < line + 2 + size + 2) return undefined
    if (size === 0) return Buffer.concat(parts)
    parts.push(rest.subarray(line + 2, line + 2 + size))
    at = line + 2 + size + 2
  }
}

/** Leaves the caller waiting. */
export const SILENCE = Symbol('silence')
/** Closes without a word. */
export const HANG_UP = Symbol('hang-up')

type Reply = string | Buffer | typeof SILENCE | typeof HANG_UP

export interface Request {
  readonly method: string
  /** Head and body as they came. */
  readonly text: string
}

export interface Canned {
  readonly url: string
  readonly requests: readonly Request[]
  /** Resolves with the next call of that method. */
  readonly received: (method: string) => Promise<Request>
  /** Resolves when the other side has closed every connection it made. */
  readonly left: () => Promise<void>
  readonly close: () => Promise<void>
}

/**
 * A server that answers every call with the bytes the test gives: a whole HTTP reply, or a body that gets the head a
 * Python 2 server would write. With `stay` the connection is left open after the reply.
 */
export async function canned(
  answer: (request: Request) => Reply | Promise<Reply>,
  { stay = false }: { stay?: boolean } = {}
): Promise<Canned> {
  const sockets = new Set<Socket>()
  const requests: Request[] = []
  const calls = new EventEmitter()
  const send = async (socket: Socket, request: Request) => {
    const sent = await answer(request)
    if (sent === SILENCE) return
    if (sent === HANG_UP) socket.end()
    else if (stay) socket.write(whole(sent))
    else socket.end(whole(sent))
  }
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {}) // the other side is free to leave
    let text = ''
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      const end = text.indexOf('\r\n\r\n')
      const length = Number(/^content-length: *(\d+)/im.exec(text.slice(0, end))?.[1])
      if (end < 0 || Buffer.byteLength(text.slice(end + 4)) < length) return
      const request = { method: /<methodName>\s*([^<\s]*)/.exec(text)?.[1] ?? '', text }
      text = ''
      calls.emit(request.method, request)
      requests.push(request)
      void send(socket, request)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || !address) throw new Error('no address')
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      for (const socket of sockets) socket.destroy()
    })
  const left = async () => {
    await Promise.all([...sockets].map((socket) => once(socket, 'close')))
  }
  const received = async (method: string) => ((await once(calls, method)) as [Request])[0]
  return { url: `http://127.0.0.1:${address.port}`, requests, received, left, close }
}

function whole(sent: string | Buffer): Buffer {
  const bytes = Buffer.from(sent)
  if (bytes.toString('latin1', 0, 5) === 'HTTP/') return bytes
  const start =
    'HTTP/1.0 200 OK\r\nServer: BaseHTTP/0.3 Python/2.7.18\r\nContent-type: text/xml\r\n' +
    `Content-length: ${bytes.length}\r\n\r\n`
  return Buffer.concat([Buffer.from(start), bytes])
}

/** What a 27-2 node says that has nothing, except for questions somebody passed on or could: those get `answer`. */
export function asBookNode(answer: () => Reply | Promise<Reply>) {
  return ({ method, text }: Request) => {
    if (method === 'hello') return reply('<value><int>0</int></value>')
    if (method !== 'query') return faultReply(1)
    // Name, list and six in the list: a neighbour that tries how we say no.
    const values = text.match(/<value>/g)?.length ?? 0
    return values >= 8 ? faultReply(100) : answer()
  }
}
