/** The thread that looks at many names: waiting for the disk one by one is quicker than a promise for each. */
import { accessSync, constants, lstatSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { factsOf, type Look, NONE } from './looks.js'
import { locate } from './paths.js'

const { root } = workerData as { root: string }

function look(name: string): Look {
  try {
    const path = locate(root, name)
    const stat = lstatSync(path, { bigint: true })
    if (stat.isDirectory()) return { type: 'folder' }
    return stat.isFile() ? { type: 'file', readable: isReadable(path), ...factsOf(stat) } : NONE
  } catch {
    return NONE
  }
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}

parentPort?.on('message', (names: readonly string[]) => parentPort?.postMessage(names.map(look)))
