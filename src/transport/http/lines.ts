/**
 * Requests that stand in line on one connection. Their answers go out in the order of the requests, so whatever is
 * prepared for the second before the first is gone is only held. And when the connection breaks, Node never says so of an
 * answer that had not begun to go out: what it held would be held for ever.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Answers prepared before their turn, on all connections together: 16 MiB of small ones, a descriptor for each of the others. */
const MAX_AHEAD = 256

/** What one request has to wait for. Each gives nothing when there is nothing to wait for, and false when nobody will read the answer. */
export interface Turn {
  /** Until all answers before this one have gone out. */
  readonly first: () => Promise<boolean> | undefined
  /** The same, or until there is room to prepare it: nobody has to wait as long as few are held. */
  readonly ahead: () => Promise<boolean> | undefined
}

/** One connection. */
interface Line {
  /** Answers that have not gone out, in order. */
  readonly answers: ServerResponse[]
  readonly waiting: Map<ServerResponse, (alive: boolean) => void>
  /** Answers prepared before their turn. */
  readonly ahead: Set<ServerResponse>
}

/** The lines of all connections of a peer. */
export function createLines(): (request: IncomingMessage, response: ServerResponse) => Turn {
  const lines = new WeakMap<Socket, Line>()
  let ahead = 0

  function leave(line: Line, response: ServerResponse): void {
    line.answers.splice(line.answers.indexOf(response), 1)
    if (line.ahead.delete(response)) ahead--
    const [next] = line.answers
    if (next !== undefined) line.waiting.get(next)?.(true)
  }

  function lineOf(socket: Socket): Line {
    const known = lines.get(socket)
    if (known !== undefined) return known
    const line: Line = { answers: [], waiting: new Map(), ahead: new Set() }
    lines.set(socket, line)
    socket.once('close', () => {
      ahead -= line.ahead.size
      line.ahead.clear()
      for (const tell of [...line.waiting.values()]) tell(false)
    })
    return line
  }

  return ({ socket }, response) => {
    const line = lineOf(socket)
    line.answers.push(response)
    response.once('close', () => leave(line, response))
    const isNext = () => line.answers[0] === response

    const first = () => {
      if (isNext()) return undefined
      if (socket.destroyed) return Promise.resolve(false)
      return new Promise<boolean>((resolve) => {
        line.waiting.set(response, (alive) => {
          line.waiting.delete(response)
          // The end of an answer may be that of its connection.
          resolve(alive && !socket.destroyed)
        })
      })
    }
    return {
      first,
      ahead() {
        if (isNext()) return undefined
        if (ahead >= MAX_AHEAD || socket.destroyed) return first()
        line.ahead.add(response)
        ahead++
        return undefined
      }
    }
  }
}
