/** What goes over the control socket: the bodies of requests, checked, and the lines of answers. */

import { isAbsolute } from 'node:path'
import {
  boolean,
  check,
  type InferOutput,
  maxLength,
  maxValue,
  minLength,
  minValue,
  nullish,
  number,
  optional,
  picklist,
  pipe,
  safeInteger,
  strictObject,
  string,
  union
} from 'valibot'
import type { FolderProgress, FoundFile, Progress, Rates, Trace } from '../index.js'

/** PATH_MAX of Linux, as UTF-16 at the most. */
const MAX_PATH_CHARS = 4_096
/** What a find may bring, and how long it may take: as the peer has them. */
export const MAX_FIND_LIMIT = 250_000
export const MAX_FIND_TIMEOUT_MS = 120_000

const path = pipe(string(), minLength(1), maxLength(MAX_PATH_CHARS))
const options = {
  ifExists: optional(picklist(['refuse', 'overwrite', 'rename'])),
  // The peer's working folder is not that of whoever asks.
  into: optional(pipe(path, check(isAbsolute))),
  wait: optional(boolean())
}
/** Absent leaves a cap as it is, null takes it away. */
const rate = nullish(pipe(number(), safeInteger(), minValue(1)))

export const FETCH_BODY = strictObject({ name: path, ...options })
export const FETCH_ALL_BODY = strictObject({ pattern: path, ...options })
export const RATES_BODY = strictObject({
  uploadBytesPerSecond: rate,
  downloadBytesPerSecond: rate,
  uploadBytesPerSecondPerPeer: rate,
  downloadBytesPerSecondPerPeer: rate
})
export const QUERY_BODY = strictObject({ name: path })
/** A text is words, or a glob; what else is wrong with a pattern or a number, the peer says. */
export const FIND_BODY = strictObject({
  pattern: union([
    path,
    strictObject({
      kind: picklist(['words', 'glob', 'regex', 'name']),
      text: path,
      content: optional(boolean())
    })
  ]),
  limit: optional(pipe(number(), safeInteger(), minValue(1), maxValue(MAX_FIND_LIMIT))),
  timeoutMs: optional(pipe(number(), safeInteger(), minValue(1), maxValue(MAX_FIND_TIMEOUT_MS))),
  trace: optional(boolean())
})

/** What to look for, and how. */
export type FindBody = InferOutput<typeof FIND_BODY>

/** Caps to change. */
export type RatesChange = InferOutput<typeof RATES_BODY>

/** The last line of an answer that came to its end. */
export interface Done {
  readonly type: 'done'
}

/** The last line of an answer that did not, and the whole body of one that was refused. */
export interface Failure {
  readonly type: 'error'
  /** As of P2pError. */
  readonly code: string
  readonly message: string
  readonly advice: string
}

/** One line of a find: a file when it is first seen, what is new of one that was told, or a call that has ended. */
export type FindLine =
  | ({ readonly type: 'found' } & FoundFile)
  | {
      readonly type: 'holder-found'
      /** Of the file. */
      readonly key: string
      /** Those that were not told yet. */
      readonly holders: FoundFile['holders']
      /** What these call it, where nobody called it so before. */
      readonly otherNames?: readonly string[]
    }
  | ({ readonly type: 'call' } & Trace)

/** Stands in the stream of events for those that came while nobody read. */
export interface Dropped {
  readonly type: 'events-dropped'
  readonly count: number
}

/** A fetch that was ordered and is not over. */
export type Transfer =
  | ({ readonly kind: 'file' } & Progress)
  | ({ readonly kind: 'folder'; readonly pattern: string } & Omit<FolderProgress, 'failed'> & {
        readonly failed: number
      })

export interface Status {
  readonly v: 1
  readonly pid: number
  readonly version: string
  readonly url: string
  readonly dir: string
  /** Who the peer is in its private network, and where members can reach it; absent in the open. */
  readonly network?: { readonly name: string; readonly id: string; readonly addresses: readonly string[] }
  /** Whether peers on the local network are looked for. */
  readonly nearby: boolean
  readonly peers: { readonly up: number; readonly known: number }
  /** What the peer has found to be wrong, the latest last. */
  readonly problems: readonly string[]
  /** Absent while the folder is being read for the first time. */
  readonly files?: number
  /** Of them those whose root is known. Absent as long as `files` is. */
  readonly hashed?: number
  readonly transfers: readonly Transfer[]
  readonly rates: Rates
}
