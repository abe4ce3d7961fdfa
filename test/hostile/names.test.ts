import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { filter, firstValueFrom, from, lastValueFrom, mergeMap, toArray } from 'rxjs'
import { expect, test } from 'vitest'
import { isPlainName, isSuspectName } from '../../src/streams/names.js'
import { folder, start } from '../peer/network.js'
import { naughtyNames, traversals } from './corpora.js'

const escaped = (text: string) => text.replace(/[&<>\r]/g, (character) => `&#${character.charCodeAt(0)};`)

/** The book's `query`, as a Python client sends it. Gives the fault's code, or the whole answer. */
function query(agent: Agent, url: string, name: string, history: readonly string[]): Promise<number | string> {
  const urls = history.map((entry) => `<value><string>${entry}</string></value>`).join('')
  const params = `<param><value><string>${escaped(name)}</string></value></param><param><value><array><data>${urls}</data></array></value></param>`
  const body = `<?xml version='1.0'?><methodCall><methodName>query</methodName><params>${params}</params></methodCall>`
  return new Promise((resolve, reject) => {
    const call = request(`${url}/RPC2`, {
      method: 'POST',
      agent,
      headers: { 'Content-Length': Buffer.byteLength(body) }
    })
    call.on('error', reject).on('response', (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => {
        const fault = /<name>faultCode<\/name>\s*<value>\s*<int>(\d+)</.exec(text)
        resolve(fault === null ? `${response.statusCode ?? 0} ${text}` : Number(fault[1]))
      })
    })
    call.end(body)
  })
}

/** Asks for all of them, a few at a time. */
async function queryAll(url: string, names: readonly string[], history: readonly string[]) {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  const answers = from(names).pipe(
    mergeMap(async (name) => ({ name, answer: await query(agent, url, name, history) }), 16),
    toArray()
  )
  try {
    return await lastValueFrom(answers)
  } finally {
    agent.destroy()
  }
}

async function treeHash(dir: string): Promise<string> {
  const hash = createHash('sha256')
  for (const entry of (await readdir(dir, { recursive: true, withFileTypes: true })).sort((a, b) =>
    a.name < b.name ? -1 : 1
  )) {
    hash.update(`${entry.parentPath}/${entry.name}\n`)
    if (entry.isFile()) hash.update(await readFile(join(entry.parentPath, entry.name)))
  }
  return hash.digest('hex')
}

test('every path of the traversal lists is refused over the wire, and what leads out of a share is not passed on', {
  timeout: 120_000
}, async () => {
  const parent = await folder({ canary: 'CANARY', 'boot.ini': 'CANARY' })
  await mkdir(join(parent, 'share'))
  const before = await treeHash(parent)
  const neighbour = await start()
  const passedOn = new Set<string>()
  neighbour.peer.event$
    .pipe(filter((event) => event.type === 'query-received'))
    .subscribe(({ name }) => passedOn.add(name))
  const { url, peer } = await start({}, { dir: join(parent, 'share'), peers: [neighbour.url] })
  await firstValueFrom(peer.hello(neighbour.url))

  const names = await traversals()
  const direct = await queryAll(url, names, [])
  const relayed = await queryAll(
    url,
    names.filter((_, index) => index % 10 === 0),
    ['http://127.0.0.1:9']
  )

  expect(names.length).toBeGreaterThan(24_000)
  expect(direct.filter(({ answer }) => ![1, 100, 200].includes(answer as number))).toEqual([])
  expect(relayed.filter(({ answer }) => ![1, 100].includes(answer as number))).toEqual([])
  expect(direct.filter(({ name, answer }) => !isPlainName(name) && ![1, 200].includes(answer as number))).toEqual([])
  expect([...passedOn].filter((name) => !isPlainName(name) || isSuspectName(name))).toEqual([])
  // What is left are the comments of the lists, and two plain words.
  expect([...passedOn].filter((name) => !name.startsWith('#')).sort()).toEqual(['.htaccess', 'Statement'])
  expect(await treeHash(parent)).toBe(before)
})

test('every illegal name is refused, and every legal one that XML can carry goes round byte for byte', {
  timeout: 120_000
}, async () => {
  const all = await naughtyNames()
  const legal = all.flatMap(({ name, linux_legal, xml10_representable }) =>
    linux_legal && xml10_representable && name !== null ? [name] : []
  )
  const illegal = all.flatMap(({ name, linux_legal }) => (linux_legal || name === null ? [] : [name]))
  const one = await start()
  for (const name of legal) await writeFile(join(one.dir, name), `content of ${name}`)
  const other = await start({}, { peers: [one.url] })
  // Some stand in the list twice.
  await lastValueFrom(from(new Set(legal)).pipe(mergeMap((name) => other.peer.fetch(name), 4)))

  expect(legal).toHaveLength(397)
  expect((await readdir(other.dir)).sort()).toEqual([...new Set(legal)].sort())
  for (const name of legal) expect(await readFile(join(other.dir, name), 'utf8')).toBe(`content of ${name}`)

  const refused = await queryAll(
    one.url,
    illegal.filter((name) => !isPlainName(name) && !name.includes('\0')),
    []
  )
  expect(refused.filter(({ answer }) => answer !== 200)).toEqual([])
  // A slash is illegal in the name of a file but separates the parts of ours: such a name is a path inside the share.
  expect(illegal.filter((name) => isPlainName(name) && !name.includes('/'))).toEqual([])
})
