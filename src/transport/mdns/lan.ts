/**
 * Those nearby, over multicast DNS. The network shows as a keyed hash, this peer as a random word and a port: no names of
 * machines, users or files. What is found is a claim that anybody may have made; who it is, a greeting shows.
 */
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:dgram'
import { networkInterfaces } from 'node:os'
import type { Bonjour, Browser, Service } from 'bonjour-service'
import { interval, Observable, type Subscriber, startWith } from 'rxjs'
import type { Neighbourhood, PeerUrl, Sighting } from '../../streams/ports.js'
import { createThrottle } from '../../streams/throttle.js'
import { distinctUrls } from '../../streams/urls.js'
import { onlyModest, openSocket } from './socket.js'

const TYPE = 'p2prx'
const PORT = 5_353
/** Networks this machine is on that are used. */
const MAX_INTERFACES = 8
/** Services a browser holds; a full one is replaced by an empty one, since it forgets nothing by itself. */
const MAX_SERVICES = 256
/** Peers found that are passed on, in each window; a friendly network has that many in all. */
const MAX_SIGHTINGS = 64
/** Packets that are read in each window; others are lost, and asked for again. */
const MAX_PACKETS = 1_000
const WINDOW_MS = 10_000
/** How soon a new address of this machine is noticed. */
const LOOK_EVERY_MS = 3_000
/** How often those nearby are asked, though they announce themselves: packets get lost. In looks. */
const ASK_EVERY = 10

export interface LanOptions {
  /** See `networkMark`. */
  readonly mark: string
  /** Of multicast DNS. Default: 5353. */
  readonly port?: number
  /** The IPv4 addresses of the interfaces to use. Default: of all that are not internal. */
  readonly interfaces?: () => readonly string[]
}

export function createLan(options: LanOptions): Neighbourhood {
  return {
    meet: (own) =>
      new Observable((subscriber) => {
        const lan = new Lan(options, own, subscriber)
        subscriber.add(
          interval(LOOK_EVERY_MS)
            .pipe(startWith(-1))
            .subscribe((count) => lan.look((count + 1) % ASK_EVERY === 0))
        )
        subscriber.add(() => lan.close())
      })
  }
}

interface Member {
  readonly bonjour: Bonjour
  browser?: Browser
}

/** What runs while somebody is subscribed: a responder and a browser on each interface. */
class Lan {
  readonly #options: LanOptions
  readonly #own: URL
  readonly #subscriber: Subscriber<Sighting>
  readonly #members = new Map<string, Member>()
  readonly #opening = new Set<string>()
  /** Our own words, which we hear as well; the last few. */
  readonly #words: string[] = []
  readonly #takeSighting = createThrottle(MAX_SIGHTINGS, WINDOW_MS)
  readonly #takePacket = createThrottle(MAX_PACKETS, WINDOW_MS)
  #known = ''
  #silent = false

  constructor(options: LanOptions, own: PeerUrl, subscriber: Subscriber<Sighting>) {
    this.#options = options
    this.#own = new URL(own)
    this.#subscriber = subscriber
  }

  /** Follows the interfaces of this machine. With another set of addresses we are announced anew. */
  look(ask: boolean): void {
    const addresses = (this.#options.interfaces ?? ownInterfaces)().slice(0, MAX_INTERFACES)
    if (addresses.length === 0) this.#unavailable('this machine is on no network')
    for (const [address, member] of this.#members) {
      if (addresses.includes(address)) continue
      this.#members.delete(address)
      member.browser?.stop()
      member.bonjour.destroy()
    }
    const changed = addresses.join() !== this.#known
    this.#known = addresses.join()
    for (const address of addresses) {
      const member = this.#members.get(address)
      if (member === undefined) this.#open(address)
      else if (changed) this.#announce(member)
      else if (ask) member.browser?.update()
    }
  }

  close(): void {
    for (const { bonjour, browser } of this.#members.values()) {
      browser?.stop()
      // Says goodbye first.
      bonjour.unpublishAll(() => bonjour.destroy())
    }
    this.#members.clear()
  }

  #open(address: string): void {
    if (this.#opening.has(address)) return
    this.#opening.add(address)
    // Loaded only where somebody is looked for: a short command does not wait for it.
    Promise.all([openSocket(address, this.#options.port ?? PORT), import('./responder.js')]).then(
      ([socket, { Bonjour }]) => {
        this.#opening.delete(address)
        if (this.#subscriber.closed) socket.close()
        else this.#join(address, socket, Bonjour)
      },
      (error: unknown) => {
        this.#opening.delete(address)
        this.#unavailable(String(error))
      }
    )
  }

  #join(address: string, socket: Socket, Responder: typeof Bonjour): void {
    const { port = PORT } = this.#options
    // For multicast-dns below: the socket is ready, so it binds and joins nothing.
    const options = { type: 'udp4', socket, port, bind: false }
    const bonjour = new Responder(options, (error: unknown) => this.#unavailable(String(error)))
    onlyModest(socket, this.#takePacket)
    const member: Member = { bonjour }
    this.#browse(member)
    this.#members.set(address, member)
    this.#announce(member)
  }

  #announce({ bonjour, browser }: Member): void {
    bonjour.unpublishAll()
    const word = randomBytes(8).toString('hex')
    this.#words.push(word)
    if (this.#words.length > 4 * MAX_INTERFACES) this.#words.shift()
    bonjour.publish({
      name: word,
      // Without one it would be the name of this machine, which is often that of its user.
      host: `${word}.local`,
      type: TYPE,
      port: Number(this.#own.port) || (this.#own.protocol === 'https:' ? 443 : 80),
      txt: { n: this.#options.mark },
      // The word is random enough; and a probe that finds it taken writes to stdout.
      probe: false
    })
    browser?.update()
  }

  #browse(member: Member): void {
    member.browser?.stop()
    const browser = member.bonjour.find({ type: TYPE, txt: { n: this.#options.mark } })
    member.browser = browser
    for (const event of ['up', 'srv-update'] as const) {
      browser.on(event, (service: Service) => {
        this.#found(service)
        if (browser === member.browser && browser.services.length >= MAX_SERVICES) this.#browse(member)
      })
    }
  }

  #found({ name, port, addresses = [], referer }: Service): void {
    if (this.#words.includes(name) || !this.#takeSighting()) return
    // Where it came from can be reached; the rest is what it says.
    const hosts = [...(referer === undefined ? [] : [referer.address]), ...addresses]
    const urls = distinctUrls(hosts.map((host) => `${this.#own.protocol}//${bracketed(host)}:${port}`))
    if (urls.length > 0) this.#subscriber.next({ type: 'found', contact: { urls } })
  }

  /** Told once: nothing can be done about it but to name peers. */
  #unavailable(detail: string): void {
    if (this.#silent) return
    this.#silent = true
    this.#subscriber.next({ type: 'unavailable', detail })
  }
}

const bracketed = (host: string) => (host.includes(':') ? `[${host}]` : host)

export function ownInterfaces(): readonly string[] {
  return Object.values(networkInterfaces())
    .flatMap((list = []) => list)
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address)
}
