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
  /** Who passed the offer on, and will pass the bytes on to whom cannot reach a holder. */
  readonly relays?: readonly PeerUrl[]
}

/** Somebody to get a content from: one who has it, or one who passes it on when no holder can be reached. */
export interface Found {
  readonly type: 'holder' | 'relay'
  readonly url: PeerUrl
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
  /**
   * Asks for everybody who has the content with this root, whatever its name there, instead of the first who has the name.
   * The answer comes when all have been heard, or the time is over. Foreign peers are not asked.
   */
  readonly root?: string
  /** Time the asker still waits, in milliseconds, counted from the moment the question is handed over. */
  readonly deadlineMs: number
}

/** Why a neighbour could not be used. `reset` alone is worth one more try at once: the connection broke before an answer. */
export type FailureReason =
  | 'refused'
  /** Its name leads to no address. */
  | 'no-name'
  /** No way leads to its address. */
  | 'no-route'
  | 'reset'
  | 'timed-out'
  | 'not-a-peer'
  | 'nonsense'
  | 'ourselves'
  /** It speaks in the clear where members of private networks speak TLS. */
  | 'no-tls'
  /** It is no member of our private network, or we are none of its. */
  | 'other-network'
  /** It has not the id that was there at first contact. */
  | 'other-id'
  /** We do not talk to whoever has this id. */
  | 'unwanted'

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
export type Greeting =
  | ({ readonly type: 'greeted'; readonly dialect: Dialect; readonly roundTripMs: number } & Partial<Contact> & {
        /** Its id is that of the key it has shown; otherwise it is only what it says. */
        readonly proven?: boolean
        /** By how much its clock differs from ours, if that is more than the time the answer took could explain. */
        readonly clockAheadMs?: number
      })
  | Failed

/** A peer as others tell of it. */
export interface Contact {
  /** Names it for good, wherever it is reached; absent where it has none. */
  readonly id?: string
  /** Where it may be reached, the best guess first. */
  readonly urls: readonly PeerUrl[]
}

/** What came of asking a neighbour whom it knows. */
export type ContactsOutcome = { readonly type: 'contacts'; readonly contacts: readonly Contact[] } | Failed

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
  /** Reads into memory that the caller lends; fewer bytes only at the end. Throws when the file is no longer what it was. */
  readAt?: (memory: Uint8Array, position: number) => Promise<number>
  close: () => Promise<void>
}

/**
 * Memory that a reader brings along, so that bytes go from the socket to where they are wanted without a copy on the
 * way. Called with 0 for the first bytes of a body, then after each stretch with how much of the last memory was filled;
 * gives where the next bytes belong, never empty before the body has ended.
 */
export type Memory = (filledBytes: number) => Uint8Array

/** What to read from a holder. */
export interface ReadRequest {
  readonly name: string
  /** Whatever the holder has with this root, under whatever name; `name` then only tells people what it is. */
  readonly root?: string
  /** Where to put the bytes. The chunks of the body are then views of this memory, where the transport can do that. */
  readonly memory?: Memory
  /** First byte wanted. */
  readonly start: number
  /** First byte no longer wanted; the end of the file when absent. */
  readonly end?: number
  /** The content must still be this one (an etag); otherwise the holder answers with `changed`. */
  readonly etag?: string
  /** We pass it on to somebody else: a holder answers with what it has itself, so that nothing goes in circles. */
  readonly passed?: boolean
}

/** How a holder took a read. `body` is emitted once its head is here; the stream stays open until its bytes have been read or it is unsubscribed. */
export type ReadOutcome =
  /** The holder serves others first; we stand at this place of its queue, the first is 1. Others follow. */
  | { readonly type: 'queued'; readonly position: number }
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

/**
 * Hashes out of the tree of one content, as BEP 52 asks for them (its message "hash request"): `length` hashes of a layer,
 * beginning with number `index`, and behind them the uncles of the next `proofLayers` layers, lowest first.
 */
export interface HashRequest {
  readonly root: string
  /** Height above the leaves, which are the hashes of blocks of 16 KiB: 0 is the leaves, 6 the pieces of 1 MiB. */
  readonly layer: number
  /** A multiple of `length`. */
  readonly index: number
  /** A power of two. */
  readonly length: number
  readonly proofLayers: number
  /** As of a {@link ReadRequest}. */
  readonly passed?: boolean
}

/** How a holder took a request for hashes: 32 bytes each. */
export type HashesOutcome = { readonly type: 'hashes'; readonly bytes: Uint8Array } | { readonly type: 'gone' } | Failed

/** What a holder says of the root of a file. */
export type RootOutcome =
  | { readonly type: 'root'; readonly root: string; readonly size: number }
  /** It has the file and has not hashed it yet. */
  | { readonly type: 'unknown' }
  | { readonly type: 'gone' }
  | Failed

/** What to look for. */
export interface Pattern {
  /** `words`: all of them occur, in any case of letters; `name`: this very name; `regex`: as RE2 understands it, found anywhere. */
  readonly kind: 'words' | 'glob' | 'regex' | 'name'
  readonly text: string
  /** In the lines of text files, where their owner allows it, instead of in names. Words and regex only; all words in one line. */
  readonly content?: boolean
}

