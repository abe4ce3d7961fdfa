/**
 * TEMPORARY, gone at the merge: the public API as it will be, on top of the one there is. The rooms `cli` and `control`
 * import from here; afterwards this file is deleted and `../next.js` becomes `../index.js`.
 */
import { createHash } from 'node:crypto'
import { existsSync, realpathSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, isAbsolute, join, parse, resolve } from 'node:path'
import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  finalize,
  from,
  lastValueFrom,
  mergeMap,
  type Observable,
  of,
  scan,
  switchMap,
  take,
  toArray
} from 'rxjs'
import {
  type PeerOptions as BaseOptions,
  type Peer as BasePeer,
  type Progress as BaseProgress,
  createPeer as createBasePeer,
  type ErrorCode,
  P2pError
} from './index.js'

export { type ErrorCode, type KnownPeer, P2pError, type PeerEvent, parsePeerUrl, type SharedFile } from './index.js'

export interface FetchOptions {
  readonly ifExists?: 'refuse' | 'overwrite' | 'rename'
  readonly into?: string | undefined
  readonly wait?: boolean
}

export interface Progress extends BaseProgress {
  readonly rates?: readonly { readonly url: string; readonly bytesPerSecond: number }[]
  readonly state?: 'running' | 'queued' | 'waiting'
  readonly position?: number
  readonly code?: string
}

export interface FolderProgress {
  readonly files: number
  readonly done: number
  readonly skipped: number
  readonly failed: readonly { readonly name: string; readonly code: string; readonly message: string }[]
  readonly bytes: number
  readonly total: number
  readonly bytesPerSecond: number
  readonly listing: boolean
  readonly latest?: Progress
}

export interface Rates {
  readonly uploadBytesPerSecond?: number | undefined
  readonly downloadBytesPerSecond?: number | undefined
  readonly uploadBytesPerSecondPerPeer?: number | undefined
  readonly downloadBytesPerSecondPerPeer?: number | undefined
}

export interface PeerOptions extends BaseOptions {
  readonly stateDir?: string | undefined
  readonly rates?: Rates
  readonly uploadSlots?: number
  readonly cacheBytes?: number
}

export interface Peer extends Omit<BasePeer, 'fetch'> {
  readonly fetch: (name: string, options?: FetchOptions) => Observable<Progress>
  readonly fetchAll: (pattern: string, options?: FetchOptions) => Observable<FolderProgress>
  readonly setRates: (rates: Rates) => void
}

/** As the store's will be, for Linux only. */
export function defaultStateDir(dir: string): string {
  const { XDG_STATE_HOME = '' } = process.env
  const state = isAbsolute(XDG_STATE_HOME) ? XDG_STATE_HOME : join(homedir(), '.local', 'state')
  const real = existsSync(dir) ? realpathSync(dir) : resolve(dir)
  const digest = createHash('sha256').update(real).digest('hex').slice(0, 8)
  return join(state, 'p2p-rx', `${basename(real)}-${digest}`)
}

export function createPeer({
  stateDir: _,
  rates: _rates,
  uploadSlots: _slots,
  cacheBytes: _cache,
  ...options
}: PeerOptions): Peer {
  const base = createBasePeer(options)
  let url = ''
  base.ready().then(
    (own) => (url = own),
    () => undefined
  )
  const fetch = (name: string, { ifExists = 'refuse', into }: FetchOptions = {}): Observable<Progress> => {
    if (into === undefined && ifExists !== 'rename') return base.fetch(name, { overwrite: ifExists === 'overwrite' })
    const target = into ?? options.dir
    return defer(async () => {
      let free = name
      if (existsSync(join(target, name)) && ifExists === 'refuse')
        throw new P2pError('EXISTS', `You have ${name} already`)
      for (let n = 1; ifExists === 'rename' && existsSync(join(target, free)); n++) {
        const { dir, name: stem, ext } = parse(name)
        free = join(dir, `${stem} (${n})${ext}`)
      }
      await mkdir(target, { recursive: true })
      const temporary = await mkdtemp(join(target, '.p2p-rx-'))
      const known = await lastValueFrom(base.peers$.pipe(take(1)))
      const peers = [...(options.peers ?? []), ...known.map((one) => one.url), ...(url === '' ? [] : [url])]
      return { free, temporary, visitor: createBasePeer({ dir: temporary, visitor: true, peers: [...new Set(peers)] }) }
    }).pipe(
      switchMap(({ free, temporary, visitor }) =>
        visitor.fetch(name).pipe(
          concatMap(async (progress) => {
            if (progress.path === undefined) return progress
            const path = join(target, free)
            await mkdir(dirname(path), { recursive: true })
            await rename(progress.path, path)
            return { ...progress, path }
          }),
          finalize(() => void visitor.destroy().then(() => rm(temporary, { recursive: true, force: true })))
        )
      )
    )
  }
  const fetchAll = (pattern: string, fetchOptions: FetchOptions = {}): Observable<FolderProgress> => {
    const matches = globExpression(pattern)
    const asked = defer(async () => {
      await base.ready()
      const known = await lastValueFrom(base.peers$.pipe(take(1)))
      return [...new Set([...(options.peers ?? []), ...known.map((one) => one.url)])]
    })
    return asked.pipe(
      switchMap((urls) => from(urls)),
      mergeMap((one) => base.list(one).pipe(catchError(() => EMPTY))),
      mergeMap((files) => files.filter((file) => matches.test(file.name))),
      toArray(),
      switchMap((found) => {
        const files = [...new Map(found.map((file) => [file.name, file])).values()]
        const total = files.reduce((sum, { size }) => sum + size, 0)
        const start: FolderProgress = {
          files: files.length,
          done: 0,
          skipped: 0,
          failed: [],
          bytes: 0,
          total,
          bytesPerSecond: 0,
          listing: false
        }
        return from(files).pipe(
          concatMap(({ name }) =>
            fetch(name, fetchOptions).pipe(
              catchError((error: P2pError) =>
                of({ name, code: error.code, message: error.message, failed: true as const })
              )
            )
          ),
          scan((sum, step): FolderProgress => {
            if ('failed' in step) return { ...sum, failed: [...sum.failed, step] }
            const here = step.path !== undefined
            return { ...sum, done: sum.done + Number(here), bytes: sum.bytes + (here ? step.total : 0), latest: step }
          }, start),
          (steps$) => defer(() => from([of(start), steps$]).pipe(concatMap((one) => one)))
        )
      })
    )
  }
  return { ...base, fetch, fetchAll, setRates: () => undefined }
}

/** The code of a state folder in use, which errors.ts will have. */
export const STATE_IN_USE: ErrorCode = 'PORT_IN_USE'

function globExpression(pattern: string): RegExp {
  const source = pattern.replace(/[.+^${}()|\\]/g, '\\$&').replace(/\*\*\/?|\*|\?/g, (glob) => {
    if (glob.startsWith('**')) return '.*'
    return glob === '*' ? '[^/]*' : '[^/]'
  })
  return new RegExp(`^${source}$`)
}
