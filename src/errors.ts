/**
 * What can go wrong, as the person at the terminal, the embedding program and the wire each see it.
 * One row per code: match on `code`, it is stable; the texts may get better.
 */

interface ErrorRow {
  /** Exit code of the command line. */
  readonly exitCode: number
  /** XML-RPC fault that tells a caller the same: 100 and 200 are the book's (Listing 27-2), 1 is what a Python server says of any other exception. */
  readonly faultCode: number
  /** What to do next, where there is something to do whatever the case. */
  readonly advice: string
}

const UNHANDLED = 100
const ACCESS_DENIED = 200
const OTHER_FAULT = 1

const ROWS = {
  USAGE: { exitCode: 2, faultCode: OTHER_FAULT, advice: 'Run `p2p-rx help` to see what can be said.' },
  BAD_URL: { exitCode: 2, faultCode: OTHER_FAULT, advice: 'A peer is named like http://127.0.0.1:4242.' },
  BAD_INVITE: {
    exitCode: 2,
    faultCode: OTHER_FAULT,
    advice: 'Copy the whole line that `p2p-rx invite` printed, from p2prx:// to its end.'
  },
  OWN_ALIAS: { exitCode: 2, faultCode: OTHER_FAULT, advice: 'Name other peers only.' },
  BAD_NAME: {
    exitCode: 4,
    faultCode: ACCESS_DENIED,
    advice: 'Name a file by its path inside the share, like notes/todo.txt.'
  },
  BAD_PATTERN: {
    exitCode: 2,
    faultCode: OTHER_FAULT,
    advice: 'Say some words, a glob like *.pdf, or a regular expression with --regex.'
  },
  NOT_FOUND: { exitCode: 3, faultCode: UNHANDLED, advice: 'Check the spelling, or ask more peers.' },
  DENIED: { exitCode: 4, faultCode: ACCESS_DENIED, advice: 'Check the secret or the rights.' },
  FOLDER: { exitCode: 9, faultCode: OTHER_FAULT, advice: 'Choose another folder or change its rights.' },
  PORT_IN_USE: {
    exitCode: 5,
    faultCode: OTHER_FAULT,
    advice: 'Choose another with --port, or --port 0 for any free one.'
  },
  STATE_IN_USE: {
    exitCode: 5,
    faultCode: OTHER_FAULT,
    advice: 'Use the peer that runs, or name another folder with --state-dir.'
  },
  NETWORK: { exitCode: 5, faultCode: UNHANDLED, advice: 'Check that the peer runs and can be reached.' },
  OTHER_NETWORK: {
    exitCode: 5,
    faultCode: UNHANDLED,
    advice: 'Check that both are in the same private network; after its secret was changed, join it again.'
  },
  OTHER_ID: {
    exitCode: 5,
    faultCode: UNHANDLED,
    advice: 'Ask its owner whether another computer has this address now, or the peer was set up anew.'
  },
  TIMEOUT: { exitCode: 5, faultCode: UNHANDLED, advice: 'Try again later.' },
  BUSY: { exitCode: 5, faultCode: UNHANDLED, advice: 'Try again in a moment.' },
  INTEGRITY: {
    exitCode: 6,
    faultCode: UNHANDLED,
    advice: 'Nothing was kept. Try again, or get it from somebody else.'
  },
  UNFINISHED: { exitCode: 7, faultCode: UNHANDLED, advice: 'Try again later.' },
  DISK: { exitCode: 9, faultCode: UNHANDLED, advice: 'Make room or choose another folder.' },
  TOO_LARGE: { exitCode: 9, faultCode: UNHANDLED, advice: 'A file may have up to 2 TiB.' },
  EXISTS: { exitCode: 13, faultCode: OTHER_FAULT, advice: 'Use --overwrite to replace it.' },
  CLOSED: { exitCode: 1, faultCode: UNHANDLED, advice: 'Create a new peer.' },
  BAD_CALL: { exitCode: 1, faultCode: OTHER_FAULT, advice: 'Send what docs/protocol.md describes.' },
  OTHER: { exitCode: 1, faultCode: OTHER_FAULT, advice: 'This looks like a bug of p2p-rx; please report it.' }
} as const satisfies Record<string, ErrorRow>

/** The stable name of what went wrong. */
export type ErrorCode = keyof typeof ROWS

/**
 * The one error class of p2p-rx.
 *
 * @example
 * ```ts
 * peer.fetch('fooo').subscribe({ error: (error) => console.log(error.code, error.message) })
 * // NOT_FOUND Couldn't find the file fooo
 * ```
 */
export class P2pError extends Error {
  override readonly name = 'P2pError'
  /** Stable; match on this. */
  readonly code: ErrorCode
  /** One sentence: what to do next. */
  readonly advice: string

  constructor(
    code: ErrorCode,
    message: string,
    { advice = ROWS[code].advice, cause }: { advice?: string; cause?: unknown } = {}
  ) {
    super(message, { cause })
    this.code = code
    this.advice = advice
  }

  /** The exit code with which the command line ends on this error. */
  get exitCode(): number {
    return ROWS[this.code].exitCode
  }

  /** The XML-RPC fault that says the same on the wire. */
  get faultCode(): number {
    return ROWS[this.code].faultCode
  }
}

/** Anything that was thrown, as a {@link P2pError}; what is not known yet becomes `otherwise`. */
export function asP2pError(thrown: unknown, otherwise: ErrorCode = 'OTHER'): P2pError {
  if (thrown instanceof P2pError) return thrown
  const { code } = (thrown ?? {}) as { code?: unknown }
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  const known = typeof code === 'string' ? OF_SYSTEM_CODE[code] : undefined
  return new P2pError(known ?? otherwise, message, { cause: thrown })
}

const OF_SYSTEM_CODE: Partial<Record<string, ErrorCode>> = {
  ENOSPC: 'DISK',
  EDQUOT: 'DISK',
  EIO: 'DISK',
  EROFS: 'DISK',
  EMFILE: 'DISK',
  ENFILE: 'DISK',
  EACCES: 'FOLDER',
  EPERM: 'FOLDER',
  ENOTDIR: 'FOLDER',
  EEXIST: 'EXISTS',
  ENOENT: 'NOT_FOUND',
  EADDRINUSE: 'PORT_IN_USE',
  ECONNREFUSED: 'NETWORK',
  ECONNRESET: 'NETWORK',
  EHOSTUNREACH: 'NETWORK',
  ENETUNREACH: 'NETWORK',
  ENOTFOUND: 'NETWORK',
  EPIPE: 'NETWORK',
  ETIMEDOUT: 'TIMEOUT'
}
