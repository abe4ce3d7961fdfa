/** Every bound of the HTTP transport, with its reason. */

/** Bounds that a test, or an embedder with unusual neighbours, may want to move. Times in milliseconds, sizes in bytes. */
export interface HttpLimits {
  /** From connecting (or the last answer) to the end of a request's head: ends Slowloris, harms no real client. */
  readonly headersTimeoutMs: number
  /** To the end of a request's body: 1 MiB at 35 KB/s. */
  readonly requestTimeoutMs: number
  /** How long an idle connection is kept: long enough for the next query, short enough to hold few sockets. */
  readonly keepAliveTimeoutMs: number
  /** How long a reader of an answer may take no byte at all. */
  readonly slowReaderTimeoutMs: number
  /** The whole head of a request or an answer; calls need a few hundred bytes, a long name on the data plane 12 KiB. */
  readonly maxHeaderBytes: number
  /** Header lines of a request; a browser sends about 20. */
  readonly maxHeaders: number
  /** A call's body, as sent and once more after gunzip: a name and a history fit a hundred times over. */
  readonly maxBodyBytes: number
  /** Open connections: half of the usual 1,024 files a process may open. */
  readonly maxConnections: number
  /**
   * Of these from one address, loopback included: one neighbour cannot take all places. More than `maxRunningCalls`, so that
   * many peers behind one address hear fault 100 and not a reset, for which a Python peer would drop us (WIRE W11).
   */
  readonly maxConnectionsPerAddress: number
  /** Requests on one connection: makes a connection that never ends impossible. */
  readonly maxRequestsPerSocket: number
  /** Calls being answered at once; one more hears fault 100, which costs us no neighbour (WIRE W11). */
  readonly maxRunningCalls: number
  /** Calls from one address, over time; ten times as many from this machine. File bytes and hashes do not count. */
  readonly callsPerSecond: number
  /** How long a foreign caller's query may run; with the grace below it has an answer within 5 s (WIRE W5). */
  readonly foreignDeadlineMs: number
  /** To a TCP connection: a neighbour further away than this is of no use within a query's deadline. */
  readonly connectTimeoutMs: number
  /** From asking for a file's bytes to the head of the answer: the holder only opens a file. */
  readonly dataHeadTimeoutMs: number
  /** Between two pieces of an answer's body, counted only while we wait for one. */
  readonly idleTimeoutMs: number
  /** A find that has nothing to tell says so this often, with an empty line. */
  readonly findHeartbeatMs: number
  /** How long the answer to a find may be silent: three empty lines. */
  readonly findIdleTimeoutMs: number
  /** How long whoever asked may leave lines unread: longer than for other answers, as its own reader may be slow, too. */
  readonly findSlowReaderTimeoutMs: number
}

export const DEFAULT_LIMITS: HttpLimits = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 5_000,
  slowReaderTimeoutMs: 20_000,
  maxHeaderBytes: 16_384,
  maxHeaders: 100,
  maxBodyBytes: 1_048_576,
  maxConnections: 512,
  maxConnectionsPerAddress: 384,
  maxRequestsPerSocket: 10_000,
  maxRunningCalls: 256,
  callsPerSecond: 2_000,
  foreignDeadlineMs: 4_500,
  connectTimeoutMs: 2_000,
  dataHeadTimeoutMs: 10_000,
  idleTimeoutMs: 10_000,
  findHeartbeatMs: 10_000,
  findIdleTimeoutMs: 30_000,
  findSlowReaderTimeoutMs: 60_000
}

/** What a query may take beyond its own deadline before the server answers for it. */
export const DEADLINE_GRACE_MS = 250
/** Part of its time a question must still have when its turn comes: with less, silence is no fault of the neighbour's. */
export const FAIR_PART = 0.5
/** Longest deadline a p2p-rx caller may set: a question holds a place and a socket at every hop. */
export const MAX_DEADLINE_MS = 30_000
/** A call that takes long sends a line feed this often; well below `idleTimeoutMs`, so that the caller keeps waiting. */
export const HEARTBEAT_MS = 3_000
/** How long the rest of a refused body is read and dropped, so that its sender gets to see the answer before the reset. */
export const LINGER_MS = 500
/** Body of an answer on the control plane but for a page of files: an offer with 64 holders is 20 KB. */
export const MAX_ANSWER_BYTES = 1_048_576
/** Kept-alive control connections to one p2p-rx neighbour; far below its `maxConnectionsPerAddress`. */
export const MAX_CONTROL_SOCKETS_PER_PEER = 32
/** Connections for file bytes to one holder: more share one disk and one link anyway. */
export const MAX_DATA_SOCKETS_PER_PEER = 16
/** Kept-alive connections over all neighbours and per plane. */
export const MAX_SOCKETS = 256
/** Idle ones among them, per neighbour. */
export const MAX_FREE_SOCKETS_PER_PEER = 4
/** Content has to come at this pace at least, per `idleTimeoutMs`: 1.6 KB/s, slower than any line worth waiting for. */
export const LEAST_CONTENT_BYTES = 16_384
/** Longest time a caller may wait for a root: 1 GiB is hashed in about a second, and who wants more asks again. */
export const MAX_ROOT_WAIT_MS = 30_000
/** Callers that wait for roots at once; each holds a connection. Others are answered at once. */
export const MAX_ROOT_WAITS = 64
/** Reads known to be this short share a connection, one behind the other: their answers are sent faster than asked for. */
export const SHORT_READ_BYTES = 262_144
/** Connections to one holder that short reads share, and how many of them may be under way on each. */
export const MAX_PIPELINE_SOCKETS_PER_PEER = 4
export const MAX_PIPELINED = 16
/** Reads that wait for a connection to one holder; who wants more has lost count of them. */
export const MAX_WAITING_READS = 4_096
/** Files this small, and hashes, are served to everybody at once: waiting would take longer than serving them. */
export const FREE_BYTES = 65_536
/** A read of the holder's disk, and buffers of that size per answer: one is sent, one waits its turn, one is filled. */
export const SEND_BYTES = 524_288
export const SEND_BUFFERS = 3
/** Such buffers lent out at once, 32 MiB of them; answers beyond that make do with less. */
export const MAX_LENT_BUFFERS = 64
/** Of these to one address: eight answers, so that nobody has all by not reading. */
export const MAX_LENT_BUFFERS_PER_ADDRESS = 24
/** What those make do with, one each: with a connection each, 16 MiB for all. */
export const SPARE_BYTES = 32_768
/** A find as it is asked: a pattern, six URLs of a history, and hundreds of those who are asked at the same time. */
export const MAX_FIND_BODY_BYTES = 65_536
/** One line of its answer, line feed included: many hits with usual names, one with the longest name and all its lines. */
export const MAX_FIND_LINE_BYTES = 65_536
/** URLs that the hits of one line have between them: a line of hits with many holders becomes several. */
export const MAX_URLS_PER_LINE = 128
/** Hits of an answer that are not as they have to be: some may be another program's idea of a name, more are malice. */
export const MAX_BAD_HITS = 1_000
/** Finds that are open at once, and those among them that stay open: each holds a connection, at every hop. */
export const MAX_FINDS = 128
export const MAX_STANDING_FINDS = 64
/** The same of one address or member: a peer passes on what it is asked and has some of its own. */
export const MAX_FINDS_PER_CALLER = 32
export const MAX_STANDING_FINDS_PER_CALLER = 8
/** Finds that we have open with neighbours; each holds a socket. One of them is kept for later for each neighbour. */
export const MAX_OPEN_FINDS = 256
