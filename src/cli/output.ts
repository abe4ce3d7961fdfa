/** What the command line says, and where: stdout carries data, stderr carries talk. */
import { styleText } from 'node:util'
import { type KnownPeer, P2pError, type SharedFile } from '../index.js'

type Style = 'red' | 'yellow'

/**
 * The text with control characters as `\xNN` and the marks that turn the writing direction as `\u{NNNN}`.
 * Names and messages come from other people: unescaped, one could move the cursor or retitle the terminal.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
  })
}

function writeLine(stream: NodeJS.WriteStream, text: string, style?: Style): void {
  const safe = printable(text)
  stream.write(`${style ? styleText(style, safe, { stream, validateStream: true }) : safe}\n`)
}

/** Writes one line, somewhere. */
export type Say = (text: string, style?: Style) => void

/** One line of talk, on stderr. */
export function say(text: string, style?: Style): void {
  writeLine(process.stderr, text, style)
}

/** One line of data for people, on stdout. */
export function answer(text: string, style?: Style): void {
  writeLine(process.stdout, text, style)
}

/** One line of data for `cut` and its like, on stdout: no field can hold the tab between them. */
export function answerFields(fields: readonly string[]): void {
  process.stdout.write(`${fields.map(printable).join('\t')}\n`)
}

/** One line of data for programs, on stdout. */
export function writeJson(value: unknown): void {
  // JSON escapes the control characters below U+0020 itself; a terminal acts on these just as well.
  const text = JSON.stringify(value).replace(
    /[\p{Cc}\p{Bidi_Control}]/gu,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`
  )
  process.stdout.write(`${text}\n`)
}

/** What went wrong and what to do next, as one line. */
export function sentenceOf(error: P2pError): string {
  const message = /[.!?]$/.test(error.message) ? error.message : `${error.message}.`
  return error.advice ? `${message} ${error.advice}` : message
}

/** Reports what ended a command and returns the exit code for it. */
export function reportError(thrown: unknown): number {
  const error =
    thrown instanceof P2pError
      ? thrown
      : new P2pError('OTHER', thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown })
  say(`p2p-rx: ${sentenceOf(error)}`, 'red')
  if (process.env.P2PRX_DEBUG) console.error(error)
  return error.exitCode
}

/** A number of bytes for people: `999 B`, `1.5 MiB`. */
export function formatSize(sizeBytes: number): string {
  const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let size = sizeBytes
  let unit = 'B'
  for (const next of units) {
    // 1023.95 would be printed as 1024.0
    if (size < 1023.95) break
    size /= 1024
    unit = next
  }
  return unit === 'B' ? `${size} B` : `${size.toFixed(1)} ${unit}`
}

/** A shared file as a row: its size, and its name last, since that alone may hold spaces. */
export function fileRow({ name, size }: Pick<SharedFile, 'name' | 'size'>): string {
  return `${formatSize(size).padStart(10)}  ${name}`
}

/** Of an id, as much as people compare. */
export function shortId(id: string): string {
  return id.slice(0, 12)
}

/** A neighbour as a row; one that cannot be used at present stands out. */
export function peerRow({ url, state, dialect, roundTripMs, reason, id }: KnownPeer): readonly [string, Style?] {
  const details = [
    dialect,
    roundTripMs === undefined ? undefined : `${Math.max(1, Math.round(roundTripMs))} ms`,
    state === 'failing' ? reason : undefined,
    // In the open it is only what somebody says.
    id === undefined || !url.startsWith('https:') ? undefined : shortId(id)
  ]
  const text = [url, state.padEnd('failing'.length), ...details.filter((detail) => detail !== undefined)].join('  ')
  return state === 'failing' ? [text, 'yellow'] : [text.trimEnd()]
}
