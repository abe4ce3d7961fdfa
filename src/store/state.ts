/** What outlives the process: a database in a folder of its own, in parts that know nothing of each other. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClassicLevel } from 'classic-level'
import { asP2pError, P2pError } from '../errors.js'

/** Entries looked at in one turn through the disk threads. */
const ENTRIES_AT_ONCE = 1_000

/** A part of the state. What is put is there for the next process, also when this one is killed, but not after a power cut. */
export interface StatePart<V> {
  readonly get: (key: string) => Promise<V | undefined>
  readonly put: (key: string, value: V) => Promise<void>
  readonly del: (key: string) => Promise<void>
  /** All or none. */
  readonly batch: (
    changes: ({ readonly type: 'put'; key: string; value: V } | { readonly type: 'del'; key: string })[]
  ) => Promise<void>
  /** All keys, a thousand at a time. */
  readonly keys: () => AsyncIterable<readonly string[]>
  readonly entries: () => AsyncIterable<readonly (readonly [string, V])[]>
}

export interface State {
  readonly text: (name: string) => StatePart<string>
  readonly bytes: (name: string) => StatePart<Uint8Array>
  readonly close: () => Promise<void>
}

/** Where the state lies in its folder. */
export const stateLocation = (dir: string) => join(dir, 'db')

/**
 * Opens the state in a folder, which is made when it is missing. What is damaged is repaired as far as it goes, and begun
 * again otherwise: it is a copy of what lies elsewhere. Errors with STATE_IN_USE while another process has it, and with
 * FOLDER or DISK.
 */
export async function openState(dir: string): Promise<State> {
  const location = stateLocation(dir)
  try {
    await mkdir(location, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw unusable(dir, cause)
  }
  const database = await openAnyhow(dir, location)
  return {
    text: (name: string) => partOf<string>(database, name, 'utf8'),
    bytes: (name: string) => partOf<Uint8Array>(database, name, 'view'),
    close: () => database.close()
  }
}

function partOf<V>(database: ClassicLevel, name: string, valueEncoding: string): StatePart<V> {
  const part = database.sublevel<string, V>(name, { valueEncoding })
  return {
    get: (key) => part.get(key),
    put: (key, value) => part.put(key, value),
    del: (key) => part.del(key),
    batch: (changes) => part.batch(changes),
    keys: () => pages(part.keys()),
    entries: () => pages(part.iterator())
  }
}

async function* pages<T>(iterator: { nextv: (size: number) => Promise<T[]>; close: () => Promise<void> }) {
  try {
    for (let page = await iterator.nextv(ENTRIES_AT_ONCE); page.length > 0; ) {
      yield page
      page = await iterator.nextv(ENTRIES_AT_ONCE)
    }
  } finally {
    await iterator.close()
  }
}

async function openAnyhow(dir: string, location: string): Promise<ClassicLevel> {
  // Loaded only where there is a state: a short command has none.
  const { ClassicLevel } = await import('classic-level')
  try {
    return await openReadable(location)
  } catch (error) {
    if (!isDamage(error)) throw unusable(dir, error)
  }
  try {
    await ClassicLevel.repair(location)
    return await openReadable(location)
  } catch (error) {
    if (codeOf(error) === 'LEVEL_LOCKED') throw unusable(dir, error)
  }
  try {
    await rm(location, { recursive: true, force: true })
    await mkdir(location, { mode: 0o700 })
    return await openReadable(location)
  } catch (error) {
    throw unusable(dir, error)
  }
}

/** Some damage shows only when the entries are read. */
async function openReadable(location: string): Promise<ClassicLevel> {
  const { ClassicLevel } = await import('classic-level')
  const database = new ClassicLevel(location)
  await database.open()
  try {
    const keys = pages(database.keys())
    while ((await keys.next()).done !== true);
    return database
  } catch (error) {
    await database.close()
    throw error
  }
}

/** Of the database itself, which wraps what went wrong when it was opened. */
function codeOf(error: unknown): string | undefined {
  const { code, cause } = error as { code?: string; cause?: { code?: string } }
  return cause?.code ?? code
}

// A file of the database that is missing is an IO error to it.
const isDamage = (error: unknown) => ['LEVEL_CORRUPTION', 'LEVEL_IO_ERROR'].includes(codeOf(error) ?? '')

function unusable(dir: string, cause: unknown): P2pError {
  if (codeOf(cause) === 'LEVEL_LOCKED') {
    return new P2pError('STATE_IN_USE', `Another process uses the state in ${dir}`, { cause })
  }
  const inner = (cause as { cause?: unknown }).cause ?? cause
  const { code, message } = asP2pError(inner, 'FOLDER')
  return new P2pError(code === 'DISK' ? 'DISK' : 'FOLDER', `Cannot keep the state in ${dir}: ${message}`, { cause })
}
