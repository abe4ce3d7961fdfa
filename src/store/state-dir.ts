import { hash } from 'node:crypto'
import { posix, win32 } from 'node:path'

/**
 * Where what outlives the process is kept for a share, given by its real path: one folder for each share, with the share's
 * name so that a person can tell them apart.
 */
export function defaultStateDir(
  realShareDir: string,
  env: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform,
  home: string
): string {
  const path = platform === 'win32' ? win32 : posix
  const name = `${path.basename(realShareDir)}-${hash('sha256', realShareDir).slice(0, 8)}`
  return path.join(stateRoot(env, platform, home), name)
}

/** The folder in which p2p-rx keeps all that outlives its processes, for this user. */
export function stateRoot(
  env: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform,
  home: string
): string {
  const path = platform === 'win32' ? win32 : posix
  // XDG: what is not absolute is not valid and has to be ignored.
  const given = platform === 'win32' ? env.LOCALAPPDATA : env.XDG_STATE_HOME
  const standard =
    platform === 'win32'
      ? path.join(home, 'AppData', 'Local')
      : platform === 'darwin'
        ? path.join(home, 'Library', 'Application Support')
        : path.join(home, '.local', 'state')
  const useGiven = platform !== 'darwin' && given !== undefined && path.isAbsolute(given)
  return path.join(useGiven ? given : standard, 'p2p-rx')
}
