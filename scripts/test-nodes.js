// Runs the built test suite on every newer Node the package promises to work with.
// The interpreters come from the npm registry, so nothing has to be installed by hand.
import { spawnSync } from 'node:child_process'

const VERSIONS = ['22', '24']

for (const version of VERSIONS) {
  console.log(`\nNode ${version}`)
  const args = ['--yes', '--package', `node@${version}`, '--', 'node', 'node_modules/vitest/vitest.mjs', 'run']
  const { status } = spawnSync('npx', args, { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
