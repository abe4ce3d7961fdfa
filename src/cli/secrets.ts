/** Secrets that somebody types or pipes in: never echoed, never in an argument, never in a history. */
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { P2pError } from '../index.js'

/** Several times the longest invite. */
const MAX_INPUT_BYTES = 8 * 1024
const INTERRUPTED_EXIT_CODE = 130

/** Whether somebody is there to be asked. */
export const canAsk = (): boolean => process.stdin.isTTY && process.stderr.isTTY

/** Asks at the terminal, without showing what is typed. Empty when there is no more input. */
export async function askHidden(question: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true, historySize: 0 })
  // Only now does the terminal show nothing of what is typed.
  process.stderr.write(question)
  try {
    return await new Promise<string>((resolve) => {
      lines.on('line', resolve)
      lines.on('close', () => resolve(''))
      // Read key by key, a terminal sends no signal for Ctrl-C.
      lines.on('SIGINT', () => {
        lines.close()
        process.stderr.write('\n')
        process.exit(INTERRUPTED_EXIT_CODE)
      })
    })
  } finally {
    lines.close()
    process.stderr.write('\n')
  }
}

/** All that is piped in. Errors with USAGE when it is too much. */
export async function readPiped(): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_INPUT_BYTES)
      throw new P2pError('USAGE', `More than ${MAX_INPUT_BYTES} bytes were piped in`, { advice: 'Pipe one line in.' })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
