/** Reads what we have ourselves in the way in which others are read, so that a download need not know the difference. */
import { catchError, defer, map, type Observable, of } from 'rxjs'
import type { Inbound, ReadOutcome, ReadRequest, Source } from './ports.js'

export function readOpened(
  { open, openRoot }: Pick<Inbound, 'open' | 'openRoot'>,
  { name, root, start, end, etag }: ReadRequest
): Observable<ReadOutcome> {
  return defer(() => (root === undefined ? open(name) : openRoot(root))).pipe(
    map((source): ReadOutcome => {
      if (etag === undefined || etag === source.etag) {
        return { type: 'body', size: source.size, start, etag: source.etag, bytes: closing(source, start, end) }
      }
      void source.close()
      return { type: 'changed' }
    }),
    catchError(() => of<ReadOutcome>({ type: 'gone' }))
  )
}

async function* closing(source: Source, start: number, end?: number): AsyncGenerator<Uint8Array> {
  try {
    yield* source.read(start, end)
  } finally {
    await source.close()
  }
}
