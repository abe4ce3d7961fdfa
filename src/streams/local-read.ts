/** Reads what we have ourselves in the way in which others are read, so that a download need not know the difference. */
import { catchError, concatMap, finalize, merge, type Observable, of, Subject } from 'rxjs'
import { acquired } from './acquired.js'
import type { Inbound, ReadOutcome, ReadRequest, Source } from './ports.js'

/** As any read it stays open until its bytes have been read, or it is given up. */
export function readOpened(
  { open, openRoot }: Pick<Inbound, 'open' | 'openRoot'>,
  { name, root, start, end, etag }: ReadRequest
): Observable<ReadOutcome> {
  return acquired(
    () => (root === undefined ? open(name) : openRoot(root)),
    (source) => source.close()
  ).pipe(
    concatMap((source): Observable<ReadOutcome> => {
      const closed$ = new Subject<never>()
      let closing: Promise<void> | undefined
      const close = () => (closing ??= source.close().finally(() => closed$.complete()))
      const givenUp = finalize<ReadOutcome>(() => void close().catch(() => undefined))
      if (etag !== undefined && etag !== source.etag) return of<ReadOutcome>({ type: 'changed' }).pipe(givenUp)
      const bytes = reading(source, close, start, end)
      const body: ReadOutcome = { type: 'body', size: source.size, start, etag: source.etag, bytes }
      return merge(of(body), closed$).pipe(givenUp)
    }),
    catchError(() => of<ReadOutcome>({ type: 'gone' }))
  )
}

async function* reading(
  source: Source,
  close: () => Promise<void>,
  start: number,
  end?: number
): AsyncGenerator<Uint8Array> {
  try {
    yield* source.read(start, end)
  } finally {
    await close()
  }
}
