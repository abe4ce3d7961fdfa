/** The socket for multicast DNS on one interface. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'

/** The group of multicast DNS (RFC 6762). */
export const GROUP = '224.0.0.251'
/** So that it is told apart from what came through a router (RFC 6762, 11). */
const TTL = 255
/** One frame of Ethernet, which no announcement of ours fills. */
const MAX_PACKET_BYTES = 1_500
/** Records of one packet that are read: the time for reading them grows with their square. Ours have under twenty. */
const MAX_RECORDS = 64
const HEADER_BYTES = 12

/** Bound, and a member of the group on the interface with this address. Rejects where there is no multicast. */
export function openSocket(address: string, port: number): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => {
      socket.close()
      reject(error)
    }
    socket.once('error', failed)
    socket.bind(port, () => {
      socket.off('error', failed)
      try {
        socket.addMembership(GROUP, address)
        socket.setMulticastInterface(address)
        socket.setMulticastTTL(TTL)
        // Other peers of this machine hear us too.
        socket.setMulticastLoopback(true)
      } catch (error) {
        failed(error as Error)
        return
      }
      // One that breaks later is noticed when it sends.
      socket.on('error', () => undefined)
      resolve(socket)
    })
  })
}

/** Puts a filter before those who listen to the socket already: who reads the packets has no bounds of its own. */
export function onlyModest(socket: Socket, take: () => boolean): void {
  const listeners = socket.listeners('message') as ((message: Buffer, from: RemoteInfo) => void)[]
  socket.removeAllListeners('message')
  socket.on('message', (message, from) => {
    if (isModest(message) && take()) for (const listener of listeners) listener(message, from)
  })
}

export function isModest(packet: Buffer): boolean {
  if (packet.length < HEADER_BYTES || packet.length > MAX_PACKET_BYTES) return false
  // Four counts end the header: questions, answers, authorities, additional records.
  let records = 0
  for (const at of [4, 6, 8, 10]) records += packet.readUInt16BE(at)
  return records <= MAX_RECORDS
}
