/** A transport that listens, in the clear or as a member of one private network. */
import { randomUUID } from 'node:crypto'
import { firstValueFrom, identity, NEVER, ReplaySubject } from 'rxjs'
import { createHttpTransport } from '../../dist/transport/http/transport.js'
import { newPeerKey } from '../../dist/transport/tls/identity.js'
import { createMember } from '../../dist/transport/tls/member.js'

const SECRET = Buffer.alloc(32, 1)

export async function started(mode, inbound = {}) {
  const pins = new Map()
  const network = {
    member: mode === 'private' ? createMember({ secret: SECRET, key: newPeerKey() }) : undefined,
    pins,
    onIdChange: () => undefined
  }
  const transport = createHttpTransport({
    id: randomUUID(),
    software: { name: 'p2p-rx', version: 'bench' },
    cache: {},
    budget: identity,
    ...(mode === 'private' ? { network } : {})
  })
  const url$ = new ReplaySubject(1)
  transport
    .listen({ introduced: () => undefined, asked: () => NEVER, list: () => ({ files: [], more: false }), ...inbound })
    .subscribe(url$)
  return { transport, url: await firstValueFrom(url$) }
}
