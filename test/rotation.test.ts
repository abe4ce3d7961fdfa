import { VirtualTimeScheduler } from 'rxjs'
import { expect, test } from 'vitest'
import { createRotation } from '../src/rotation.js'
import type { Directory } from '../src/streams/directory.js'
import type { Member } from '../src/transport/tls/member.js'

const [FRIEND, BANNED, STRANGER] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string]
const secretOf = (byte: number) => new Uint8Array(32).fill(byte)

/** A member that knows two others, one of them banned. */
function member({ keepSecret = () => Promise.resolve() } = {}) {
  const used: number[] = []
  const peers = [FRIEND, BANNED].map((id) => ({
    peer: { url: `https://${id[0] ?? ''}:1`, state: 'up', id, failures: 0 },
    proven: true
  }))
  const scheduler = new VirtualTimeScheduler()
  const rotation = createRotation({
    member: {
      isRefused: (id: string) => id === BANNED,
      isSecret: (secret: Uint8Array) => secret[0] === (used.at(-1) ?? 0),
      setSecret: (secret: Uint8Array) => void used.push(secret[0] ?? 0)
    } as Member,
    directory: { state: () => new Map(peers.map((entry) => [entry.peer.url, entry])) } as unknown as Directory,
    transport: {},
    keepSecret,
    scheduler,
    tell: () => undefined,
    changed: () => undefined
  })
  if (rotation.handed === undefined) throw new Error('Secrets are not taken')
  return { used, scheduler, handed: rotation.handed }
}

test('a secret is taken from a member that is known and not banned', async () => {
  const { used, handed } = member()
  expect(await handed(secretOf(1), STRANGER)).toBe(false)
  expect(await handed(secretOf(1), BANNED)).toBe(false)
  expect(await handed(secretOf(1), FRIEND)).toBe(true)
  expect(used).toEqual([1])
})

test('the same secret again is fine, another one so soon is not', async () => {
  const { used, scheduler, handed } = member()
  expect(await handed(secretOf(1), FRIEND)).toBe(true)
  expect(await handed(secretOf(1), FRIEND)).toBe(true)
  expect(await handed(secretOf(2), FRIEND)).toBe(false)
  scheduler.frame += 5_000
  expect(await handed(secretOf(2), FRIEND)).toBe(true)
  expect(used).toEqual([1, 2])
})

test('of two at the same time the first is taken', async () => {
  const { used, handed } = member()
  expect(await Promise.all([handed(secretOf(1), FRIEND), handed(secretOf(2), FRIEND)])).toEqual([true, false])
  expect(used).toEqual([1])
})

test('a secret that cannot be kept is not used', async () => {
  const { used, handed } = member({ keepSecret: () => Promise.reject(new Error('no space')) })
  await expect(handed(secretOf(1), FRIEND)).rejects.toThrow('no space')
  expect(used).toEqual([])
})
