/**
 * What the actors need from the world, and what the world may ask of them. Types only.
 *
 * Bytes are `AsyncIterable`s: they flow under back-pressure from socket to disk inside one job and
 * never pass through a mailbox. All else is an Observable: one subscription is one piece of work,
 * and unsubscribing stops it down to the socket.
 */
import type { Observable, SchedulerLike } from 'rxjs'

/** How a peer announces itself, e.g. `http://127.0.0.1:4242`. Neighbours compare it as an exact string (WIRE W8). */
export type PeerUrl = string

/** What a holder says it has. The shape is the wire's (DESIGN 4, rule 8). */
export interface Offer {
  /** Path relative to the share, `/` between its parts. */
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** BEP 52 merkle root of the content, 64 lower-case hex digits; absent while the holder has not hashed the file yet. */
  readonly root?: string
  /** Who has it, best first. */
  readonly holders: readonly PeerUrl[]
}

/** One copy of a query on its way. */
export interface Question {
  readonly name: string
  /** Who has taken part so far, the caller last; empty from a direct caller. At most `MAX_HISTORY_LENGTH`. */
  readonly history: readonly PeerUrl[]
  /** Names the query across all its copies; absent from foreign callers, who know only name and history. */
  readonly id?: string
  /** Who is being asked at the same time by those before us. */
  readonly asking: readonly PeerUrl[]
  /** Time the asker still waits, in milliseconds, counted from the moment the question is handed over. */
  readonly deadlineMs: number
}

/** Why a neighbour could not be used. `reset` alone is worth one more try at once: the connection broke before an answer. */
export type FailureReason = 'refused' | 'reset' | 'timed-out' | 'not-a-peer' | 'nonsense' | 'ourselves'

/** A neighbour that could not be used: a value, never the error of a stream. */
export interface Failed {
  readonly type: 'failed'
  readonly reason: FailureReason
  /** For a person to read. */
  readonly detail: string
}

/** How a neighbour took a question. A failing neighbour is a value, never the error of a stream. */
export type Outcome =
  /** The answer has begun to arrive and may be long: from now on the deadline no longer counts. Comes first or not at all. */
  | { readonly type: 'answering' }
  | { readonly type: 'offered'; readonly offer: Offer }
  /** It looked and did not find it (fault 100, or `[2, '']`); also what an overloaded peer says. */
  | { readonly type: 'missed' }
  /** It would not look (fault 200). */
  | { readonly type: 'denied' }
  | Failed

/** What a neighbour turned out to speak. */
export type Dialect = 'p2prx' | 'book' | 'simple'

/** What came of introducing ourselves. */
export type Greeting = { readonly type: 'greeted'; readonly dialect: Dialect; readonly roundTripMs: number } | Failed

/** One row of a peer's list of shared files. */
export interface SharedFile {
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** Last modification, milliseconds since 1970. */
  readonly modifiedMs: number
  readonly root?: string
}

/** A file opened for reading; what it says stays true until it is closed, or `read` throws. */
export interface Source {
  /** Bytes. */
  readonly size: number
  readonly root?: string
  /** Names this very content: the root, or a stand-in made of size and time until the root is known. Without quotes. */
  readonly etag: string
  /** All of it, where it is small and here already. */
  readonly bytes?: Uint8Array
  /** The bytes from `start` up to and without `end`. Throws when the file is no longer what it was. */
  read: (start?: number, end?: number) => AsyncIterable<Uint8Array>
  close: () => Promise<void>
}

/** What to read from a holder. */
export interface ReadRequest {
  readonly name: string
  /** First byte wanted. */
  readonly start: number
  /** First byte no longer wanted; the end of the file when absent. */
  readonly end?: number
  /** The content must still be this one (an etag); otherwise the holder answers with `changed`. */
  readonly etag?: string
}

/** How a holder took a read. `body` is emitted once its head is here; the stream stays open until its bytes have been read or it is unsubscribed. */
export type ReadOutcome =
  | {
      readonly type: 'body'
      readonly size: number
      readonly start: number
      readonly etag: string
      readonly bytes: AsyncIterable<Uint8Array>
    }
  | { readonly type: 'changed' }
  | { readonly type: 'gone' }
  | Failed

