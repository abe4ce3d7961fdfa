/** The `--peers` file: one URL a line, blank lines and `#` comments allowed. */
import { P2pError, parsePeerUrl } from '../next.js'

/**
 * The URLs in the text of a peers file, in order, each once.
 * Throws a P2pError that names the file and the line which is not a peer's URL.
 */
export function parsePeersFile(text: string, fileName: string): string[] {
  const urls = new Set<string>()
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    // A comment begins at the start of a line or after white space; a `#` inside a word belongs to the word.
    const entry = line.replace(/(^|\s)#.*$/, '').trim()
    if (entry !== '') urls.add(parseEntry(entry, `${fileName} line ${index + 1}`))
  }
  return [...urls]
}

function parseEntry(entry: string, place: string): string {
  try {
    return parsePeerUrl(entry)
  } catch (error) {
    if (!(error instanceof P2pError)) throw error
    throw new P2pError(error.code, `${place}: ${error.message}`, { advice: error.advice, cause: error })
  }
}
