/** The thread that hashes files, whole ones, one after the other. What is asked for overtakes all else, in the middle of a file too. */
import { closeSync, fstatSync, readSync } from 'node:fs'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { createRootHasher } from './merkle.js'
import { openInsideSync } from './paths.js'
import { identityOf } from './source.js'

/** Names to hash; `wanted` ones before all others. */
export interface HashOrder {
  readonly names: readonly string[]
  readonly wanted: boolean
}

/** What came of a name: nothing when it could not be read, or changed meanwhile. */
export interface Hashed {
  readonly name: string
  readonly content?: { readonly identity: string; readonly root: string; readonly layer: Uint8Array }
}

/** Bytes read in one go; after each we look whether somebody waits for another file. */
const STEP_BYTES = 1024 * 1024

/** Results are told this often at least, many at a time: a message for each small file would cost more than its hash. */
const TELL_EVERY_MS = 20

const { root } = workerData as { root: string }
const port = parentPort
const buffer = Buffer.allocUnsafeSlow(STEP_BYTES)
const waiting = new Set<string>()
const wanted = new Set<string>()
/** Files that are open: one, and one more when it was overtaken. */
const inHand = new Set<string>()
/** Files in hand that somebody waits for. */
const urgent = new Set<string>()
let results: Hashed[] = []
let toldMs = performance.now()

function order({ names, wanted: isWanted }: HashOrder): void {
  for (const name of names) {
    if (!isWanted) waiting.add(name)
    else if (inHand.has(name)) urgent.add(name)
    else {
      waiting.delete(name)
      wanted.add(name)
    }
  }
}

/** Takes in what was said since. */
function listen(): void {
  if (port === null) return
  for (let said = receiveMessageOnPort(port); said !== undefined; said = receiveMessageOnPort(port)) {
    order(said.message as HashOrder)
  }
}

function takeOf(names: Set<string>): string | undefined {
  for (const name of names) {
    names.delete(name)
    return name
  }
  return undefined
}

function tell(): void {
  if (results.length > 0) port?.postMessage(results)
  results = []
  toldMs = performance.now()
}

function hashFile(name: string, isWanted: boolean): void {
  inHand.add(name)
  // Before the results are named: while we hash, another file may overtake and they are told.
  const hashed = { name, ...contentOf(name, isWanted) }
  results.push(hashed)
  inHand.delete(name)
  // Both, always: `||` would leave the name among the urgent ones.
  const isUrgent = urgent.delete(name)
  if (isWanted || isUrgent || performance.now() - toldMs >= TELL_EVERY_MS) tell()
}

function contentOf(name: string, isWanted: boolean): Pick<Hashed, 'content'> {
  const fd = openInsideSync(root, name)
  if (fd === undefined) return {}
  try {
    const identity = identityOf(fstatSync(fd, { bigint: true }))
    const hasher = createRootHasher()
    for (let position = 0; ; ) {
      const bytesRead = readSync(fd, buffer, 0, STEP_BYTES, position)
      if (bytesRead === 0) break
      hasher.update(buffer.subarray(0, bytesRead))
      position += bytesRead
      if (bytesRead === STEP_BYTES) listen()
      // One after the other: each that was put off would hold a descriptor.
      while (!isWanted && wanted.size > 0) hashFile(takeOf(wanted) ?? '', true)
    }
    if (identityOf(fstatSync(fd, { bigint: true })) !== identity) return {}
    return { content: { identity, root: hasher.digest(), layer: hasher.layer() } }
  } catch {
    // It is offered without a root, and comes back when it changes.
    return {}
  } finally {
    closeSync(fd)
  }
}

port?.on('message', (first: HashOrder) => {
  order(first)
  while (wanted.size + waiting.size > 0) {
    const name = takeOf(wanted)
    if (name !== undefined) hashFile(name, true)
    else hashFile(takeOf(waiting) ?? '', false)
    listen()
  }
  tell()
})
