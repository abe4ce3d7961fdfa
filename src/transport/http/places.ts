/** Who holds a connection to us, and who gives one up when there are too many: never somebody who is being answered. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { callerAddress } from './caller-address.js'
import type { HttpLimits } from './limits.js'

/** Requests on one connection that wait for their answers; ours send 16. One more ends the connection. */
const MAX_REQUESTS_AT_ONCE = 64

interface Place {
  readonly socket: Socket
  readonly address: string
  /** The last one that came, until all have been answered. */
  request: IncomingMessage | undefined
  unanswered: number
  /** Something was asked here once, so it is more than a connection that says nothing. */
  proven: boolean
}

export interface Places {
  /** Gives a new connection its place, or ends it when there is none. */
  readonly take: (socket: Socket) => void
  /** Tells of a request. False when there are too many on its connection, which is ended then. */
  readonly use: (request: IncomingMessage, response: ServerResponse) => boolean
  /** Ends them all, those included whose handshake has not ended. */
  readonly endAll: () => void
}

export function createPlaces({ maxConnections, maxConnectionsPerAddress }: HttpLimits): Places {
  /** By address, then by port; who was heard of longest ago comes first. */
  const places = new Map<string, Map<number, Place>>()
  let count = 0

  function remove({ address }: Place, port: number): void {
    const here = places.get(address)
    if (here?.delete(port) !== true) return
    count--
    if (here.size === 0) places.delete(address)
  }

  /** Ends a connection on which nothing is being answered, and says whether there was one. */
  function makeRoom(address: string): boolean {
    const waiting = [...(places.get(address) ?? [])].filter(([, place]) => isWaiting(place))
    const [port, place] = waiting.find(([, { proven }]) => !proven) ?? waiting[0] ?? []
    if (port === undefined || place === undefined) return false
    remove(place, port)
    place.socket.destroy()
    return true
  }

  function crowded(): string {
    let most = ''
    for (const [address, here] of places) if (here.size > (places.get(most)?.size ?? 0)) most = address
    return most
  }

  return {
    take(socket) {
      const address = callerAddress(socket)
      const port = socket.remotePort ?? 0
      const own = places.get(address)?.size ?? 0
      const roomy = own >= maxConnectionsPerAddress ? makeRoom(address) : count < maxConnections || makeRoom(crowded())
      if (!roomy) {
        socket.destroy()
        return
      }
      const place: Place = { socket, address, request: undefined, unanswered: 0, proven: false }
      const here = places.get(address) ?? new Map<number, Place>()
      places.set(address, here.set(port, place))
      count++
      socket.once('close', () => {
        // The number may be somebody else's by now.
        if (places.get(address)?.get(port) === place) remove(place, port)
      })
    },

    use(request, response) {
      const { socket } = request
      const port = socket.remotePort ?? 0
      const here = places.get(callerAddress(socket))
      const place = here?.get(port)
      if (here === undefined || place === undefined) return true
      if (place.unanswered >= MAX_REQUESTS_AT_ONCE) {
        socket.destroy()
        return false
      }
      const heardOf = () => {
        if (here.get(port) !== place) return
        here.delete(port)
        here.set(port, place)
      }
      heardOf()
      place.proven = true
      place.request = request
      place.unanswered++
      response.once('close', () => {
        place.unanswered--
        if (place.unanswered === 0) place.request = undefined
        heardOf()
      })
      return true
    },

    endAll() {
      for (const here of [...places.values()]) for (const { socket } of [...here.values()]) socket.destroy()
    }
  }
}

/** Whether all that holds up a connection is its other end: nothing has been asked, or not to the end. */
function isWaiting({ request }: Place): boolean {
  return request === undefined || !request.complete
}
