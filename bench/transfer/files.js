/** What is sent: made anew for each bench, and compared with what arrived. */
import { randomFillSync } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../processes.js'

const MIB = 1024 * 1024
/** Random bytes that are made once; the number of each MiB keeps one from being like another. */
const noise = randomFillSync(Buffer.allocUnsafe(64 * MIB))

/** A file on the disk in which no two MiB are alike. */
export function makeFile(path, mib) {
  const file = openSync(path, 'w')
  for (let number = 0; number < mib; number++) {
    const from = (number % 64) * MIB
    noise.writeUInt32LE(number, from)
    writeSync(file, noise, from, MIB)
  }
  closeSync(file)
}

/** So many files of the same size in folders of a thousand; gives their names. */
export function makeSmallFiles(dir, folder, { count, bytes }) {
  const names = Array.from({ length: count }, (_, at) => `${folder}/${Math.floor(at / 1_000)}/${at}.bin`)
  for (const [at, name] of names.entries()) {
    if (at % 1_000 === 0) mkdirSync(join(dir, name, '..'), { recursive: true })
    writeFileSync(join(dir, name), randomFillSync(Buffer.allocUnsafe(bytes)))
  }
  return names
}

/** Throws unless both are the same, byte for byte. */
export async function compareFiles(one, other) {
  if (statSync(one).size !== statSync(other).size) throw new Error(`${other} has not the size of ${one}`)
  await run('cmp', one, other)
}

/** Throws unless exactly these files are below a folder, with the same bytes. */
export function compareSmallFiles(names, from, to, folder) {
  const there = readdirSync(join(to, folder), { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile()
  )
  if (there.length !== names.length) throw new Error(`${there.length} files arrived, not ${names.length}`)
  for (const name of names)
    if (!readFileSync(join(from, name)).equals(readFileSync(join(to, name)))) throw new Error(`${name} is not the same`)
}
