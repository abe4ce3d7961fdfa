import { createPublicKey, X509Certificate } from 'node:crypto'
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openNetworks } from '../../src/store/networks.js'
import { keptPeerKey } from '../../src/store/peer-key.js'
import { createCertificate } from '../../src/transport/tls/certificate.js'
import { isPeerId, newPeerKey, peerIdOf, readPeerKey } from '../../src/transport/tls/identity.js'
import { derive, networkCa } from '../../src/transport/tls/network-ca.js'

const SECRET = Buffer.alloc(32, 1)

async function scratch(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'p2p-rx-keys-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  return dir
}

const modeOf = async (file: string) => (await stat(file)).mode & 0o777

test('all members of a network make the same authority, byte for byte', () => {
  const one = networkCa(SECRET)
  expect(one.certificate).toBe(networkCa(Buffer.alloc(32, 1)).certificate)
  expect(one.certificate).not.toBe(networkCa(Buffer.alloc(32, 2)).certificate)
})

test('the bytes of an authority are the same in every version of this program', () => {
  const { fingerprint256 } = new X509Certificate(networkCa(SECRET).certificate)
  expect(fingerprint256).toMatchInlineSnapshot(
    `"BF:E2:9B:52:B7:23:9B:87:06:35:1D:A9:D1:60:3A:10:12:50:0E:6A:3E:EE:6F:51:31:28:68:EA:EB:99:EE:E4"`
  )
})

test('a certificate says what OpenSSL has to read in it', () => {
  const { certificate, key } = networkCa(SECRET)
  const authority = new X509Certificate(certificate)
  expect(authority.ca).toBe(true)
  expect(authority.verify(authority.publicKey)).toBe(true)
  const publicKey = createPublicKey(readPeerKey(newPeerKey()))
  const member = new X509Certificate(createCertificate({ kind: 'member', publicKey, signingKey: key }))
  expect(member.ca).toBe(false)
  expect(member.checkIssued(authority)).toBe(true)
  expect(member.verify(authority.publicKey)).toBe(true)
  expect(member.publicKey.equals(publicKey)).toBe(true)
  expect([member.validFrom, member.validTo]).toEqual(['Jan  1 00:00:00 1970 GMT', 'Jan  1 00:00:00 2100 GMT'])
})

test('a secret that can be guessed is refused, and a longer one has other keys for each purpose', () => {
  expect(() => derive(Buffer.alloc(15), 'x', 32)).toThrow(expect.objectContaining({ code: 'USAGE' }))
  expect(() => derive(Buffer.alloc(65), 'x', 32)).toThrow(expect.objectContaining({ code: 'USAGE' }))
  expect(derive(SECRET, 'one', 32)).not.toEqual(derive(SECRET, 'two', 32))
})

test('an id follows from the key alone', () => {
  const pem = newPeerKey()
  const id = peerIdOf(readPeerKey(pem))
  expect(isPeerId(id)).toBe(true)
  expect(peerIdOf(createPublicKey(pem))).toBe(id)
  expect(() => readPeerKey('nonsense')).toThrow(expect.objectContaining({ code: 'USAGE' }))
})

test('secrets and keys are for their owner only, and so are their folders', async () => {
  const root = await scratch()
  await openNetworks(root).create('home')
  await keptPeerKey(join(root, 'share'), newPeerKey)
  expect(await modeOf(join(root, 'networks', 'home', 'secret'))).toBe(0o600)
  expect(await modeOf(join(root, 'networks', 'home'))).toBe(0o700)
  expect(await modeOf(join(root, 'share', 'peer.key'))).toBe(0o600)
  expect(await modeOf(join(root, 'share'))).toBe(0o700)
  expect(await readdir(join(root, 'share'))).toEqual(['peer.key'])
})

test('rights that others were given on a key are taken back when it is read', async () => {
  const root = await scratch()
  const key = await keptPeerKey(root, newPeerKey)
  await chmod(join(root, 'peer.key'), 0o644)
  expect(await keptPeerKey(root, newPeerKey)).toBe(key)
  expect(await modeOf(join(root, 'peer.key'))).toBe(0o600)
})

test('a peer keeps its key, also when two processes make it at the same time', async () => {
  const root = await scratch()
  const keys = await Promise.all(Array.from({ length: 8 }, () => keptPeerKey(root, newPeerKey)))
  expect(new Set(keys).size).toBe(1)
  expect(await keptPeerKey(root, newPeerKey)).toBe(keys[0])
  expect(await readdir(root)).toEqual(['peer.key'])
})

test('networks lie side by side, and each keeps its secret', async () => {
  const networks = openNetworks(await scratch())
  expect(await networks.list()).toEqual([])
  expect(await networks.load('home')).toBeUndefined()
  const home = await networks.create('home')
  const work = await networks.create('work', SECRET)
  expect(await networks.list()).toEqual(['home', 'work'])
  expect(await networks.load('home')).toEqual(home)
  expect(await networks.create('home')).toEqual(home)
  expect(await networks.create('work', SECRET)).toEqual(work)
  await expect(networks.create('home', SECRET)).rejects.toMatchObject({ code: 'EXISTS' })
  await networks.replace('home', SECRET)
  expect(await networks.load('home')).toMatchObject({ secret: Buffer.from(SECRET) })
  await networks.remove('home')
  expect(await networks.list()).toEqual(['work'])
})

test('a name that would lead elsewhere is no name of a network', async () => {
  const networks = openNetworks(await scratch())
  for (const name of ['', '..', '../x', 'a/b', 'Home', '-x', '.x', 'x'.repeat(64)])
    await expect(networks.create(name)).rejects.toMatchObject({ code: 'USAGE' })
})

test('a secret that was damaged is said, and never taken for another network', async () => {
  const root = await scratch()
  const networks = openNetworks(root)
  await networks.create('home')
  await writeFile(join(root, 'networks', 'home', 'secret'), 'not base64 at all!')
  await expect(networks.load('home')).rejects.toMatchObject({ code: 'FOLDER' })
})
