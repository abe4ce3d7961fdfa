/** From a POST to an answered call: body, limits, and which bad call gets which answer. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { PeerUrl } from '../../streams/ports.js'
import { decodeCall, encodeFault } from '../xmlrpc/codec.js'
import { type Door, dispatch } from '../xmlrpc/serve.js'
import { XmlRpcError } from '../xmlrpc/xmlrpc-error.js'
import { createAnswer } from './answer.js'
import { readBody, refuseBody } from './body.js'
import { callerAddress, isFromHere, mayName } from './caller-address.js'
import type { HttpLimits } from './limits.js'
import type { Pace } from './pace.js'
import { refuse } from './refuse.js'

const OTHER_FAULT = 1

/**
 * Serves the calls of one path. `running` and `pace` are shared by all of them: it is the peer that is overloaded, not a
 * path. Without a pace calls may come as fast as they can.
 */
export function createCallHandler(door: Door, limits: HttpLimits, running: { count: number }, pace?: Pace) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let body: Buffer
    try {
      body = await readBody(request, limits.maxBodyBytes)
    } catch (error) {
      refuseBody(request, response, error, tooBig(limits.maxBodyBytes))
      return
    }
    const { socket } = request
    const caller = { address: callerAddress(socket), isHere: isFromHere(socket) }
    const turn = pace?.turn(caller)
    if (turn !== undefined && !(await turn)) {
      createAnswer(response, limits).end(door.overloaded)
      return
    }
    let call: ReturnType<typeof decodeCall>
    try {
      call = decodeCall(body)
    } catch (error) {
      if (!(error instanceof XmlRpcError)) throw error
      if (error.kind === 'not-xmlrpc') refuse(response, 400)
      else createAnswer(response, limits).end(encodeFault(OTHER_FAULT, error.message))
      return
    }
    const names = {
      mayName: (url: PeerUrl) => mayName(socket, url),
      mayIntroduce: (url: PeerUrl) => mayName(socket, url) && (pace?.mayIntroduce(caller) ?? true)
    }
    const answer = createAnswer(response, limits, names)
    if (running.count >= limits.maxRunningCalls) {
      answer.end(door.overloaded)
      return
    }
    running.count++
    try {
      await dispatch(door, call, answer)
    } catch {
      // Only a broken connection comes here, or a file that changed while its head was already out.
      response.destroy()
    } finally {
      running.count--
    }
  }
}

/** Who calls understands a fault; a status would look like another program. */
const tooBig = (maxBytes: number) => (response: ServerResponse) => {
  const fault = encodeFault(OTHER_FAULT, `A call has at most ${maxBytes} bytes.`)
  response.writeHead(200, { 'Content-Type': 'text/xml', 'Content-Length': fault.length, Connection: 'close' })
  response.write(fault)
}
