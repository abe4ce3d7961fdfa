/** Reads what we have ourselves in the way in which others are read, so that a download need not know the difference. */
import { catchError, defer, map, type Observable, of } from 'rxjs'
import type { ReadOutcome, ReadRequest, Source } from './ports.js'

export function readOpened(
  open: (name: string) => Promise<Source>,
  { name, start, end }: ReadRequest
): Observable<ReadOutcome> {
  return defer(() => open(name)).pipe(
    map((source): ReadOutcome => {
      return { type: 'body', size: source.size, start, etag: source.etag, bytes: closing(source, start, end) }
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
