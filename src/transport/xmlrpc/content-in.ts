/** A foreign peer's answer to a query, read while it comes: any size in constant memory. */
import { AnswerReader, LESS_THAN } from './answer-reader.js'
import { decodeResponse } from './codec.js'
import { base64Of, textOf } from './content-decode.js'
import type { ForeignDialect } from './content-out.js'
import { XmlRpcError } from './xmlrpc-error.js'

/**
 * What a foreign peer says to a query. `bytes` can be read once; it throws an XmlRpcError when the answer does not end as
 * it must, and lets go of the body when it is left early, so whoever does not want it calls its `return`.
 */
export type ForeignAnswer =
  | { readonly type: 'content'; readonly bytes: AsyncIterable<Uint8Array> }
  | { readonly type: 'fault'; readonly code: number; readonly message: string }
  | { readonly type: 'missed' }

/** Listing 27-1's first of two: whether the second is the content. */
const SUCCESS = '1'
const FAIL = '2'

const INTEGERS = new Set(['int', 'i4', 'i8'])

/**
 * Resolves as soon as it is clear what comes. Rejects with an XmlRpcError when that is not an answer in this dialect:
 * one dialect's answer is nonsense in the other (WIRE W7). What `body` itself throws is passed on.
 */
export async function readAnswer(body: AsyncIterable<Uint8Array>, dialect: ForeignDialect): Promise<ForeignAnswer> {
  const reader = new AnswerReader(body)
  try {
    return await answer(reader, dialect)
  } catch (error) {
    await reader.close()
    throw error
  }
}

async function answer(reader: AnswerReader, dialect: ForeignDialect): Promise<ForeignAnswer> {
  await reader.begin()
  const outcome = await reader.tag()
  if (outcome === 'fault') return small(reader)
  if (outcome !== 'params') throw new XmlRpcError('malformed', 'Neither an answer nor a fault.')
  await reader.expect('param')
  if (dialect === 'book') return content(reader, ['/param', '/params', '/methodResponse'])
  await reader.expect('value', 'array', 'data')
  const status = await integer(reader)
  if (status === FAIL) return small(reader)
  if (status !== SUCCESS) throw new XmlRpcError('malformed', 'A pair that begins with neither 1 nor 2.')
  return content(reader, ['/data', '/array', '/value', '/param', '/params', '/methodResponse'])
}

/** A fault or a miss: there is little more to come, and all of it can be read at once. */
async function small(reader: AnswerReader): Promise<ForeignAnswer> {
  const whole = await reader.whole()
  // A Python 2 peer puts names into its faults byte for byte; what is no UTF-8 in them is of no use to anybody.
  const read = decodeResponse(Buffer.from(whole.toString('utf8')))
  if (read.type === 'fault') return read
  if (Array.isArray(read.value) && read.value.length === 2) return { type: 'missed' }
  throw new XmlRpcError('malformed', 'Not a pair.')
}

async function integer(reader: AnswerReader): Promise<string> {
  await reader.expect('value')
  const type = await reader.tag()
  if (!INTEGERS.has(type)) throw new XmlRpcError('malformed', 'A pair that does not begin with a number.')
  const start = reader.at
  reader.at = (await reader.find('<')) - 1
  const text = reader.buffer.toString('latin1', start, reader.at).trim()
  await reader.expect(`/${type}`, '/value')
  return text
}

/** The value that comes next; `closers` are the tags due after it. */
async function content(reader: AnswerReader, closers: readonly string[]): Promise<ForeignAnswer> {
  const value = await reader.tag()
  if (value === 'value/') return streamed(reader, nothing(), closers)
  if (value !== 'value') throw new XmlRpcError('malformed', 'No value where one belongs.')
  const element = await typeOf(reader)
  switch (element) {
    case 'untyped':
      return streamed(reader, textOf(reader, 'value'), closers)
    case 'string':
      return streamed(reader, textOf(reader, 'string'), ['/value', ...closers])
    case 'base64':
      return streamed(reader, base64Of(reader), ['/value', ...closers])
    case 'string/':
    case 'base64/':
      return streamed(reader, nothing(), ['/value', ...closers])
    default:
      throw new XmlRpcError('malformed', 'An answer that is neither text nor base64.')
  }
}

/** Reads the tag that types a value; without one the value is a string, and the space it begins with belongs to it. */
async function typeOf(reader: AnswerReader): Promise<string> {
  const start = reader.at
  // A comment or CDATA section has no type to give either.
  if ((await reader.skipSpace()) === LESS_THAN && !(await reader.startsWith('<!'))) {
    const type = await reader.tag()
    if (type !== '/value') return type
  }
  reader.at = start
  return 'untyped'
}

function streamed(reader: AnswerReader, data: AsyncIterable<Uint8Array>, closers: readonly string[]): ForeignAnswer {
  const all = untilTheEnd(reader, data, closers)
  const bytes: AsyncIterableIterator<Uint8Array, void> = {
    next: () => all.next(),
    // A generator that has not begun does not run its `finally`.
    return: async () => {
      await reader.close()
      return all.return()
    },
    [Symbol.asyncIterator]: () => bytes
  }
  return { type: 'content', bytes }
}

async function* untilTheEnd(
  reader: AnswerReader,
  data: AsyncIterable<Uint8Array>,
  closers: readonly string[]
): AsyncGenerator<Uint8Array, void> {
  try {
    yield* data
    reader.release()
    await reader.expect(...closers)
    await reader.end()
  } finally {
    await reader.close()
  }
}

async function* nothing(): AsyncGenerator<never, void> {
  // An empty element has no bytes.
}
