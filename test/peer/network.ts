/** Real peers on loopback for one test: everything made here is gone when the test is over. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { createPeer, type Peer, type PeerOptions } from '../../src/index.js'

export interface StartedPeer {
  readonly peer: Peer
  readonly url: string
  readonly dir: string
}

/** A fresh folder with these files. */
export async function folder(files: Record<string, string | Uint8Array> = {}): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'p2p-rx-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(files)) await writeFile(join(dir, name), content)
  return dir
}

/** A peer over a fresh folder, on a free port, ready to be asked. */
export async function start(
  files: Record<string, string | Uint8Array> = {},
  options: Partial<PeerOptions> = {}
): Promise<StartedPeer> {
  const dir = options.dir ?? (await folder(files))
  const peer = createPeer({ port: 0, ...options, dir })
  onTestFinished(() => peer.destroy())
  return { peer, url: await peer.ready(), dir }
}

export interface StalledPeer {
  readonly url: string
  /** Connections on which a question waits. */
  readonly open: () => number
  /** Resolves when a question has arrived. */
  readonly asked: Promise<void>
  /** Resolves when every question that arrived has been taken back. */
  readonly takenBack: Promise<void>
  /** Answers the questions that wait: it has the file. */
  readonly offer: (name: string, size: number) => void
}

/** A neighbour that greets like a p2p-rx peer and then never answers a query. */
export async function stalled(): Promise<StalledPeer> {
  const questions = new Map<Socket, ServerResponse>()
  let onAsked: () => void
  let onTakenBack: () => void
  const asked = new Promise<void>((resolve) => (onAsked = resolve))
  const takenBack = new Promise<void>((resolve) => (onTakenBack = resolve))
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8')
    request.on('data', (chunk: string) => (body += chunk))
    request.on('end', () => {
      if (body.includes('p2prx.hello')) {
        response.setHeader('Content-Type', 'text/xml').end(GREETING)
        return
      }
      questions.set(request.socket, response)
      onAsked()
      request.socket.once('close', () => {
        questions.delete(request.socket)
        if (questions.size === 0) onTakenBack()
      })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const offer = (name: string, size: number) => {
    for (const response of questions.values())
      response.setHeader('Content-Type', 'text/xml').end(offered(name, size, url))
  }
  return { url, open: () => questions.size, asked, takenBack, offer }
}

const member = (name: string, value: string) => `<member><name>${name}</name><value>${value}</value></member>`
const reply = (members: readonly string[]) =>
  `<?xml version="1.0"?><methodResponse><params><param><value><struct>${members.join('')}</struct></value></param></params></methodResponse>`
const GREETING = reply([
  member('url', '<string>http://stalled</string>'),
  member('id', '<string>stalled</string>'),
  member('v', '<int>1</int>'),
  member('name', '<string>stalled</string>'),
  member('version', '<string>0</string>')
])
const offered = (name: string, size: number, holder: string) =>
  reply([
    member('name', `<string>${name}</string>`),
    member('size', `<int>${size}</int>`),
    member('root', '<string></string>'),
    member('holders', `<array><data><value><string>${holder}</string></value></data></array>`)
  ])
