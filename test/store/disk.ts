import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { lstat, mkdtemp, readdir, readFile, readlink, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { onTestFinished } from 'vitest'
import type { HashRequest } from '../../src/streams/ports.js'

/** A folder of its own for a test, gone when the test ends. */
export async function newFolder(): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'p2p-rx-')))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Every entry below a folder with its kind and content, so that two looks can be compared. */
export async function tree(folder: string): Promise<string[]> {
  const lines: string[] = []
  for (const entry of await readdir(folder, { recursive: true })) {
    const path = join(folder, entry)
    const stat = await lstat(path)
    const content = stat.isSymbolicLink()
      ? await readlink(path)
      : stat.isFile()
        ? createHash('sha256')
            .update(await readFile(path))
            .digest('hex')
        : ''
    lines.push(`${entry} ${stat.mode.toString(8)} ${content}`)
  }
  return lines.sort()
}

export async function collect(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of bytes) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Content that is not the same anywhere, and the same in every run. */
export function bytesOf(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  let state = seed
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

/** The BEP 52 tree the plain way: all leaves, padded, then level by level. Shares no code with ours. */
export function plainLayers(content: Buffer): Buffer[][] {
  const sha = (...parts: Buffer[]) => createHash('sha256').update(Buffer.concat(parts)).digest()
  let level: Buffer[] = []
  for (let at = 0; at < content.length; at += 16_384) level.push(sha(content.subarray(at, at + 16_384)))
  while (level.length === 0 || (level.length & (level.length - 1)) !== 0) level.push(Buffer.alloc(32))
  const layers = [level]
  while (level.length > 1) {
    level = level.flatMap((left, i) => (i % 2 === 0 ? [sha(left, level[i + 1] ?? Buffer.alloc(32))] : []))
    layers.push(level)
  }
  return layers
}

export function plainRoot(content: Buffer): string {
  return plainLayers(content).at(-1)?.[0]?.toString('hex') ?? ''
}

/** What a holder answers to a request for hashes: those of the layer, and behind them the uncles. */
export function answerFrom(layers: readonly Buffer[][], { layer, index, length, proofLayers }: HashRequest): Buffer {
  const hashes = layers[layer]?.slice(index, index + length) ?? []
  const lowest = layer + Math.log2(length)
  const uncles = Array.from({ length: proofLayers }, (_, above) => {
    const position = Math.floor(index / length / 2 ** above)
    return layers[lowest + above]?.[position ^ 1] ?? Buffer.alloc(32)
  })
  return Buffer.concat([...hashes, ...uncles])
}

const CORPORA = new URL('../corpora/', import.meta.url)

/** The traversal payloads, as bytes read for characters, each once. */
export function traversals(): string[] {
  const files = ['deep_traversal.txt', 'directory_traversal.txt', 'exotic_encoding.txt', 'dotdotpwn_21144.txt.gz']
  const lines = [...files, 'traversal_4521.txt.gz'].flatMap((file) => {
    const content = readFileSync(new URL(`path_traversal/patt_${file}`, CORPORA))
    return (file.endsWith('.gz') ? gunzipSync(content) : content).toString('utf8').split('\n')
  })
  return [...new Set(lines)].filter((line) => line !== '' && !line.startsWith('#'))
}

export interface NaughtyName {
  readonly name: string | null
  readonly hex: string
  readonly linux_legal: boolean
  readonly utf8: boolean
  readonly xml10_representable: boolean
}

export function naughtyNames(): NaughtyName[] {
  return JSON.parse(readFileSync(new URL('naughty_names/names.json', CORPORA), 'utf8')) as NaughtyName[]
}
