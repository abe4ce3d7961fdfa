/** Ways in which a holder of a file can be wrong, broken or hostile on the data plane. */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { MIB } from './field.js'

/** One request for bytes. */
export interface Asked {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly start: number
  readonly end: number
  /** What it says it has. */
  readonly content: Buffer
  readonly root: string
}

export interface Lie {
  /** Completes the sentence `a holder that …`. */
  readonly title: string
  /** Sends bytes that are not those of the root, as if they were: it has to be named for that. */
  readonly isCaught?: true
  readonly answer?: (asked: Asked) => void
  readonly hashes?: (truth: Buffer) => Buffer
  /** Says its hashes are those of this content. */
  readonly hashesOf?: (content: Buffer) => Buffer
  /** Does the same to whatever is asked, hashes and heads included. */
  readonly isGeneral?: true
}

const BLOCK = 16 * 1024
/** Which block of each piece has the flipped bit. */
const BAD_BLOCK = 5

interface Answer {
  readonly bytes?: Buffer
  readonly sizeSaid?: number
  readonly lengthSaid?: number
  readonly startSaid?: number
  readonly etag?: string
}

/** The head of an honest answer, but for what is given. */
function writeHead({ response, request, start, end, content, root }: Asked, answer: Answer = {}): void {
  const { sizeSaid = content.length, startSaid = start, etag = root, lengthSaid = end - start } = answer
  const isPart = request.headers.range !== undefined
  response.writeHead(isPart ? 206 : 200, {
    ETag: `"${etag}"`,
    'Accept-Ranges': 'bytes',
    'Content-Length': lengthSaid,
    ...(isPart ? { 'Content-Range': `bytes ${startSaid}-${startSaid + end - start - 1}/${sizeSaid}` } : {})
  })
}

/** An honest answer, but for what is given. */
export function send(asked: Asked, answer: Answer = {}): void {
  writeHead(asked, answer)
  asked.response.end(answer.bytes ?? asked.content.subarray(asked.start, asked.end))
}

/** The bytes asked for, each piece with one wrong bit. */
function flipped({ content, start, end }: Asked): Buffer {
  const bytes = Buffer.from(content.subarray(start, end))
  for (let at = BAD_BLOCK * BLOCK + 77; at < end; at += MIB) {
    const byte = bytes[at - start]
    if (byte !== undefined) bytes[at - start] = byte ^ 8
  }
  return bytes
}

const backwards = ({ content, start, end }: Asked) => Buffer.from(content.subarray(start, end)).reverse() as Buffer
const inverted = ({ content, start, end }: Asked) =>
  Buffer.from(content.subarray(start, end)).map((byte) => byte ^ 255) as Buffer

/** Content of the same size that has nothing in common with the true one. */
function otherContent(content: Buffer): Buffer {
  return Buffer.from(content).fill('other content, ')
}

export const LIES: readonly Lie[] = [
  // Who has to be waited for comes first, so that the others are through meanwhile.
  {
    title: 'stalls after some bytes',
    answer(asked) {
      writeHead(asked)
      asked.response.write(asked.content.subarray(asked.start, Math.min(asked.start + 100_000, asked.end - 1)))
    }
  },
  { title: 'stalls before its answer', answer: () => undefined },
  {
    title: 'sends one byte a second',
    answer(asked) {
      writeHead(asked)
      let at = asked.start
      const timer = setInterval(() => asked.response.write(asked.content.subarray(at, ++at)), 1_000)
      asked.response.once('close', () => clearInterval(timer))
    }
  },
  {
    title: 'flips one bit of one block in each piece',
    isCaught: true,
    answer: (asked) => send(asked, { bytes: flipped(asked) })
  },
  {
    title: 'sends every byte wrong',
    isCaught: true,
    answer: (asked) => send(asked, { bytes: inverted(asked) })
  },
  {
    title: 'sends other content of the right size',
    isCaught: true,
    answer: (asked) => send(asked, { bytes: otherContent(asked.content).subarray(asked.start, asked.end) })
  },
  {
    title: 'sends other content of the right size and its hashes',
    isCaught: true,
    answer: (asked) => send(asked, { bytes: otherContent(asked.content).subarray(asked.start, asked.end) }),
    hashesOf: otherContent
  },
  {
    title: 'ends in the middle of what it said it would send',
    answer(asked) {
      writeHead(asked)
      asked.response.write(asked.content.subarray(asked.start, asked.start + (asked.end - asked.start) / 2), () =>
        asked.request.socket.destroy()
      )
    }
  },
  {
    title: 'sends more than the range asked for',
    answer: (asked) =>
      send(asked, {
        lengthSaid: asked.end - asked.start + 1_000,
        bytes: Buffer.concat([asked.content.subarray(asked.start, asked.end), randomBytes(1_000)])
      })
  },
  {
    title: 'sends without an end',
    answer({ response, content }) {
      response.writeHead(200)
      const more = () => {
        while (!response.destroyed && response.write(content.subarray(0, MIB)));
        if (!response.destroyed) response.once('drain', more)
      }
      more()
    }
  },
  {
    title: 'sends the bytes in another order',
    isCaught: true,
    answer: (asked) => send(asked, { bytes: backwards(asked) })
  },
  { title: 'names another range', answer: (asked) => send(asked, { startSaid: asked.start + 1 }) },
  { title: 'tells another size', answer: (asked) => send(asked, { sizeSaid: asked.content.length + 1 }) },
  { title: 'tells another ETag', answer: (asked) => send(asked, { etag: 'f'.repeat(64) }) },
  {
    title: 'has hashes with flipped bits',
    hashes: (truth) => truth.map((byte) => byte ^ 1) as Buffer
  },
  { title: 'has hashes of a wrong length', hashes: (truth) => truth.subarray(1) },
  { title: 'has random hashes', hashes: (truth) => randomBytes(truth.length) },
  { title: 'says 404', isGeneral: true, answer: ({ response }) => void response.writeHead(404).end() },
  { title: 'says 500', isGeneral: true, answer: ({ response }) => void response.writeHead(500).end() },
  {
    title: 'sends us elsewhere',
    isGeneral: true,
    answer: ({ response, request }) =>
      void response.writeHead(302, { Location: `http://${request.headers.host ?? ''}/elsewhere` }).end()
  },
  {
    title: 'tells no length',
    answer({ response, content, root, start, end }) {
      response.writeHead(200, { ETag: `"${root}"` })
      response.write(content.subarray(start, start + 1_000))
      response.end(content.subarray(start + 1_000, end))
    }
  },
  {
    title: 'sends gzip',
    answer(asked) {
      const bytes = gzipSync(asked.content.subarray(asked.start, asked.end), { level: 1 })
      asked.response.setHeader('Content-Encoding', 'gzip')
      send(asked, { bytes, lengthSaid: bytes.length })
    }
  },
  {
    title: 'does not speak HTTP',
    isGeneral: true,
    answer: ({ request }) => void request.socket.end(randomBytes(5_000))
  },
  { title: 'hangs up', isGeneral: true, answer: ({ request }) => void request.socket.destroy() }
]
