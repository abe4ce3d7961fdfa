/** Programs that a bench starts beside itself, each measured by the kernel's own accounts. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const RUNS = 5

export const MAIN = new URL('../dist/cli/main.js', import.meta.url).pathname

const running = new Set()
const folders = []
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** A folder that is gone when the bench is. */
export function scratch() {
  const dir = mkdtempSync(join(tmpdir(), 'p2p-rx-bench-'))
  folders.push(dir)
  return dir
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** Starts a program and waits for the first thing it says, on stdout or stderr. */
export async function serve(command, ...args) {
  const child = spawn(command, args, { stdio: 'pipe' })
  running.add(child)
  await Promise.race([
    once(child.stdout, 'data'),
    once(child.stderr, 'data'),
    once(child, 'exit').then(() => Promise.reject(new Error(`${command} ended before it served`)))
  ])
  child.stdout.resume()
  child.stderr.resume()
  return {
    peakMiB: () => peakOf(child.pid),
    async stop() {
      running.delete(child)
      if (child.exitCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  }
}

/** Runs a program to its end: what it printed, the time it took and the most memory it held. */
export async function run(command, ...args) {
  const startedMs = performance.now()
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (errors += chunk))
  let peakMiB = 0
  // The high-water mark is gone with the process, so it is read while it lives.
  const watch = setInterval(() => (peakMiB = Math.max(peakMiB, peakOf(child.pid))), 20)
  const [code] = await once(child, 'close')
  clearInterval(watch)
  running.delete(child)
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${errors}`)
  return { output, seconds: (performance.now() - startedMs) / 1_000, peakMiB }
}

function peakOf(pid) {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024
  } catch {
    return 0
  }
}

export function median(numbers) {
  const sorted = [...numbers].sort((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)]
}