/** One page of a peer's shared files. */
export interface FileList {
  readonly files: readonly SharedFile[]
  /** Whether there are names after the last one given. */
  readonly more: boolean
}

/** The way out of the process. Every call emits its outcome and completes; none errors. */
export interface Transport {
  /** Starts to serve, emits our URL once neighbours can reach us, and stops when unsubscribed. Errors when it cannot start. */
  listen: (inbound: Inbound) => Observable<PeerUrl>
  /** Introduces us and learns what the neighbour speaks. */
  hello: (peer: PeerUrl) => Observable<Greeting>
  ask: (peer: PeerUrl, question: Question) => Observable<Outcome>
  read: (holder: PeerUrl, request: ReadRequest) => Observable<ReadOutcome>
  /** The names that come after `after`, in byte order, a page of them. */
  list: (peer: PeerUrl, after: string) => Observable<FileList | Failed>
}

/** What neighbours may ask of us. */
export interface Inbound {
  /** Somebody gave us a URL: its own, or somebody else's. */
  introduced: (url: PeerUrl) => void
  /** `as` is the spelling under which the caller knows us. Emits one outcome; unsubscribing takes the question back. */
  asked: (question: Question, as: PeerUrl) => Observable<Outcome>
  /** As `asked`, for callers who want the content itself: the file is brought here first, and opened. */
  askedForContent: (
    question: Question,
    as: PeerUrl
  ) => Observable<Outcome | { readonly type: 'opened'; readonly source: Source }>
  /** The book's `fetch`: find the file and keep it, if the secret is right. */
  askedToFetch: (name: string, secret: string) => Observable<'done' | 'missed' | 'denied' | 'failed'>
  /** Opens a shared (or cached) file; errors with a P2pError. */
  open: (name: string) => Promise<Source>
  list: (after: string) => FileList
}

/** The shared folder. */
export interface Library {
  /** The files on offer; replays the present value. */
  readonly file$: Observable<readonly SharedFile[]>
  readonly change$: Observable<{ readonly type: 'file-added' | 'file-removed'; readonly name: string }>
  /** Whether we have it; a bad name is one we do not have. */
  find: (name: string) => Promise<SharedFile | undefined>
  /** Errors with NOT_FOUND or BAD_NAME. */
  open: (name: string) => Promise<Source>
  list: (after: string) => FileList
}

/** Where files gather before they are whole. */
export interface Downloads {
  /** Opens a place for one file. Errors with BAD_NAME, EXISTS, FOLDER or DISK. */
  begin: (offer: Offer, options: { readonly overwrite: boolean }) => Promise<Download>
}

/** One file on its way in. Bytes are appended in order. */
export interface Download {
  /** Bytes kept so far. */
  readonly length: number
  append: (chunk: Uint8Array) => Promise<void>
  /** Throws away what was kept. */
  rewind: () => Promise<void>
  /** Checks size and root (of the offer, where it has one), then puts the file in its place. Errors with INTEGRITY, EXISTS or DISK. */
  finish: (expected: {
    readonly size: number
    readonly root?: string
  }) => Promise<{ readonly path: string; readonly root: string }>
  /** Lets go without putting anything in place; safe after `finish`. */
  abandon: () => Promise<void>
}

/** Files that came from foreign peers for somebody's sake; bounded in bytes, least recently used first out. */
export interface Cache {
  /**
   * Keeps what arrives. Two for one name go one after the other, so that only one of several senders is read at a time.
   * Errors with INTEGRITY, and keeps nothing, when it is not what was expected.
   */
  keep: (
    name: string,
    bytes: AsyncIterable<Uint8Array>,
    expected?: { readonly size: number; readonly root?: string }
  ) => Promise<SharedFile>
  find: (name: string) => SharedFile | undefined
  /** Errors with NOT_FOUND. */
  open: (name: string) => Promise<Source>
}

/** The only time there is: real, or virtual in tests and simulations. */
export interface Clock {
  readonly scheduler: SchedulerLike
}
