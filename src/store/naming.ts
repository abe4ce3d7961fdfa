/** Gives a whole file its name: in one step, over or beside what has that name already. */
import { lstatSync, type Stats } from 'node:fs'
import { link, lstat, open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { P2pError } from '../errors.js'
import type { IfExists } from '../streams/ports.js'
import { locate } from './paths.js'
import type { Places } from './places.js'
import { NO_LINKS } from './put-beside.js'

/** Numbers tried for a name that is taken: `notes (1).txt`. A folder with more copies of one file wants a look. */
const MAX_RENAMES = 1_000

interface Naming {
  readonly root: string
  readonly name: string
  /** The whole file, on the same disk. */
  readonly from: string
  readonly ifExists: IfExists
}

/** Puts the file in its place and tells the name it got. Errors with EXISTS, FOLDER or what the disk says. */
export function giveName(places: Places, { root, name, from, ifExists }: Naming): Promise<string> {
  const parts = name.split('/')
  return places.within(root, parts.slice(0, -1), async (target) => {
    const last = parts.at(-1) ?? ''
    const given = ifExists === 'rename' ? await putUnderFreeName(from, last, target.at) : last
    const whole = [...parts.slice(0, -1), given].join('/')
    if (ifExists === 'overwrite') {
      await putOver(from, target.at(last), locate(root, name))
      await target.sync()
    } else if (ifExists === 'refuse') await putBeside(from, target.at(last), name)
    return whole
  })
}

/** Says early what `giveName` would find out late. Makes nothing. */
export async function checkName({ root, name, ifExists }: Pick<Naming, 'root' | 'name' | 'ifExists'>): Promise<void> {
  const path = locate(root, name)
  for (let folder = dirname(path); folder.length > root.length; folder = dirname(folder)) {
    const found = await lookAt(folder)
    if (found !== undefined && !found.isDirectory()) {
      throw new P2pError('FOLDER', `Cannot put files into ${folder}: it is a link, or not a folder`)
    }
  }
  const found = await lookAt(path)
  if (found === undefined || ifExists === 'rename') return
  if (ifExists === 'refuse') throw existsError(name)
  if (!found.isFile()) throw notAFile(path)
}

/** The same of a small file that must not replace anything: the folders show when it is put there. */
export function checkFree(root: string, name: string): void {
  const path = locate(root, name)
  let found: Stats | undefined
  try {
    // At once: a turn through the disk threads takes longer than the look, and there may be thousands.
    found = lstatSync(path, { throwIfNoEntry: false })
  } catch {
    // Something else than a folder is on the way.
    return
  }
  if (found !== undefined) throw existsError(name)
}

async function lookAt(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // ENOTDIR: a file is on the way, which the folder above will say.
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new P2pError('FOLDER', `Cannot put a file at ${path}: ${(error as Error).message}`, { cause: error })
  }
}

async function putOver(from: string, goal: string, path: string): Promise<void> {
  // A rename would take the place of a link, but then the file would not be where the owner had put it.
  const found = await lookAt(goal)
  if (found !== undefined && !found.isFile()) throw notAFile(path)
  await rename(from, goal)
}

async function putUnderFreeName(from: string, last: string, at: (entry: string) => string): Promise<string> {
  for (let number = 0; number < MAX_RENAMES; number++) {
    const given = number === 0 ? last : numbered(last, number)
    try {
      await putBeside(from, at(given), given)
      return given
    } catch (error) {
      if (!(error instanceof P2pError) || error.code !== 'EXISTS') throw error
    }
  }
  throw existsError(last)
}

/** `notes.txt` as `notes (2).txt`; what has only a leading dot has no ending. */
function numbered(last: string, number: number): string {
  const dot = last.lastIndexOf('.')
  const stem = dot > 0 ? last.slice(0, dot) : last
  return `${stem} (${number})${last.slice(stem.length)}`
}

/** Gives the file its name unless the name is taken, in one step: of many at once, one wins. */
async function putBeside(from: string, goal: string, name: string): Promise<void> {
  try {
    await link(from, goal)
    return
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (code === 'EEXIST') throw existsError(name)
    if (!NO_LINKS.has(code)) throw error
  }
  try {
    // Takes the name first, so that the rename goes over nothing but our own empty file.
    await (await open(goal, 'wx')).close()
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'EEXIST' ? existsError(name) : error
  }
  await rename(from, goal)
}

export function existsError(name: string): P2pError {
  return new P2pError('EXISTS', `There is a ${name} already`)
}

function notAFile(path: string): P2pError {
  return new P2pError('FOLDER', `Cannot replace ${path}: it is not a file`)
}
