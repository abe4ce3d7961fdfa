/** The built program among Python nodes, each a process of its own. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { buffer, text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { Field, found, implementations, SECRET } from './harness.js'
import { describeWithPythons } from './pythons.js'

const PROGRAM = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

function start(field: Field, ...args: string[]) {
  if (!existsSync(PROGRAM)) throw new Error('there is no dist/: run `npm run build` first')
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Python nodes speak plain HTTP.
    env: { ...process.env, P2PRX_OPEN: '1' }
  })
  const exited = once(child, 'exit')
  field.atEnd(async () => {
    child.kill('SIGKILL')
    await exited
  })
  return { child, exited }
}

async function run(field: Field, ...args: string[]) {
  const { child, exited } = start(field, ...args)
  const [out, err] = await Promise.all([buffer(child.stdout), text(child.stderr)])
  const [code] = (await exited) as [number | null]
  return { code, out, err }
}

async function startPeer(field: Field, ...args: string[]) {
  const { child } = start(field, 'start', '--port', '0', '--no-shell', '--json', ...args)
  child.stderr.resume()
  for await (const line of createInterface(child.stdout)) {
    const event = JSON.parse(line) as { type: string; url: string }
    if (event.type !== 'listening') continue
    child.stdout.resume()
    return { child, url: event.url }
  }
  throw new Error('it ended before it listened')
}

describeWithPythons('the program p2p-rx', (python) => {
  const field = new Field()
  afterEach(field.clear)
  const binary = Buffer.from(Array.from({ length: 256 }, (_, i) => i))

  for (const implementation of implementations) {
    test(`gets a file from a Python node, and says so when there is none (${implementation})`, async () => {
      const holder = await field.node(python, implementation, { notes: 'one\r\ntwo\r\n' })
      const dir = await field.folder()
      const got = await run(field, 'get', 'notes', '--peer', holder.url, '-o', dir)
      expect([got.code, got.out.toString()], got.err).toEqual([0, ''])
      expect(await readFile(join(dir, 'notes'), 'utf8')).toBe('one\r\ntwo\r\n')
      const piped = await run(field, 'get', 'notes', '--peer', holder.url, '-o', '-')
      expect([piped.code, piped.out.toString()], piped.err).toEqual([0, 'one\r\ntwo\r\n'])
      const missed = await run(field, 'get', 'fooo', '--peer', holder.url, '-o', dir)
      expect([missed.code, missed.err]).toEqual([3, expect.stringContaining("Couldn't find the file fooo")])
      // Somebody who only fetches cannot be asked: nobody is to know of it.
      expect([...(await holder.report()).known]).toEqual([])
    })

    test(`stands among Python nodes on both sides (${implementation})`, async () => {
      const client = field.client(python)
      const holder = await field.node(python, implementation, { far: 'from afar\r\n' })
      const dir = await field.folder({ near: binary })
      const { url } = await startPeer(field, '--dir', dir, '--peer', holder.url)
      const asker = await field.node(python, implementation)
      await client.call(asker.url, 'hello', implementation === '27-1' ? `${url}/simple` : url)
      expect(found(await client.call(asker.url, 'query', 'near'))).toEqual(binary)
      expect(await client.call(asker.url, 'fetch', 'far', SECRET)).toEqual({ value: implementation === '27-1' ? 1 : 0 })
      expect(await readFile(join(asker.dir, 'far'), 'utf8')).toBe('from afar\r\n')
      expect(found(await client.call(asker.url, 'query', 'nowhere'))).toBe('missed')
      expect((await asker.report()).removed).toEqual([])
    })
  }
})
