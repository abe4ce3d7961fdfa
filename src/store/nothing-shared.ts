/** The library of a visitor, who shares nothing. */
import { defer, EMPTY, NEVER, of, switchMap } from 'rxjs'
import { P2pError } from '../errors.js'
import type { FolderLibrary } from './library.js'

const notFound = (what: string) => Promise.reject(new P2pError('NOT_FOUND', `Couldn't find the file ${what}`))

export const NOTHING_SHARED: FolderLibrary = {
  file$: of([]),
  change$: NEVER,
  find: () => Promise.resolve(undefined),
  open: notFound,
  findRoot: () => Promise.resolve(undefined),
  openRoot: notFound,
  hashes: ({ root }) => notFound(root),
  rootOf: notFound,
  // A pattern that makes no sense finds nothing anywhere.
  search: (pattern, { standing = false } = {}) =>
    defer(async () => (await import('./patterns.js')).compilePattern(pattern)).pipe(
      switchMap(() => (standing ? NEVER : EMPTY))
    ),
  list: () => ({ files: [], more: false }),
  start: () => Promise.resolve(),
  adopt: () => Promise.resolve(),
  close: () => Promise.resolve()
}
