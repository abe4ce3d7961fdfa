/** Answers that carry nothing but their status, and why. */
import { type ServerResponse, STATUS_CODES } from 'node:http'

/** Ends a request with a bare status; `close` when its sender is not to be trusted with the connection any longer. */
export function refuse(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
  close = false,
  reason = STATUS_CODES[status] ?? 'Refused'
): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const text = `${reason}\n`
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'X-Content-Type-Options': 'nosniff',
    'Content-Length': Buffer.byteLength(text),
    ...headers,
    ...(close ? { Connection: 'close' } : {})
  })
  response.end(text)
}
