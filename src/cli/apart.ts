/** That a folder lies outside the share: what is in the share is served to everybody. */
import { realpath } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { P2pError, userNetworks } from '../index.js'

/**
 * The state changes with each hash that is written down, so that it would be hashed without end; whoever reads the secret of a
 * network is a member. Errors with USAGE.
 */
export async function checkApart(dir: string, stateDir: string): Promise<void> {
  if (await lies(stateDir, dir)) {
    const advice = 'Choose a folder for the state outside it with --state-dir.'
    throw new P2pError('USAGE', `The state folder ${stateDir} lies in the shared folder ${dir}`, { advice })
  }
  const { root } = userNetworks()
  if (await lies(root, dir)) {
    const advice = 'Share a folder that does not hold it, or name another place for it in $XDG_STATE_HOME.'
    throw new P2pError('USAGE', `The secrets of your networks (${root}) lie in the shared folder ${dir}`, { advice })
  }
}

async function lies(inner: string, outer: string): Promise<boolean> {
  const way = relative(await realPlace(resolve(outer)), await realPlace(resolve(inner)))
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

/** Where a folder lies, or will lie once it is made. */
async function realPlace(path: string): Promise<string> {
  const above = dirname(path)
  return realpath(path).catch(async () => (above === path ? path : join(await realPlace(above), basename(path))))
}
