/** Lists of hostile names, as others have gathered them; their licences lie beside them. */
import { readdir, readFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'

const corpora = new URL('../corpora/', import.meta.url)

/** Paths that lead out of a folder, each once. */
export async function traversals(): Promise<readonly string[]> {
  const dir = new URL('path_traversal/', corpora)
  const names = new Set<string>()
  for (const file of await readdir(dir)) {
    if (!/\.txt(\.gz)?$/.test(file)) continue
    const content = await readFile(new URL(file, dir))
    const text = (file.endsWith('.gz') ? gunzipSync(content) : content).toString('latin1')
    for (const line of text.split(/\r?\n/)) if (line !== '') names.add(line)
  }
  return [...names]
}

export interface NaughtyName {
  readonly name: string | null
  readonly linux_legal: boolean
  readonly xml10_representable: boolean
}

export async function naughtyNames(): Promise<readonly NaughtyName[]> {
  return JSON.parse(await readFile(new URL('naughty_names/names.json', corpora), 'utf8')) as NaughtyName[]
}
