/** What the bar of a transfer says, as plain functions of its progress. */
import type { Transfer } from '../control/messages.js'
import type { FolderProgress, Progress } from '../index.js'
import { formatTime } from './amounts.js'
import { formatSize, printable } from './output.js'

const BAR_CHARS = 20
/** Of a name, where the terminal is narrow: still enough to tell files apart. */
const LEAST_NAME_CHARS = 12

/** The lines of one transfer for a terminal so wide; the first is its bar. */
export type Row = (columns: number) => readonly string[]

export function fileRowOf(progress: Progress, verbose: number): Row {
  const { name, bytes, total, bytesPerSecond, rates } = progress
  const details = fileDetails(progress)
  const below = verbose > 0 ? holderLines(rates, bytesPerSecond) : []
  return (columns) => [line(name, bar(bytes, total), details, columns), ...below]
}

export function folderRowOf(pattern: string, progress: FolderProgress, verbose: number): Row {
  const { failed, bytes, total, latest } = progress
  const details = folderDetails({ ...progress, failed: failed.length })
  const below =
    verbose > 0 && latest !== undefined
      ? [`  ${printable(latest.name)}`, ...holderLines(latest.rates, latest.bytesPerSecond)]
      : []
  return (columns) => [line(pattern, bar(bytes, total), details, columns), ...below]
}

/** A transfer in one line of a table, without a bar. */
export function transferLine(transfer: Transfer): string {
  if (transfer.kind === 'folder') return `${transfer.pattern}  ${folderDetails(transfer)}`
  return `${transfer.name}  ${fileDetails(transfer).trimStart()}`
}

function fileDetails(progress: Progress): string {
  const { bytes, total } = progress
  return `${percent(bytes, total)}  ${formatSize(bytes)} of ${formatSize(total)}  ${doing(progress)}`
}

function folderDetails(progress: Omit<FolderProgress, 'failed' | 'latest'> & { readonly failed: number }): string {
  const { files, done, skipped, failed, bytes, total, bytesPerSecond, listing } = progress
  return joined([
    // More may be found while the peers are still being asked.
    `${done + skipped + failed} of ${files}${listing ? '+' : ''} files`,
    `${formatSize(bytes)} of ${formatSize(total)}`,
    `${formatSize(Math.round(bytesPerSecond))}/s`,
    timeLeft(bytes, total, bytesPerSecond),
    failed > 0 ? `${failed} failed` : undefined
  ])
}

/** What goes on now: how fast, or what it waits for. */
function doing({ state, position, code, bytes, total, bytesPerSecond, holders }: Progress): string {
  if (state === 'queued') return position === undefined ? 'waits its turn' : `number ${position} in the queue`
  if (state === 'waiting') return waitsFor(code ?? 'unknown')
  const rate = `${formatSize(Math.round(bytesPerSecond))}/s`
  return joined([rate, timeLeft(bytes, total, bytesPerSecond), `from ${holders.length}`])
}

export function waitsFor(code: string): string {
  return WAITS_FOR[code] ?? `waits (${printable(code)})`
}

const WAITS_FOR: Partial<Record<string, string>> = {
  DISK: 'waits for room on the disk',
  FOLDER: 'waits for the folder',
  NOT_FOUND: 'waits for somebody who has it',
  NETWORK: 'waits for somebody who has it',
  TIMEOUT: 'waits for somebody who has it',
  UNFINISHED: 'waits for somebody who has the rest',
  INTEGRITY: 'waits for somebody who has it whole',
  BUSY: 'waits for a free place'
}

function timeLeft(bytes: number, total: number, bytesPerSecond: number): string | undefined {
  return bytesPerSecond > 0 && bytes < total ? `${formatTime((total - bytes) / bytesPerSecond)} left` : undefined
}

function holderLines(
  rates: readonly { readonly url: string; readonly bytesPerSecond?: number }[],
  all: number
): string[] {
  return rates.map(({ url, bytesPerSecond = rates.length === 1 ? all : undefined }) =>
    joined([
      `  ${printable(url)}`,
      bytesPerSecond === undefined ? undefined : `${formatSize(Math.round(bytesPerSecond))}/s`
    ])
  )
}

const joined = (parts: readonly (string | undefined)[]) => parts.filter((part) => part !== undefined).join('  ')

function percent(bytes: number, total: number): string {
  return `${total === 0 ? 100 : Math.floor((bytes / total) * 100)}%`.padStart(4)
}

function bar(bytes: number, total: number): string {
  const full = total === 0 ? BAR_CHARS : Math.min(BAR_CHARS, Math.floor((bytes / total) * BAR_CHARS))
  return '█'.repeat(full) + '░'.repeat(BAR_CHARS - full)
}

/** The name gives way first, in its middle, then the bar: the figures are what is looked at. */
function line(name: string, drawn: string, details: string, columns: number): string {
  const shown = printable(name)
  const room = columns - details.length - 2
  const besideBar = room - drawn.length - 1
  if (besideBar >= Math.min(shown.length, LEAST_NAME_CHARS)) return `${shortened(shown, besideBar)} ${drawn} ${details}`
  return `${shortened(shown, Math.max(LEAST_NAME_CHARS, room))} ${details}`
}

/** Cut out of the middle. */
export function shortened(text: string, chars: number): string {
  // By code points, so that no half of a surrogate pair is left.
  const points = Array.from(text)
  if (points.length <= chars) return text
  const end = Math.floor((chars - 1) / 2)
  return [...points.slice(0, chars - 1 - end), '…', ...points.slice(points.length - end)].join('')
}
