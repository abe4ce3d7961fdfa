/** That a folder lies outside the share: what is in the share is served to everybody. */
import { realpath } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { P2pError } from '../index.js'

/** The state also changes with each hash that is written down, so that it would be hashed without end. Errors with USAGE. */
export async function checkApart(dir: string, stateDir: string): Promise<void> {
  const way = relative(await realPlace(resolve(dir)), await realPlace(resolve(stateDir)))
  if (way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)) return
  const advice = 'Choose a folder for the state outside it with --state-dir.'
  throw new P2pError('USAGE', `The state folder ${stateDir} lies in the shared folder ${dir}`, { advice })
}

/** Where a folder lies, or will lie once it is made. */
async function realPlace(path: string): Promise<string> {
  const above = dirname(path)
  return realpath(path).catch(async () => (above === path ? path : join(await realPlace(above), basename(path))))
}
