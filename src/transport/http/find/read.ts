/** Reads the answer to a find only as fast as it is wanted: what nobody asks for stays in the socket, and so with the neighbour. */
import type { IncomingMessage } from 'node:http'
import { Observable } from 'rxjs'
import type { Finding } from '../../../streams/ports.js'
import { failed } from '../abortable.js'
import { CallFailed } from '../failure.js'
import { type HttpLimits, LINGER_MS, MAX_BAD_HITS, MAX_FIND_LINE_BYTES } from '../limits.js'
import { createLineReader, type FoundLine } from './answer-lines.js'
import { createLines } from './lines.js'

/** Its time is over, and it had more to say. */
export const LATE: Finding = { type: 'ended', how: 'late' }

export interface ReadInit {
  /** Of the URLs in our network. */
  readonly scheme: string
  readonly limits: HttpLimits
  /** Time that is left for all of the answer. */
  readonly leftMs: number
}

type Told = Extract<FoundLine, { type: 'found' }>

/** The findings of an answer; unsubscribing closes the connection. */
export function readFind(response: IncomingMessage, { scheme, limits, leftMs }: ReadInit): Observable<Finding> {
  return new Observable((subscriber) => {
    const lines = createLines(MAX_FIND_LINE_BYTES)
    const read = createLineReader(scheme)
    let bad = 0
    let wanted = true
    /** A batch that nobody asked for yet: what is behind the last one may be the end, which nobody has to ask for. */
    let ahead: Told | undefined
    let reading = false
    let over = false
    /** The connection is somebody else's by now. */
    let kept = false

    const end = (last: Finding) => {
      if (over) return
      over = true
      subscriber.next(last)
      subscriber.complete()
    }
    const fail = (error: unknown) => end(failed(error))
    const tell = ({ hits, traces }: Told) => {
      wanted = false
      let asked = false
      const next = () => {
        if (asked) return
        asked = true
        wanted = true
        readOn()
      }
      subscriber.next({ type: 'found', hits, ...(traces.length === 0 ? {} : { traces }), next })
    }
    /** Whether there may be more to read. */
    const readOne = (): boolean => {
      const line = lines.take()
      if (line === undefined) return false
      // Somebody is there.
      if (line === '') return true
      const found = read(line)
      if (found === undefined) throw new CallFailed('nonsense', 'a line of its answer has not the agreed form')
      if (found.type === 'ended') {
        letGo()
        end(found)
        return false
      }
      bad += found.bad
      if (bad > MAX_BAD_HITS) throw new CallFailed('nonsense', `over ${MAX_BAD_HITS} hits are none`)
      if (found.hits.length > 0 || found.traces.length > 0) ahead = found
      return true
    }
    /** A loop, as whoever reads may want more from within. The socket is read from when there is no line left. */
    const readOn = () => {
      if (reading) return
      reading = true
      try {
        for (let more = true; more && !over && !subscriber.closed; ) {
          if (ahead === undefined) more = readOne()
          else if (wanted) {
            const found = ahead
            ahead = undefined
            tell(found)
          } else more = false
        }
      } catch (error) {
        fail(error)
      }
      reading = false
      if (over) return
      if (ahead !== undefined) response.pause()
      else if (response.isPaused()) {
        silence.refresh()
        response.resume()
      }
    }
    /** What is behind the last line is only the end, after which the connection can be used again. */
    const letGo = () => {
      response.off('data', take)
      response.on('data', () => response.destroy())
      const linger = setTimeout(() => response.destroy(), LINGER_MS)
      response.once('close', () => clearTimeout(linger))
      response.resume()
      kept = true
    }
    const take = (chunk: Buffer) => {
      silence.refresh()
      lines.push(chunk)
      readOn()
    }
    const { findIdleTimeoutMs } = limits
    // While nobody wants more, the neighbour cannot be blamed for saying nothing.
    const silence = setTimeout(() => {
      if (response.isPaused()) silence.refresh()
      else fail(new CallFailed('timed-out', `it said nothing for ${findIdleTimeoutMs} ms`))
    }, findIdleTimeoutMs)
    const deadline = setTimeout(() => end(LATE), leftMs)
    const broken = () => fail(new CallFailed('reset', 'the answer broke off before its end'))
    response.once('end', broken)
    response.once('error', broken)
    response.once('close', broken)
    response.on('data', take)
    return () => {
      over = true
      clearTimeout(silence)
      clearTimeout(deadline)
      if (!kept) response.destroy()
    }
  })
}