/** A line of a text file that fits. */
export interface MatchedLine {
  /** The first is 1. */
  readonly number: number
  /** What fits is in it; a long line is cut. */
  readonly text: string
}

/** A file of a share that fits. */
export interface Match extends SharedFile {
  readonly lines?: readonly MatchedLine[]
}

/** Some that fit. There may be millions: no more come before `next` was called, once. */
export interface Matches {
  readonly files: readonly Match[]
  readonly next: () => void
}

/** One copy of a find on its way. History, id and `asking` as of a {@link Question}. */
export interface Search {
  readonly pattern: Pattern
  readonly history: readonly PeerUrl[]
  readonly id: string
  readonly asking: readonly PeerUrl[]
  /** Hits that are wanted at most. */
  readonly limit: number
  readonly deadlineMs: number
  /** Goes on when all that is there has been told: what comes later is told then, until the deadline. */
  readonly standing?: boolean
  /** Wants to hear of every call. */
  readonly trace?: boolean
}

/** A file somewhere that fits. */
export interface Hit {
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** Names its content; absent while nobody has hashed it. */
  readonly root?: string
  readonly holders: readonly PeerUrl[]
  /** Who passed the hit on, and will pass the bytes on to whom cannot reach a holder. */
  readonly relays?: readonly PeerUrl[]
  /** Calls between the asker and the nearest holder: 0 is the asker's own. */
  readonly hops: number
  readonly lines?: readonly MatchedLine[]
}

/** How one call of a find ended, told by whoever made it. */
export interface Trace {
  readonly from: PeerUrl
  readonly to: PeerUrl
  /** Peers that took part before `from`: 0 is the asker. */
  readonly depth: number
  /** `seen`: it had this find already from somebody else; `declined`: it would not look, or had no room. */
  readonly outcome: 'answered' | 'missed' | 'seen' | 'declined' | 'timed-out' | 'failed' | 'taken-back'
  readonly hits: number
  readonly tookMs: number
  /** Why it failed. */
  readonly detail?: string
}

/** What a neighbour says to a find. Failures are values here, too; `ended` and `failed` are last. */
export type Finding =
  /** What a neighbour made up has been sorted out, see `believedHits`. No more come before `next` was called, once. */
  | {
      readonly type: 'found'
      readonly hits: readonly Hit[]
      readonly traces?: readonly Trace[]
      readonly next: () => void
    }
  /** All of what it has to say was said; `seen` and `declined` as of a {@link Trace}. */
  | { readonly type: 'ended'; readonly how: 'all' | 'seen' | 'declined' | 'late' }
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
  hashes: (holder: PeerUrl, request: HashRequest) => Observable<HashesOutcome>
  /** Asks for the root of a file, and waits up to `waitMs` while the holder hashes it. */
  rootOf: (holder: PeerUrl, name: string, waitMs: number) => Observable<RootOutcome>
  /** The names that come after `after`, in byte order, a page of them. */
  list: (peer: PeerUrl, after: string) => Observable<FileList | Failed>
  /** Asks for everything that fits. Absent where peers cannot be asked for patterns. */
  find?: (peer: PeerUrl, search: Search) => Observable<Finding>
  /** Whom the neighbour knows. Absent where peers are not told of each other. */
  contacts?: (peer: PeerUrl) => Observable<ContactsOutcome>
  /** Hands the changed secret of our private network to a member. Absent where there is none. */
  handSecret?: (peer: PeerUrl, secret: Uint8Array) => Observable<HandOver>
  /** Ends what is under way and lets go of connections kept for later; afterwards nothing is called any more. */
  close?: () => void
}

/** How a member took the changed secret of its network; `declined`: it would not have it from us. */
export type HandOver = { readonly type: 'taken' } | { readonly type: 'declined' } | Failed

/** What neighbours may ask of us. */
export interface Inbound {
  /** Somebody gave us a URL: its own, or somebody else's. `about` is what a peer of our kind said of itself with it. */
  introduced: (url: PeerUrl, about?: Contact) => void
  /** Whom we know, for a neighbour that asks. Absent where peers are not told of each other. */
  contacts?: () => readonly Contact[]
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
  /** The same of a shared file only. Default: `open`. */
  openShared?: (name: string) => Promise<Source>
  /** The same, whatever its name is, by the root of its content. */
  openRoot: (root: string, passed?: boolean) => Promise<Source>
  /** Errors with NOT_FOUND when we have no such content, and with BAD_CALL when the request makes no sense for it. */
  hashes: (request: HashRequest) => Promise<Uint8Array>
  /** The root of a file, which may take up to `waitMs`; nothing when it is not known by then. Errors as `open`. */
  rootOf: (name: string, waitMs: number) => Promise<string | undefined>
  list: (after: string) => FileList
  /** Resolves once the shared folder has been read a first time. Default: it has. */
  whenListed?: () => Promise<unknown>
  /** Everything that fits, here and behind us; `as` as of `asked`. Never errors; unsubscribing takes the find back. */
  searched?: (search: Search, as: PeerUrl) => Observable<Finding>
  /**
   * The member with this id hands us a changed secret of our private network; whether we took it. Absent where secrets
   * are not taken from others.
   */
  handed?: (secret: Uint8Array, id: string) => Promise<boolean>
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
  /** A file with this content, if there is one and it still has it. */
  findRoot: (root: string) => Promise<SharedFile | undefined>
  openRoot: Inbound['openRoot']
  hashes: Inbound['hashes']
  rootOf: Inbound['rootOf']
  list: (after: string) => FileList
  /**
   * The files that fit, in batches, and the end; with `standing` those that come later too, each when its root is known, and
   * no end. Errors with BAD_PATTERN.
   */
  search?: (pattern: Pattern, options?: { readonly standing?: boolean }) => Observable<Matches>
}

