/** How fetches ended, in words and as an exit code. */
import { type FolderProgress, P2pError } from '../index.js'
import type { Outcome } from './fetching.js'
import { formatSize, type Say, sentenceOf } from './output.js'
import { errorOf } from './running.js'

/** Of a folder of which much failed: as many as a screen shows. */
const MAX_FAILURES_TOLD = 10

/** Tells what became of a name. */
export function tellOutcome(outcome: Outcome, say: Say, into: string): void {
  switch (outcome.type) {
    case 'here':
      say(`Fetched ${outcome.name} (${formatSize(outcome.size)}) to ${outcome.path}`)
      return
    case 'skipped':
      say(`Skipped ${outcome.name}: it is here already.`)
      return
    case 'failed':
      say(`p2p-rx: ${sentenceOf(withAdvice(outcome.error))}`, 'red')
      if (process.env.P2PRX_DEBUG) console.error(outcome.error)
      return
    case 'folder':
      tellFolder(outcome.name, outcome.progress, say, into)
  }
}

export function tellFolder(pattern: string, progress: FolderProgress, say: Say, into?: string): void {
  const { files, done, skipped, failed, bytes } = progress
  const where = into === undefined ? '' : ` to ${into}`
  const besides = skipped === 0 ? '' : `; ${filesOf(skipped)} here already`
  say(`Fetched ${filesOf(done)} (${formatSize(bytes)}) of ${pattern}${where}${besides}`)
  if (failed.length === 0) return
  say(`p2p-rx: ${failed.length} of ${filesOf(files)} of ${pattern} failed. Run the same command again for them:`, 'red')
  for (const { name, message } of failed.slice(0, MAX_FAILURES_TOLD)) say(`  ${name}: ${message}`)
  if (failed.length > MAX_FAILURES_TOLD) say(`  and ${failed.length - MAX_FAILURES_TOLD} more`)
}

const filesOf = (count: number) => `${count} ${count === 1 ? 'file' : 'files'}`

/** The error's own exit code when nothing came, that of unfinished work when some did. */
export function exitCodeOf(outcomes: readonly Outcome[]): number {
  const failures = outcomes.flatMap((outcome) => {
    if (outcome.type === 'failed') return [outcome.error]
    return outcome.type === 'folder' ? outcome.progress.failed.map(errorOf) : []
  })
  const [first] = failures
  if (first === undefined) return 0
  const some = outcomes.some(
    (outcome) =>
      outcome.type === 'here' ||
      outcome.type === 'skipped' ||
      (outcome.type === 'folder' && outcome.progress.done + outcome.progress.skipped > 0)
  )
  return (some ? new P2pError('UNFINISHED', '') : first).exitCode
}

function withAdvice(error: P2pError): P2pError {
  if (error.code !== 'EXISTS') return error
  const advice = 'Say --overwrite to replace it, --rename to keep both, or --skip.'
  return new P2pError('EXISTS', error.message, { advice, cause: error })
}
