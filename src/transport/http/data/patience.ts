/** How long each phase of a connection may take, and what is said when it took longer. */
import { CallFailed } from '../failure.js'

export interface PatienceInit {
  /** How long the present phase may take. */
  readonly allowedMs: () => number
  /** Whether it is not the other side that is slow. */
  readonly isExcused: () => boolean
  /** The phase is to begin anew. */
  readonly onExcused: () => void
  readonly onLate: (allowedMs: number) => void
}

/** One timer that is looked at now and then: a new one for each piece would cost more than reading it. */
export class Patience {
  readonly #init: PatienceInit
  #timer: NodeJS.Timeout | undefined
  /** When the present phase has taken too long, and when that is looked at next. */
  #dueAtMs = Infinity
  #looksAtMs = Infinity

  constructor(init: PatienceInit) {
    this.#init = init
  }

  /** The phase begins, or begins anew. */
  restart(): void {
    this.#dueAtMs = performance.now() + this.#init.allowedMs()
    if (this.#dueAtMs < this.#looksAtMs) this.#lookAt(this.#dueAtMs)
  }

  end(): void {
    clearTimeout(this.#timer)
  }

  #lookAt(atMs: number): void {
    clearTimeout(this.#timer)
    this.#looksAtMs = atMs
    // The socket alone says whether the process has to stay.
    this.#timer = setTimeout(() => this.#look(), Math.max(1, atMs - performance.now())).unref()
  }

  #look(): void {
    this.#looksAtMs = Infinity
    if (this.#init.isExcused()) this.#init.onExcused()
    else if (performance.now() < this.#dueAtMs) this.#lookAt(this.#dueAtMs)
    else this.#init.onLate(this.#init.allowedMs())
  }
}

/** The other side, or whoever asked, let a phase take too long. */
export function late(phase: 'connecting' | 'idle' | 'head' | 'body', allowedMs: number, bytes: number): CallFailed {
  const details = {
    connecting: `connecting took over ${allowedMs} ms`,
    idle: 'nobody asked any more',
    head: `the answer took over ${allowedMs} ms`,
    body: `too slow: ${bytes} bytes in ${allowedMs} ms`
  }
  return new CallFailed('timed-out', details[phase])
}
