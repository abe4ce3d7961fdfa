/** Programs that a bench starts beside itself, each measured by the kernel's own accounts. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

export const RUNS = 5

export const MAIN = new URL('../dist/cli/main.js', import.meta.url).pathname

// As the programs it is compared with: in the clear. Older builds know nothing of it, and do so anyway.
process.env.P2PRX_OPEN = '1'

const running = new Set()
const folders = []
process.on('exit', () => {
  for (const child of running) kill(child)
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})
// A signal alone would end the bench without its clean-up.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1))

/** The program and whatever it has started itself. */
function kill(child) {
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}

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

/** Starts a program that serves until it is stopped; what it says is not read. `failed` rejects should it end before. */
export function launch(command, ...args) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  running.add(child)
  let said = ''
  child.stderr.on('data', (chunk) => (said = `${said}${chunk}`.slice(-500)))
  child.stdout.resume()
  const failed = new Promise((_, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`${command} ended with ${code} before it served: ${said.trim()}`)))
  })
  failed.catch(() => undefined)
  return {
    child,
    failed,
    peakMiB: () => peakOf(child.pid),
    async stop() {
      running.delete(child)
      if (child.exitCode !== null || child.signalCode !== null) return
      kill(child)
      await once(child, 'exit')
    }
  }
}

/** Starts a program and waits for the first thing it says, on stdout or stderr. */
export async function serve(command, ...args) {
  const server = launch(command, ...args)
  const { stdout, stderr } = server.child
  await Promise.race([once(stdout, 'data'), once(stderr, 'data'), server.failed])
  return server
}

/** Starts a program that says nothing, and waits until its port takes connections. */
export async function serveOn(port, command, ...args) {
  const server = launch(command, ...args)
  await Promise.race([connectable(port), server.failed])
  return server
}

async function connectable(port) {
  for (let tries = 0; tries < 500; tries++) {
    const socket = connect(port, '127.0.0.1')
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false
    )
    socket.destroy()
    if (isOpen) return
    await setTimeout(20)
  }
  throw new Error(`Nobody listens at port ${port}`)
}

/** Runs a program to its end: what it printed, the time it took and the most memory it held. */
export async function run(command, ...args) {
  const startedMs = performance.now()
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  running.add(child)
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (errors += chunk))
  let peakMiB = 0
  // The high-water mark is gone with the process, so it is read while it lives.
  const watch = setInterval(() => (peakMiB = Math.max(peakMiB, peakOf(child.pid))), 20)
  const [code] = await once(child, 'close').finally(() => clearInterval(watch))
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
