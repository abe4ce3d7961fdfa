/** What is told of one file on its way: to whoever waits for it, and to whoever listens. */
import type { DownloadStep } from './download-step.js'
import type { Happening } from './events.js'
import type { PeerUrl } from './ports.js'
import type { SourceRate } from './swarm.js'

/** How far a file is. */
export interface Progress {
  readonly name: string
  /** Bytes here so far, verified where the root is known, in whole pieces of 1 MiB: a kill would not lose them. */
  readonly bytes: number
  /** Bytes in all. */
  readonly total: number
  /** Of all who send now; in the last one the mean since the start. */
  readonly bytesPerSecond: number
  /** Who sends now. */
  readonly holders: readonly PeerUrl[]
  /** How fast each of them is. */
  readonly rates: readonly SourceRate[]
  /** `queued`: all who have it serve others first. `waiting`: it could not go on, and tries again by itself. */
  readonly state: 'running' | 'queued' | 'waiting'
  /** Our place in the shortest queue, from 1; while `queued`. */
  readonly position?: number
  /** Why it could not go on; while `waiting`. */
  readonly code?: string
  /** Bytes that an earlier try had left and that are right; once. `changed`: it was of another content than its source has now. */
  readonly resumed?: { readonly bytes: number; readonly changed: boolean }
  /** Where the file is; in the last one only. */
  readonly path?: string
  /** BEP 52 root of the content; in the last one only. */
  readonly root?: string
}

export type TransferResult =
  | { readonly type: 'progress'; readonly progress: Progress }
  | { readonly type: 'failed'; readonly code: string; readonly detail: string }

/** A result for who waits, where there is one, and what happened for who listens. */
export interface Telling {
  readonly result?: TransferResult
  readonly happening: Happening
}

/** A step, with what is to be told beside it. */
export interface Told {
  readonly step: DownloadStep
  readonly total: number
  readonly meanRate: number
}

/** What one step of a download means for whoever waits for it, and for whoever listens. */
export function told(name: string, { step: what, total, meanRate }: Told): Telling {
  const result = (progress: Partial<Progress>): TransferResult => {
    const base: Progress = { name, bytes: 0, total, bytesPerSecond: 0, holders: [], rates: [], state: 'running' }
    return { type: 'progress', progress: { ...base, ...progress } }
  }
  switch (what.type) {
    case 'started':
      return { result: result({}), happening: { type: 'transfer-started', name, size: total } }
    case 'resumed': {
      const { bytes, changed } = what
      return {
        result: result({ bytes, resumed: { bytes, changed } }),
        happening: { type: 'transfer-resumed', name, bytes, changed }
      }
    }
    case 'progressed': {
      const { bytes, sources: rates, position } = what
      const bytesPerSecond = rates.reduce((sum, rate) => sum + rate.bytesPerSecond, 0)
      const queued = position === undefined ? {} : { state: 'queued' as const, position }
      const now = { bytes, bytesPerSecond, holders: rates.map(({ url }) => url), rates, ...queued }
      const happening: Happening = { type: 'transfer-progressed', name, total, ...now }
      return { result: result(now), happening }
    }
    case 'rejected':
      return { happening: { type: 'piece-rejected', name, holder: what.holder } }
    case 'done': {
      const { path, root } = what
      const happening: Happening = { type: 'transfer-completed', name, size: total, path, root }
      return { result: result({ bytes: total, bytesPerSecond: meanRate, path, root }), happening }
    }
    case 'failed':
      return { result: what, happening: { type: 'transfer-failed', name, code: what.code } }
  }
}

/** That it could not go on, and tries again. */
export function waits(name: string, { total }: Told, code: string): Telling {
  const progress = { name, bytes: 0, total, bytesPerSecond: 0, holders: [], rates: [], state: 'waiting', code } as const
  return {
    result: { type: 'progress', progress },
    happening: { type: 'transfer-waiting', name, code }
  }
}
