/** From a POST to the last line of a find: who may ask, and what is found on its way out at the pace of whoever asked. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { defer } from 'rxjs'
import type { Inbound, PeerUrl, Search } from '../../../streams/ports.js'
import { readBody, refuseBody } from '../body.js'
import { callerId } from '../caller.js'
import { callerAddress, isFromHere } from '../caller-address.js'
import { type HttpLimits, MAX_FIND_BODY_BYTES } from '../limits.js'
import type { Pace } from '../pace.js'
import { refuse } from '../refuse.js'
import { endLine } from './answer-lines.js'
import { BadSearch, decodeSearch, FIND_TYPE, FOUND_TYPE, isOfType } from './message.js'
import { createOpenFinds } from './open-finds.js'
import { pour } from './pour.js'

export interface FindHandlerInit {
  readonly searched: NonNullable<Inbound['searched']>
  /** The spelling under which our own kind knows us. */
  readonly as: () => PeerUrl
  readonly limits: HttpLimits
  /** Calls of all kinds that are being answered. A find is none of them, but when there are too many we look for nothing. */
  readonly running: { readonly count: number }
  readonly pace: Pace
}

export function createFindHandler({ searched, as, limits, running, pace }: FindHandlerInit) {
  const finds = createOpenFinds()

  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (!isOfType(request.headers['content-type'], FIND_TYPE)) {
      refuse(response, 415, {}, true, `A find is ${FIND_TYPE}`)
      return
    }
    let body: Buffer
    try {
      body = await readBody(request, MAX_FIND_BODY_BYTES)
    } catch (error) {
      refuseBody(request, response, error, tooBig)
      return
    }
    const { socket } = request
    const address = callerAddress(socket)
    const turn = pace.turn({ address, isHere: isFromHere(socket) })
    if (turn !== undefined && !(await turn)) {
      decline(response)
      return
    }
    let search: Search
    try {
      search = decodeSearch(body)
    } catch (error) {
      if (!(error instanceof BadSearch)) throw error
      refuse(response, 400, {}, false, error.message)
      return
    }
    if (response.destroyed) return
    const isOverloaded = running.count >= limits.maxRunningCalls
    const leave = isOverloaded ? undefined : finds.enter(callerId(request) ?? address, search.standing === true)
    if (leave === undefined) {
      decline(response)
      return
    }
    // A find that is over while its last lines are still on their way holds a connection, too.
    response.once('close', leave)
    response.writeHead(200, { 'Content-Type': FOUND_TYPE, ...PLAIN })
    // Whoever asked learns that we look, whether there is something to tell or not.
    response.flushHeaders()
    const finding$ = defer(() => searched(search, as()))
    pour(response, finding$, search.deadlineMs, limits)
  }
}

const PLAIN = { 'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-store' }

/** Also for whoever asks too much: a neighbour that declines stays one. */
function decline(response: ServerResponse): void {
  const line = `${endLine('declined')}\n`
  response.writeHead(200, { 'Content-Type': FOUND_TYPE, ...PLAIN, 'Content-Length': line.length })
  response.end(line)
}

function tooBig(response: ServerResponse): void {
  const text = `A find has at most ${MAX_FIND_BODY_BYTES} bytes\n`
  response.writeHead(413, { 'Content-Type': 'text/plain', 'Content-Length': text.length, Connection: 'close' })
  response.write(text)
}