/** What to do when there is a file of that name already. */
export type IfExists = 'refuse' | 'overwrite' | 'rename'

/** Where files gather before they are whole. */
export interface Downloads {
  /**
   * Opens a place for one file; what lies there from an earlier try is kept for `check`. Errors with BAD_NAME, TOO_LARGE,
   * EXISTS, FOLDER, DISK or BUSY.
   */
  begin: (
    offer: Pick<Offer, 'name' | 'size' | 'root'>,
    options: { readonly ifExists: IfExists; readonly into?: string }
  ) => Promise<Download>
}

/** Memory for one piece on its way to the disk. There is a bounded number of them, so each has to be given back. */
export interface PieceMemory {
  readonly bytes: Uint8Array
  readonly release: () => void
}

/** What came of keeping a piece. */
type Kept =
  | { readonly type: 'kept' }
  /** Not what the root promises; nothing was written. The memory is still the caller's. */
  | { readonly type: 'wrong' }

/**
 * One file on its way in, in pieces of 1 MiB that may come in any order. With a root (of the offer, or learnt later) a
 * piece is verified before it is written; `wants` says which hashes that takes. Without, pieces are kept as they come.
 */
export interface Download {
  readonly size: number
  readonly pieces: number
  /** What an earlier try left, if anything: how many bytes, and whether they were of another content. */
  readonly remains: { readonly bytes: number; readonly changed: boolean } | undefined
  /** Waits until there is memory. */
  readonly memory: () => Promise<PieceMemory>
  /** The same, at once or not at all. */
  readonly memoryNow: () => PieceMemory | undefined
  /** The hashes that are missing to verify a piece; nothing when it can be verified, or when there is no root. */
  readonly wants: (piece: number) => HashRequest | undefined
  /** Takes hashes in, if the root vouches for them. */
  readonly learn: (request: HashRequest, bytes: Uint8Array) => boolean
  /** Writes a piece if it is right. When it was, or when it fails, the memory is given back. Errors with DISK. */
  readonly keep: (piece: number, memory: PieceMemory) => Promise<Kept>
  /** Which hashes tell the wrong blocks of a piece from the right ones. */
  readonly wantsBlocks: (piece: number) => HashRequest
  /** The wrong blocks of a piece in memory, as ranges of the file in bytes; nothing when the hashes are not those of the piece. */
  readonly wrongBlocks: (
    piece: number,
    memory: PieceMemory,
    hashes: Uint8Array
  ) => readonly { readonly start: number; readonly end: number }[] | undefined
  /** Looks for pieces that an earlier try left: what is on the disk is verified, not trusted. */
  readonly check: () => AsyncIterable<number>
  /** Throws away what was kept. */
  readonly rewind: () => Promise<void>
  /** Puts the whole file in its place. Errors with INTEGRITY (when it has not the root it was begun with, or this one), EXISTS, FOLDER or DISK. */
  readonly finish: (root?: string) => Promise<{ readonly path: string; readonly root: string }>
  /** Lets go without putting anything in place; what was kept stays for the next try unless `forget`. Safe after `finish`. */
  readonly abandon: (options?: { readonly forget?: boolean }) => Promise<void>
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
  /** The same by content, as of the {@link Library}. */
  findRoot: (root: string) => SharedFile | undefined
  openRoot: Inbound['openRoot']
  hashes: Inbound['hashes']
}

/** Who was met where at first contact, for as long as the peer has its state. An address is `https://HOST:PORT`. */
export interface Pins {
  readonly get: (address: string) => string | undefined
  readonly set: (address: string, id: string) => void
  /** Whoever is met there next is taken for whom he is. */
  readonly forget: (address: string) => void
}

/** What the local network told of peers like us. */
export type Sighting =
  | { readonly type: 'found'; readonly contact: Contact }
  /** It carries nothing now; the peer goes on without. */
  | { readonly type: 'unavailable'; readonly detail: string }

/** Those nearby, who can be found without being named. */
export interface Neighbourhood {
  /**
   * Tells those nearby that we listen at this URL's port, and emits those who do the same; unsubscribing takes it back.
   * What it finds is anybody's claim. Never errors.
   */
  readonly meet: (own: PeerUrl) => Observable<Sighting>
}

/** The only time there is: real, or virtual in tests and simulations. */
export interface Clock {
  readonly scheduler: SchedulerLike
}
