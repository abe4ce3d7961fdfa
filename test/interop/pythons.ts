/** Which Python interpreters are here, and how tests are run once for each of them. */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'vitest'

export interface Python {
  readonly command: string
  readonly major: 2 | 3
  readonly version: string
}

/** A version manager's stand-in for an interpreter can be on the path and still refuse to run: only what runs counts. */
function running(command: string, major: 2 | 3): Python | undefined {
  const { status, stdout } = spawnSync(command, ['-c', 'import sys; print("%d.%d.%d" % sys.version_info[:3])'], {
    encoding: 'utf8',
    timeout: 10_000
  })
  if (status !== 0 || !stdout.startsWith(`${major}.`)) return undefined
  return { command, major, version: stdout.trim() }
}

function pyenvPythons2(): string[] {
  const versions = join(process.env['PYENV_ROOT'] ?? join(homedir(), '.pyenv'), 'versions')
  try {
    return readdirSync(versions)
      .filter((name) => name.startsWith('2.7'))
      .map((name) => join(versions, name, 'bin', 'python2.7'))
  } catch {
    return []
  }
}

function first(commands: readonly string[], major: 2 | 3): Python[] {
  for (const command of commands) {
    const python = running(command, major)
    if (python) return [python]
  }
  return []
}

const named2 = process.env['P2PRX_PYTHON2']
const pythons: readonly Python[] = [
  ...first(['python3', 'python'], 3),
  ...first(named2 ? [named2] : ['python2.7', ...pyenvPythons2(), 'python2'], 2)
]

/** As `describe`, once for each interpreter found; without any it says so and skips. */
export function describeWithPythons(title: string, tests: (python: Python) => void): void {
  if (named2 && !pythons.some(({ major }) => major === 2))
    throw new Error(`P2PRX_PYTHON2 is ${named2}, and that does not run as Python 2.7`)
  for (const python of pythons) describe(`${title}, with Python ${python.version}`, () => tests(python))
  if (pythons.length > 0) return
  process.stderr.write(`There is no Python here: skipping "${title}". Install python3 to run it.\n`)
  describe.skip(title, () => tests({ command: 'python3', major: 3, version: 'none' }))
}
