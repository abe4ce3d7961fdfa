/** Multicast over loopback, for tests: nothing leaves this machine. */
import { createSocket, type Socket } from 'node:dgram'
import { onTestFinished, type TestContext } from 'vitest'
import { createLan } from '../../src/transport/mdns/lan.js'
import { networkMark } from '../../src/transport/mdns/mark.js'

const GROUP = '224.0.0.251'
const LOOPBACK = '127.0.0.1'

export const SECRET = 'the secret of this test'
export const OURS = networkMark(SECRET)

/** A local network of this test's own, or the end of the test where there is no multicast. */
export async function nearby({ skip }: TestContext) {
  const ear = await member(0)
  const { port } = ear.address()
  const heard = new Promise<boolean>((resolve) => {
    ear.once('message', () => resolve(true))
    // This bounds the search for a reason to skip; nothing is concluded from it about our own code.
    setTimeout(() => resolve(false), 1_000).unref()
  })
  ear.send('anybody?', port, GROUP, () => undefined)
  if (!(await heard)) skip('there is no multicast here')
  const packets: Buffer[] = []
  ear.on('message', (packet) => packets.push(packet))
  return {
    port,
    packets,
    send: (packet: Buffer) => new Promise<void>((sent) => ear.send(packet, port, GROUP, () => sent())),
    lan: (mark = OURS) => createLan({ mark, port, interfaces: () => [LOOPBACK] })
  }
}

function member(port: number): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  onTestFinished(() => {
    socket.close()
  })
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(port, () => {
      socket.addMembership(GROUP, LOOPBACK)
      socket.setMulticastInterface(LOOPBACK)
      resolve(socket)
    })
  })
}
