/** What is asked in a find, as JSON, and read from whoever asks. */
import * as v from 'valibot'
import type { Search } from '../../../streams/ports.js'
import { MAX_FIND_MS, MAX_LIMIT, MAX_PATTERN_CHARS, MAX_STANDING_MS } from '../../../streams/search-rules.js'
import { MAX_URL_LENGTH } from '../../../streams/urls.js'
import { MAX_ASKING } from '../../xmlrpc/schemas.js'
import { MAX_FIND_BODY_BYTES } from '../limits.js'

/** Where finds are asked, whatever the path of the peer's URL is. */
export const FIND_PATH = '/find'
export const FIND_TYPE = 'application/json'
export const FOUND_TYPE = 'application/x-ndjson'

/** Whether a `Content-Type` says this, whatever else it says. */
export function isOfType(header: string | undefined, type: string): boolean {
  return header?.split(';', 1)[0]?.trim().toLowerCase() === type
}

const VERSION = 1
/** Peers in a history. The rules stop at 6; what is longer is answered, and not passed on. */
const MAX_HISTORY = 64
const MAX_ID_CHARS = 64

const Url = v.pipe(v.string(), v.maxLength(MAX_URL_LENGTH))
const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))

const SearchShape = v.strictObject({
  v: v.literal(VERSION),
  pattern: v.strictObject({
    kind: v.picklist(['words', 'glob', 'regex', 'name']),
    text: v.pipe(v.string(), v.maxLength(MAX_PATTERN_CHARS)),
    content: v.optional(v.boolean())
  }),
  history: v.pipe(v.array(Url), v.maxLength(MAX_HISTORY)),
  id: v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_ID_CHARS)),
  asking: v.pipe(v.array(Url), v.maxLength(MAX_ASKING)),
  limit: v.pipe(Count, v.minValue(1)),
  deadlineMs: Count,
  standing: v.optional(v.boolean()),
  trace: v.optional(v.boolean())
})

/** A body that is no find, and why, in one line. */
export class BadSearch extends Error {}

/** The body of a request. Of those who are asked at the same time it names as many as fit. */
export function encodeSearch(search: Search): Buffer {
  const { pattern, history, id, limit, deadlineMs, standing, trace } = search
  for (let count = Math.min(search.asking.length, MAX_ASKING); ; count = Math.floor(count / 2)) {
    const asking = search.asking.slice(0, count)
    const said = { v: VERSION, pattern, history, id, asking, limit, deadlineMs, standing, trace }
    const body = Buffer.from(JSON.stringify(said))
    if (body.length <= MAX_FIND_BODY_BYTES || count === 0) return body
  }
}

/** Throws {@link BadSearch}. */
export function decodeSearch(body: Buffer): Search {
  const { v: _, pattern, standing = false, trace = false, ...rest } = parsed(body)
  const { content = false, ...wanted } = pattern
  return {
    ...rest,
    pattern: content ? { ...wanted, content } : wanted,
    limit: Math.min(rest.limit, MAX_LIMIT),
    deadlineMs: Math.min(rest.deadlineMs, standing ? MAX_STANDING_MS : MAX_FIND_MS),
    ...(standing ? { standing } : {}),
    ...(trace ? { trace } : {})
  }
}

function parsed(body: Buffer): v.InferOutput<typeof SearchShape> {
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch {
    throw new BadSearch('no JSON')
  }
  const result = v.safeParse(SearchShape, value, { abortEarly: true })
  if (result.success) return result.output
  const [first] = result.issues
  // Quoted, so that it is one line whatever the caller calls its members.
  throw new BadSearch(`no find: ${JSON.stringify(v.getDotPath(first) ?? '').slice(0, 100)} is wrong`)
}
