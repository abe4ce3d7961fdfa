/** Names and request targets of any kind: none leads out of a folder, and those that are good come back. */
import { posix } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareNames, isPlainName } from '../../src/streams/names.js'
import { peerKey } from '../../src/streams/urls.js'
import { mayName } from '../../src/transport/http/caller-address.js'
import { filePath, hashesPath, nameOf, readTarget } from '../../src/transport/http/paths.js'

const RUNS = { seed: 20_260_802, numRuns: 5_000 }

const part = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.constantFrom(
    '..',
    '.',
    '',
    '...',
    '.p2p-rx',
    '.P2P-RX',
    '%2e%2e',
    '..%2f',
    '%',
    '%00',
    '\0',
    '\\',
    '..\\',
    'C:',
    '~'
  )
)
const name = fc.oneof(
  fc.array(part, { maxLength: 6 }).map((parts) => parts.join('/')),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ maxLength: 40 })
)

/** Without half a character, which has no bytes in UTF-8. */
const isWellFormed = (text: string) => Buffer.from(text).toString() === text

test('a plain name is a path inside the folder, and stands for itself', () => {
  let plain = 0
  fc.assert(
    fc.property(name, (text) => {
      if (!isPlainName(text)) return
      plain++
      expect(posix.normalize(`/share/${text}`)).toBe(`/share/${text}`)
      expect(text).not.toMatch(/\0|^\/|\/$/)
      expect(text.split('/')[0]?.toLowerCase()).not.toBe('.p2p-rx')
      expect(nameOf(filePath(text))).toBe(text)
    }),
    RUNS
  )
  expect(plain).toBeGreaterThan(500)
})

test('a request target of any kind means a path inside the folder, or nothing', () => {
  fc.assert(
    fc.property(fc.constantFrom('/files/', '/files', '/', ''), name, fc.boolean(), (before, text, escaped) => {
      const meant = nameOf(before + (escaped && isWellFormed(text) ? encodeURIComponent(text) : text))
      if (meant === undefined) return
      expect(posix.normalize(`/share/${meant}`)).toBe(`/share/${meant}`)
      expect(meant).not.toContain('\0')
    }),
    RUNS
  )
})

test('names are ordered as their bytes are', () => {
  const unicode = fc.string({ unit: 'binary', maxLength: 8 }).filter(isWellFormed)
  fc.assert(
    fc.property(unicode, unicode, (one, other) => {
      expect(Math.sign(compareNames(one, other))).toBe(Buffer.compare(Buffer.from(one), Buffer.from(other)))
    }),
    RUNS
  )
})

test('a request for hashes comes back from its path; any other path is nothing or nonsense, and never too much', () => {
  const number = fc.oneof(fc.nat(100), fc.maxSafeInteger(), fc.constantFrom(-1, 0.5, 1e21, Number.NaN, 8_192, 2 ** 53))
  const root = fc.oneof(
    fc.string({ unit: fc.constantFrom('0', '1', '9', 'a', 'c', 'f'), minLength: 64, maxLength: 64 }),
    fc.constantFrom('', 'x', 'A'.repeat(64))
  )
  let sensible = 0
  const request = fc.record({ root, layer: number, index: number, length: number, proofLayers: number })
  const power = fc.nat(13).map((bits) => 2 ** bits)
  const good = fc
    .tuple(root, fc.nat(20), fc.nat(1_000), power, fc.nat(20))
    .map(([root, layer, at, length, proofLayers]) => ({ root, layer, index: at * length, length, proofLayers }))
  fc.assert(
    fc.property(fc.oneof(request, good), (asked) => {
      const path = hashesPath(asked)
      const { root, layer, index, length, proofLayers } = asked
      const target = readTarget(path ?? `/hashes/${root}/${layer}/${index}/${length}/${proofLayers}`)
      if (path === undefined) {
        expect(['nothing', 'nonsense']).toContain(target.type)
        return
      }
      sensible++
      expect(target).toEqual({ type: 'hashes', request: asked })
      expect(asked.length * 32).toBeLessThanOrEqual(262_144)
    }),
    RUNS
  )
  expect(sensible).toBeGreaterThan(500)
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (rest) => {
      for (const before of ['/hashes/', '/roots/', `/hashes/${'a'.repeat(64)}/`])
        expect(['nothing', 'nonsense']).toContain(readTarget(before + rest).type)
    }),
    RUNS
  )
})

test('URLs of any kind are a peer’s or none, and no way to this machine for somebody from afar', () => {
  const host = fc.oneof(
    fc.ipV4(),
    fc.ipV6().map((address) => `[${address}]`),
    fc.ipV4Extended(),
    fc.domain(),
    fc.constantFrom('localhost', 'LOCALHOST.', '0', '127.1', '[::]', '[::1]', '[::ffff:127.0.0.1]', '[::127.0.0.1]')
  )
  const url = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc
      .tuple(
        fc.constantFrom('http://', 'https://', 'HTTP://', 'http:', 'ftp://'),
        host,
        fc.constantFrom('', ':80', ':4242')
      )
      .map((parts) => parts.join(''))
  )
  let peers = 0
  const afar = { remoteAddress: '192.0.2.7', localAddress: '192.0.2.1' }
  fc.assert(
    fc.property(url, (text) => {
      const key = peerKey(text)
      if (key === undefined) return
      peers++
      expect(['http:', 'https:']).toContain(new URL(text).protocol)
      if (/(^|\/)(127\.|0\.0\.0\.0|\[::1?\]|localhost)/.test(new URL(text).href))
        expect(mayName(afar, text)).toBe(false)
    }),
    RUNS
  )
  expect(peers).toBeGreaterThan(500)
})
