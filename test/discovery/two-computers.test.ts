import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { PeerEvent } from '../../src/index.js'
import { folder } from '../peer/network.js'
import { type Computer, type Running, twoComputers } from './namespaces.js'

const PROGRAM = fileURLToPath(new URL('peer-process.js', import.meta.url))
const SECRET = 'of this test'

interface Peer {
  readonly computer: Computer
  readonly dir: string
  readonly stateDir: string
}

async function peerOn(computer: Computer, files: Record<string, string> = {}): Promise<Peer> {
  return { computer, dir: await folder(files), stateDir: await folder() }
}

function start({ computer, dir, stateDir }: Peer, wanted: readonly string[] = []): Running {
  const options = { dir, stateDir, host: '0.0.0.0', exchange: true, lan: { secret: SECRET } }
  return computer.run(process.execPath, [PROGRAM, JSON.stringify(options), ...wanted])
}

const event = async (peer: Running, type: PeerEvent['type']) =>
  JSON.parse(await peer.line((line) => line.includes(`"type":"${type}"`))) as PeerEvent & { url?: string }

test('two computers on one cable find each other, and again when both have other addresses', async (context) => {
  const [one, other] = twoComputers(context)
  one.address('10.77.0.1')
  other.address('10.77.0.2')
  const holder = await peerOn(one, { 'a.txt': 'from the other computer' })
  const asker = await peerOn(other)

  const before = [start(holder), start(asker, ['a.txt'])] as const
  expect((await event(before[1], 'peer-joined')).url).toBe('http://10.77.0.1:4242')
  await event(before[1], 'transfer-completed')
  expect(await readFile(join(asker.dir, 'a.txt'), 'utf8')).toBe('from the other computer')
  for (const peer of before) await peer.stop()

  one.address('10.77.0.11')
  other.address('10.77.0.12')
  const after = [start(holder), start(asker)] as const
  expect((await event(after[1], 'peer-joined')).url).toBe('http://10.77.0.11:4242')
  expect((await event(after[0], 'peer-joined')).url).toBe('http://10.77.0.12:4242')
})

test('a computer that gets another address while its peer runs is found there', async (context) => {
  const [one, other] = twoComputers(context)
  one.address('10.77.0.1')
  other.address('10.77.0.2')
  const [still, moving] = [await peerOn(one), await peerOn(other)]
  const [watching] = [start(still), start(moving)]
  await event(watching, 'peer-joined')
  other.address('10.77.0.22')
  await watching.line((line) => /"type":"peer-(joined|moved)"/.test(line) && line.includes('10.77.0.22'))
})
