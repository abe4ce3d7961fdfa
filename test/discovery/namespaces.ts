/** Two computers in one: network namespaces on the two ends of a cable, for tests as root on Linux. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { onTestFinished, type TestContext } from 'vitest'

export interface Computer {
  /** Its address on the cable from now on, in place of any before. */
  readonly address: (address: string) => void
  /** Starts a program there; it is ended with the test. */
  readonly run: (command: string, args: readonly string[]) => Running
}

export interface Running {
  /** The lines it wrote to stdout so far. */
  readonly lines: readonly string[]
  /** The first line that fits, if need be once it has been written. Rejects when the program ends without. */
  readonly line: (fits: (line: string) => boolean) => Promise<string>
  /** Asks it to end, and waits until it has. */
  readonly stop: () => Promise<void>
  readonly child: ChildProcess
  /** Resolves when it has ended. */
  readonly ended: Promise<void>
}

let count = 0

/** Two computers on one cable, or the end of the test where that is not allowed. */
export function twoComputers({ skip }: TestContext): readonly [Computer, Computer] {
  const tag = `p2prx${process.pid % 100_000}-${count++}`
  const [one, other] = [`${tag}a`, `${tag}b`]
  onTestFinished(() => {
    for (const name of [one, other]) attempt('netns', 'del', name)
  })
  // The cable goes with the namespaces.
  const made =
    attempt('netns', 'add', one) &&
    attempt('netns', 'add', other) &&
    attempt('-n', one, 'link', 'add', 'cable', 'type', 'veth', 'peer', 'name', 'cable', 'netns', other)
  if (!made) skip('network namespaces are not allowed here')
  return [computer(one), computer(other)]
}

function computer(name: string): Computer {
  for (const device of ['lo', 'cable']) ip('-n', name, 'link', 'set', device, 'up')
  return {
    address(address) {
      ip('-n', name, 'addr', 'flush', 'dev', 'cable')
      ip('-n', name, 'addr', 'add', `${address}/24`, 'dev', 'cable')
    },
    run: (command, args) =>
      running(spawn('ip', ['netns', 'exec', name, command, ...args], { stdio: ['ignore', 'pipe', 'inherit'] }))
  }
}

function running(child: ChildProcess): Running {
  const lines: string[] = []
  const waiting = new Set<() => void>()
  const wake = () => {
    for (const look of [...waiting]) look()
  }
  const ended = once(child, 'close').then(wake)
  if (child.stdout !== null) {
    createInterface(child.stdout).on('line', (line) => {
      lines.push(line)
      wake()
    })
  }
  const stop = async () => {
    child.kill('SIGTERM')
    await ended
  }
  onTestFinished(stop)
  return {
    lines,
    child,
    ended,
    stop,
    line: (fits) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = lines.find(fits)
          const over = child.exitCode !== null || child.signalCode !== null
          if (found === undefined && !over) return
          waiting.delete(look)
          if (found === undefined) reject(new Error(`it ended after ${JSON.stringify(lines)}`))
          else resolve(found)
        }
        waiting.add(look)
        look()
      })
  }
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: 'pipe' })
}

function attempt(...args: readonly string[]): boolean {
  try {
    ip(...args)
    return true
  } catch {
    return false
  }
}
