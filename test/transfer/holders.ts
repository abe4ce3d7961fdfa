/** Holders made by hand: they greet and offer as a p2p-rx peer does, and then do what they like. */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { listening, type Scope } from './field.js'
import { type Lie, send } from './lies.js'

const BLOCK_BYTES = 16 * 1024
const HASH_BYTES = 32

const hashOf = (...parts: readonly Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest()

/** All layers of the BEP 52 tree of some content, the leaves first, the plain way: it shares no code with ours. */
export function layersOf(content: Buffer): readonly (readonly Buffer[])[] {
  let layer: Buffer[] = []
  for (let at = 0; at < content.length; at += BLOCK_BYTES) layer.push(hashOf(content.subarray(at, at + BLOCK_BYTES)))
  while (layer.length === 0 || (layer.length & (layer.length - 1)) !== 0) layer.push(Buffer.alloc(HASH_BYTES))
  const layers = [layer]
  while (layer.length > 1) {
    const below = layer
    layer = below.flatMap((left, at) => (at % 2 === 0 ? [hashOf(left, below[at + 1] ?? left)] : []))
    layers.push(layer)
  }
  return layers
}

export const rootOf = (layers: readonly (readonly Buffer[])[]) => layers.at(-1)?.[0]?.toString('hex') ?? ''

/** The answer to a request for hashes: those of a stretch of a layer, then the uncles of that stretch, lowest first. */
function hashesOf(layers: readonly (readonly Buffer[])[], path: string): Buffer | undefined {
  const [layer = 0, index = 0, length = 1, proofLayers = 0] = path.split('/').map(Number)
  const hashes = (layers[layer] ?? []).slice(index, index + length)
  if (hashes.length !== length) return undefined
  const height = layer + Math.log2(length)
  const uncles = Array.from({ length: proofLayers }, (_, at) => {
    const position = Math.floor(index / length / 2 ** at)
    return layers[height + at]?.[position ^ 1]
  })
  return uncles.includes(undefined) ? undefined : Buffer.concat([...hashes, ...uncles.flatMap((uncle) => uncle ?? [])])
}

export interface MadeHolder {
  readonly url: string
  /** Requests for bytes and hashes, as their methods and paths. */
  readonly asked: readonly string[]
}

export interface MadeHolderInit {
  readonly name: string
  readonly content: Buffer
  readonly layers: readonly (readonly Buffer[])[]
  readonly lie: Lie
  /** Who else has it; named after this one in its offer. */
  readonly others?: readonly string[]
}

/** A holder with a lie. Its offer is true: it names the true root, its size and all holders. */
export async function madeHolder(scope: Scope, init: MadeHolderInit): Promise<MadeHolder> {
  const { name, content, layers, lie, others = [] } = init
  const root = rootOf(layers)
  const layersSaid = lie.hashesOf === undefined ? layers : layersOf(lie.hashesOf(content))
  const asked: string[] = []

  const answerBytes = (request: IncomingMessage, response: ServerResponse) => {
    const [, first = '0', last = `${content.length - 1}`] =
      /^bytes=(\d+)-(\d+)?$/.exec(request.headers.range ?? '') ?? []
    const answer = lie.answer ?? ((one) => send(one))
    answer({ request, response, start: Number(first), end: Math.min(Number(last) + 1, content.length), content, root })
  }

  const url = await speaker(scope, (own) => ({
    offered: { name, size: content.length, root, holders: [own, ...others] },
    serve(request, response) {
      const { method, url: path = '' } = request
      asked.push(`${method ?? ''} ${path}`)
      const isBytes = path === `/files/${name}` || path === `/roots/${root}`
      if (lie.isGeneral === true || (isBytes && method === 'GET')) answerBytes(request, response)
      else if (isBytes) response.writeHead(200, { ETag: `"${root}"`, 'Content-Length': content.length }).end()
      else if (path.startsWith(`/hashes/${root}/`)) {
        const truth = hashesOf(layersSaid, path.slice(`/hashes/${root}/`.length))
        if (truth === undefined) response.writeHead(400).end()
        else response.end(lie.hashes?.(truth) ?? truth)
      } else response.writeHead(404).end()
    }
  }))
  return { url, asked }
}

/** Somebody who has nothing and knows who has it: so that bytes come over wires, while the holder is shared by tests. */
export function guide(scope: Scope, offered: OfferMade): Promise<string> {
  return speaker(scope, () => ({ offered, serve: (_, response) => void response.writeHead(404).end() }))
}

interface Speaking {
  readonly offered: OfferMade
  readonly serve: (request: IncomingMessage, response: ServerResponse) => void
}

/** Greets and offers; gives its URL. */
async function speaker(scope: Scope, speaking: (own: string) => Speaking): Promise<string> {
  const server = createServer((request, response) => {
    request.on('error', () => undefined)
    response.on('error', () => undefined)
    if (request.method !== 'POST') {
      serve(request, response)
      return
    }
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
    request.on('end', () => {
      response.setHeader('Content-Type', 'text/xml')
      if (body.includes('p2prx.hello')) response.end(greeting(own))
      else if (body.includes('p2prx.query')) response.end(offer(offered))
      else response.end(fault())
    })
  })
  const own = `http://127.0.0.1:${await listening(server)}`
  const { offered, serve } = speaking(own)
  scope.onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return own
}

const text = (value: string) => `<value><string>${value}</string></value>`
const member = (key: string, value: string) => `<member><name>${key}</name>${value}</member>`
const struct = (members: readonly string[]) => `<value><struct>${members.join('')}</struct></value>`
const reply = (value: string) =>
  `<?xml version="1.0"?><methodResponse><params><param>${value}</param></params></methodResponse>`

const greeting = (url: string) =>
  reply(
    struct([
      member('url', text(url)),
      member('id', text(url)),
      member('v', '<value><int>1</int></value>'),
      member('name', text('made by hand')),
      member('version', text('0'))
    ])
  )

interface OfferMade {
  readonly name: string
  readonly size: number
  readonly root: string
  readonly holders: readonly string[]
}

const offer = ({ name, size, root, holders }: OfferMade) =>
  reply(
    struct([
      member('name', text(name)),
      member('size', `<value><int>${size}</int></value>`),
      member('root', text(root)),
      member('holders', `<value><array><data>${holders.map(text).join('')}</data></array></value>`)
    ])
  )

const fault = () =>
  `<?xml version="1.0"?><methodResponse><fault>${struct([
    member('faultCode', '<value><int>1</int></value>'),
    member('faultString', text('no such method'))
  ])}</fault></methodResponse>`
