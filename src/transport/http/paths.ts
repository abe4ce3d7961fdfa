/** The paths of the data plane: what is asked for by its name, by the root of its content, and hashes of its tree. Pure. */
import type { HashRequest } from '../../streams/ports.js'

const FILES_PATH = '/files/'
const ROOTS_PATH = '/roots/'
const HASHES_PATH = '/hashes/'

/** Names the peer that downloads, so that it is known by all its connections. */
export const PEER_HEADER = 'p2prx-peer'
/** Says that the bytes are for somebody else, to whom the reader passes them on. */
export const PASSED_HEADER = 'p2prx-passed'
/** The place in the queue, in a refusal. */
export const QUEUE_HEADER = 'p2prx-queue-position'

const ROOT = /^[0-9a-f]{64}$/
const NUMBER = /^(0|[1-9]\d{0,15})$/

/** What a request target means. `nonsense` has the shape of a request for hashes, but not its meaning. */
export type Target =
  | { readonly type: 'name'; readonly name: string }
  | { readonly type: 'root'; readonly root: string }
  | { readonly type: 'hashes'; readonly request: HashRequest }
  | { readonly type: 'nothing' }
  | { readonly type: 'nonsense' }

const NOTHING: Target = { type: 'nothing' }
const NONSENSE: Target = { type: 'nonsense' }

/** Whether a path is the data plane's at all. */
export function isDataPath(target: string): boolean {
  return target.startsWith(FILES_PATH) || target.startsWith(ROOTS_PATH) || target.startsWith(HASHES_PATH)
}

export function readTarget(target: string): Target {
  if (target.startsWith(ROOTS_PATH)) {
    const root = target.slice(ROOTS_PATH.length)
    return ROOT.test(root) ? { type: 'root', root } : NOTHING
  }
  if (target.startsWith(HASHES_PATH)) return readHashes(target.slice(HASHES_PATH.length))
  const name = nameOf(target)
  return name === undefined ? NOTHING : { type: 'name', name }
}

function readHashes(rest: string): Target {
  const [root = '', ...numbers] = rest.split('/')
  if (!ROOT.test(root)) return NOTHING
  if (numbers.length !== 4 || !numbers.every((number) => NUMBER.test(number))) return NONSENSE
  const [layer = 0, index = 0, length = 0, proofLayers = 0] = numbers.map(Number)
  const request = { root, layer, index, length, proofLayers }
  return isSensible(request) ? { type: 'hashes', request } : NONSENSE
}

/** Layers of the tallest tree there can be: 2^53 bytes in blocks of 16 KiB are 2^39 leaves. */
const MAX_LAYERS = 40
/** Hashes in one answer, 256 KiB of them: the pieces of 8 GiB. */
const MAX_HASHES = 8_192

/** Whether a request means anything, whatever the content. */
function isSensible({ root, layer, index, length, proofLayers }: HashRequest): boolean {
  const whole = [layer, index, length, proofLayers].every((number) => Number.isSafeInteger(number) && number >= 0)
  const isPowerOfTwo = length > 0 && length <= MAX_HASHES && (length & (length - 1)) === 0
  return ROOT.test(root) && whole && isPowerOfTwo && index % length === 0 && layer + proofLayers <= MAX_LAYERS
}

/** The path under which a file is read from its holder. Throws a URIError for a name that is no Unicode. */
export function filePath(name: string): string {
  return FILES_PATH + name.split('/').map(encodeURIComponent).join('/')
}

export function rootPath(root: string): string | undefined {
  return ROOT.test(root) ? ROOTS_PATH + root : undefined
}

export function hashesPath(request: HashRequest): string | undefined {
  const { root, layer, index, length, proofLayers } = request
  return isSensible(request) ? `${HASHES_PATH}${root}/${layer}/${index}/${length}/${proofLayers}` : undefined
}

/** Whether an etag is the root of a content, and not a stand-in for it. */
export function isRoot(etag: string): boolean {
  return ROOT.test(etag)
}

/**
 * The name a request target means, or undefined. Every part is decoded once, and a part that then holds a
 * separator means nothing here: `%2e%2e%2f` is not a second way to write `../`.
 */
export function nameOf(target: string): string | undefined {
  if (!target.startsWith(FILES_PATH) || /[?#\\]/.test(target)) return undefined
  try {
    const parts = target.slice(FILES_PATH.length).split('/').map(decodeURIComponent)
    return parts.every((part) => part !== '' && part !== '.' && part !== '..' && !/[/\0]/.test(part))
      ? parts.join('/')
      : undefined
  } catch {
    return undefined
  }
}
