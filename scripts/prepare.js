// What npm runs after an install. `npx p2p-rx` in a clone links the clone into a cache of its own and calls it again each
// time: what `npm ci` has built is enough then, and a build that is broken off there would leave no program at all.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const isForNpx = process.env.npm_command === 'exec'

if (!isForNpx || !existsSync('dist/cli/main.js')) {
  const { status } = spawnSync('npm', ['run', 'build'], { stdio: 'inherit', shell: process.platform === 'win32' })
  process.exitCode = status ?? 1
}
