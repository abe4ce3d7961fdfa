/** Whether multicast DNS works here: asks who is there, and listens. */
import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { ownInterfaces } from './lan.js'
import { GROUP, openSocket } from './socket.js'

const PORT = 5_353
/** Answers may be held back for up to 120 ms (RFC 6762, 6), and computers that sleep take longer. */
const LISTEN_MS = 1_000
/** Interfaces looked at, and computers counted on each. */
const MAX_INTERFACES = 8
const MAX_OTHERS = 64
/** All services there are, and ours. */
const ASKED = ['_services._dns-sd._udp.local', '_p2prx._tcp.local']

/** What was heard on one interface of this computer. */
export interface Multicast {
  readonly address: string
  /** `heard`: what we sent came back; `silent`: it did not; `failed`: it could not even be sent. */
  readonly state: 'heard' | 'silent' | 'failed'
  /** Other computers that were heard. */
  readonly others: number
}

export interface ProbeOptions {
  readonly port?: number
  /** The IPv4 addresses of the interfaces. Default: of all that are not internal. */
  readonly interfaces?: readonly string[]
}

/** Looks at each interface for a second, at all of them at once. */
export function probeMulticast({ port = PORT, interfaces = ownInterfaces() }: ProbeOptions = {}): Promise<Multicast[]> {
  return Promise.all(interfaces.slice(0, MAX_INTERFACES).map((address) => probe(address, port, interfaces)))
}

async function probe(address: string, port: number, own: readonly string[]): Promise<Multicast> {
  const failed: Multicast = { address, state: 'failed', others: 0 }
  const socket = await openSocket(address, port).catch(() => undefined)
  if (socket === undefined) return failed
  const question = questionFor(ASKED)
  const heard = { own: false, others: new Set<string>() }
  socket.on('message', (packet, from) => {
    if (packet.equals(question)) heard.own = true
    else if (!own.includes(from.address) && heard.others.size < MAX_OTHERS) heard.others.add(from.address)
  })
  try {
    const sent = await new Promise<boolean>((resolve) =>
      socket.send(question, port, GROUP, (error) => resolve(error === null))
    )
    if (!sent) return failed
    await pause(LISTEN_MS)
    return { address, state: heard.own ? 'heard' : 'silent', others: heard.others.size }
  } finally {
    socket.close()
  }
}

/** A question of DNS for the pointers of these names, under a number of its own, so that it is known again. */
function questionFor(names: readonly string[]): Buffer {
  const header = Buffer.alloc(12)
  randomBytes(2).copy(header)
  header.writeUInt16BE(names.length, 4)
  const questions = names.map((name) => {
    const labels = name.split('.').flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)])
    // The end of the name, the type PTR, the class IN.
    return Buffer.concat([...labels, Buffer.from([0, 0, 12, 0, 1])])
  })
  return Buffer.concat([header, ...questions])
}
