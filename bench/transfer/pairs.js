/** Two ways to the same files, in turn, so that both have the same share of a machine whose speed wanders. */
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { median, scratch } from '../processes.js'

/**
 * Runs each contender into an empty folder, one after the other: once to warm up, which is looked at and not counted, and
 * then `runs` times. Gives for each its runs. `keep` leaves the folders to the end: ext4 passes over inodes that were freed
 * in the last 35 s one by one, so that whoever creates many files just after others were removed would pay for those.
 */
export async function inTurn(runs, contenders, check, { keep = false } = {}) {
  const results = Object.fromEntries(Object.keys(contenders).map((who) => [who, []]))
  const kept = []
  for (let number = 0; number <= runs; number++) {
    for (const [who, fetch] of Object.entries(contenders)) {
      const dir = scratch()
      // Nobody pays for what the one before has left to the disk.
      execFileSync('sync')
      const { seconds, peakMiB } = await fetch(dir)
      if (number === 0) await check(dir)
      if (keep) kept.push(dir)
      else rmSync(dir, { recursive: true })
      if (number > 0) results[who].push({ seconds, peakMiB })
    }
  }
  for (const dir of kept) rmSync(dir, { recursive: true })
  return results
}

const secondsOf = (runs) => runs.map(({ seconds }) => seconds)

/** The cells of a row: both times and the median of their ratios. */
export function compared(ours, other) {
  const [mine, theirs] = [secondsOf(ours), secondsOf(other)]
  return {
    ours: `${median(mine).toFixed(2)} s`,
    other: `${median(theirs).toFixed(2)} s`,
    ratio: median(mine.map((seconds, at) => seconds / theirs[at]))
  }
}

export const medianSeconds = (runs) => median(secondsOf(runs))
export const peakMB = (runs) => Math.max(...runs.map(({ peakMiB }) => peakMiB)) * 1.048576
