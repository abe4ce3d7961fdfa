/** What there is to compare with, and the machine it all runs on. */
import { spawnSync } from 'node:child_process'
import { availableParallelism, cpus, release, type } from 'node:os'

function versionOf(command, flag) {
  const { error, stdout, stderr } = spawnSync(command, [flag], { encoding: 'utf8' })
  return error === undefined ? (/\d+\.\d+[.\d]*/.exec(stdout + stderr)?.[0] ?? '?') : undefined
}

const TOOLS = {
  aria2c: { version: versionOf('aria2c', '--version'), package: 'aria2' },
  nginx: { version: versionOf('nginx', '-v'), package: 'nginx-light' },
  rsync: { version: versionOf('rsync', '--version'), package: 'rsync' },
  curl: { version: versionOf('curl', '--version'), package: 'curl' }
}

/** Throws what to install, if one of these is not here. */
export function need(...names) {
  const missing = names.filter((name) => TOOLS[name].version === undefined)
  if (missing.length === 0) return
  const packages = missing.map((name) => TOOLS[name].package).join(' ')
  throw new Error(`${missing.join(', ')} not installed: apt-get install ${packages}`)
}

export function machine(webTorrent) {
  const tools = Object.entries(TOOLS).map(([name, { version = 'not installed' }]) => `${name} ${version}`)
  const parts = [
    `${availableParallelism()} cores (${cpus()[0]?.model.trim()})`,
    `${type()} ${release()}`,
    `Node ${process.versions.node}`,
    ...tools,
    `webtorrent ${webTorrent?.version ?? 'not installed'}`
  ]
  return parts.join(', ')
}
