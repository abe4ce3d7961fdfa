/** The bar of a transfer: on stderr, and only where somebody looks. */
import type { SingleBar } from 'cli-progress'
import type { Progress } from '../index.js'
import { formatSize, printable } from './output.js'

/** Redraws per second: smooth to the eye, and nothing beside the transfer itself. */
const REDRAWS_PER_SECOND = 10

/** Shows one transfer; `stop` gives the terminal back and may be called at any time, also twice. */
export interface Bar {
  readonly show: (progress: Progress) => void
  readonly stop: () => void
}

const NO_BAR: Bar = { show: () => undefined, stop: () => undefined }

/** A bar on stderr, or nothing when that is no terminal or `wanted` is false. */
export async function createBar(wanted: boolean): Promise<Bar> {
  if (!wanted || !process.stderr.isTTY) return NO_BAR
  const { default: cliProgress } = await import('cli-progress')
  let bar: SingleBar | undefined
  return {
    show({ name, bytes, total, bytesPerSecond, holders }) {
      const details = {
        name: printable(name),
        done: formatSize(bytes),
        all: formatSize(total),
        rate: formatSize(Math.round(bytesPerSecond)),
        holders: holders.length
      }
      bar ??= startBar(new cliProgress.SingleBar(barOptions(), cliProgress.Presets.shades_classic), total, details)
      bar.setTotal(total)
      bar.update(bytes, details)
    },
    stop() {
      bar?.stop()
      bar = undefined
    }
  }
}

function startBar(bar: SingleBar, total: number, details: object): SingleBar {
  bar.start(total, 0, details)
  return bar
}

const barOptions = () => ({
  format: '{name} {bar} {percentage}%  {done} of {all}  {rate}/s  from {holders}',
  stream: process.stderr,
  fps: REDRAWS_PER_SECOND,
  hideCursor: true,
  // Its own handlers would end the process before the peer is closed.
  gracefulExit: false
})
