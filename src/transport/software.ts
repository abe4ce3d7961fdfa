/** Which p2p-rx this is, as its package says. */
import { readFileSync } from 'node:fs'

const { name, version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  name: string
  version: string
}

export const SOFTWARE = { name, version } as const
