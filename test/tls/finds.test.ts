import { firstValueFrom, Observable, of } from 'rxjs'
import { expect, test } from 'vitest'
import type { Finding } from '../../src/streams/ports.js'
import type { HttpTransport } from '../../src/transport/http/transport.js'
import { newPeerKey } from '../../src/transport/tls/identity.js'
import { createMember } from '../../src/transport/tls/member.js'
import { found, hitOf, hitsOf, searchFor, taken } from '../transport/http/finding.js'
import { peer, visitor } from '../transport/http/peers.js'
import { OTHER_SECRET, SECRET } from './private.js'

/** Far more than anything here takes, also on a machine with much else to do. */
const PATIENT = { timeout: 10_000 }

function membership(secret = SECRET) {
  const pins = new Map<string, string>()
  return {
    member: createMember({ secret, key: newPeerKey() }),
    pins: {
      get: (address: string) => pins.get(address),
      set: (address: string, id: string) => void pins.set(address, id),
      forget: (address: string) => void pins.delete(address)
    },
    onIdChange: () => undefined
  }
}

const find = (transport: HttpTransport, url: string, given = {}) =>
  transport.find?.(url, searchFor('x', given)) ?? found()

/** A member whose finds stay open, and how many are. */
async function waiting() {
  const network = membership()
  const told = { open: 0 }
  const searched = () =>
    new Observable<Finding>((subscriber) => {
      told.open++
      subscriber.add(() => told.open--)
      subscriber.next({ type: 'found', hits: [hitOf(1, { holders: ['https://h:1'] })], next: () => undefined })
    })
  return { told, network, ...(await peer({ searched }, { network })) }
}

test('members find what members have, and hear only of peers they can reach', async () => {
  const hits = hitsOf(500, 0, { holders: ['https://127.0.0.1:4242'] })
  const { url } = await peer({ searched: () => found(...hits, ...hitsOf(3)) }, { network: membership() })
  const told = await taken(find(await peer({}, { network: membership() }), url))
  expect(told.hits).toEqual(hits)
  expect(told.last).toEqual({ type: 'ended', how: 'all' })
})

test('finds are counted by member: one that has too many open is no matter to others at its address', async () => {
  const { url, told } = await waiting()
  const [one, other] = [await peer({}, { network: membership() }), await peer({}, { network: membership() })]
  for (let nth = 0; nth < 8; nth++) find(one, url, { standing: true }).subscribe()
  await expect.poll(() => told.open, PATIENT).toBe(8)
  expect((await taken(find(one, url, { standing: true }))).last).toEqual({ type: 'ended', how: 'declined' })
  expect(await firstValueFrom(find(other, url, { standing: true }))).toMatchObject({ type: 'found' })
})

test('a find ends when its asker is refused from now on', async () => {
  const { url, told, network } = await waiting()
  const ours = membership()
  const ended = taken(find(await peer({}, { network: ours }), url))
  await expect.poll(() => told.open, PATIENT).toBe(1)
  network.member.setRefused([ours.member.id])
  expect((await ended).last).toMatchObject({ type: 'failed', reason: 'reset' })
  await expect.poll(() => told.open, PATIENT).toBe(0)
})

test('nobody else finds anything', async () => {
  const searched = () => {
    throw new Error('it was searched')
  }
  const { url } = await peer({ searched }, { network: membership() })
  const stranger = visitor({ network: membership(OTHER_SECRET) })
  expect((await taken(find(stranger, url))).last).toMatchObject({ type: 'failed', reason: 'other-network' })
  const inTheClear = await peer({ searched: () => of({ type: 'ended', how: 'all' }) })
  expect((await taken(find(visitor({ network: membership() }), inTheClear.url))).last).toMatchObject({ type: 'failed' })
})
