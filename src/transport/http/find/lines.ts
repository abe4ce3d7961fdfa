/** Lines out of a stream of bytes that is split anywhere. Never holds more than one line and what came with it. */
import { CallFailed } from '../failure.js'

const LINE_FEED = 10

export interface Lines {
  /** More bytes. To be called when there is no whole line left. */
  readonly push: (chunk: Buffer) => void
  /** The next whole line, without its line feed; nothing when more bytes are needed. Throws {@link CallFailed}. */
  readonly take: () => string | undefined
}

/** A line has at most `maxBytes`, its line feed included. */
export function createLines(maxBytes: number): Lines {
  let chunk: Buffer = Buffer.alloc(0)
  let at = 0
  /** The beginning of a line whose end is still to come. Its memory is reused: neighbours may send byte by byte. */
  let held: Buffer | undefined
  let heldBytes = 0

  const fitting = (bytes: number) => {
    if (heldBytes + bytes >= maxBytes) throw new CallFailed('nonsense', `a line is longer than ${maxBytes} bytes`)
  }

  return {
    push(more) {
      chunk = at === chunk.length ? more : Buffer.concat([chunk.subarray(at), more])
      at = 0
    },
    take() {
      if (at === chunk.length) return undefined
      const end = chunk.indexOf(LINE_FEED, at)
      const bytes = (end === -1 ? chunk.length : end) - at
      fitting(bytes)
      if (end !== -1 && heldBytes === 0) {
        const line = chunk.toString('utf8', at, end)
        at = end + 1
        return line
      }
      held ??= Buffer.allocUnsafe(maxBytes)
      heldBytes += chunk.copy(held, heldBytes, at, at + bytes)
      at += bytes
      if (end === -1) return undefined
      at++
      const line = held.toString('utf8', 0, heldBytes)
      heldBytes = 0
      return line
    }
  }
}
