import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { createPeer } from '../../src/index.js'
import { folder, start } from './network.js'

test('after 200 cycles of start and close nothing is left open and the heap is flat', {
  timeout: 120_000
}, async () => {
  const script = fileURLToPath(new URL('cycles.js', import.meta.url))
  const child = spawn(process.execPath, ['--expose-gc', script, '200'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
  const [exitCode] = (await once(child, 'close')) as [number]
  expect(exitCode).toBe(0)
  const { left, grownBytes } = JSON.parse(output) as { left: string[]; grownBytes: number }
  expect(left).toEqual([])
  expect(grownBytes).toBeLessThan(2 * 1024 * 1024)
})

test('a peer can be closed while it starts, twice, and after it failed to start', async () => {
  const dir = await folder()
  const early = createPeer({ dir, port: 0 })
  const ready = early.ready().catch((error: unknown) => (error as { code: string }).code)
  await Promise.all([early.close(), early.close(), early.destroy()])
  expect(await ready).toBe('CLOSED')

  const { url } = await start()
  const late = createPeer({ dir, port: Number(new URL(url).port) })
  await expect(late.ready()).rejects.toMatchObject({ code: 'PORT_IN_USE' })
  await late.close()
})

test('a port is free again at once after close', async () => {
  const first = await start()
  await first.peer.close()
  const second = createPeer({ dir: first.dir, url: first.url })
  expect(await second.ready()).toBe(first.url)
  await second.close()
})
