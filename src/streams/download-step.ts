/** What a download tells on its way. */
import type { PeerUrl } from './ports.js'
import type { SourceRate } from './swarm.js'

export type DownloadStep =
  | { readonly type: 'started'; readonly size: number }
  /** What an earlier try left is here: so many bytes were right. `changed`: it was of another content. */
  | { readonly type: 'resumed'; readonly bytes: number; readonly changed: boolean }
  | {
      readonly type: 'progressed'
      /** In whole pieces, which are kept. */
      readonly bytes: number
      readonly total: number
      readonly sources: readonly SourceRate[]
      /** Everybody who has it serves others first; our best place in their queues. */
      readonly position?: number
    }
  /** This holder sent something else than it offered. */
  | { readonly type: 'rejected'; readonly holder: PeerUrl }
  | { readonly type: 'done'; readonly path: string; readonly root: string }
  | { readonly type: 'failed'; readonly code: string; readonly detail: string }

export function codeOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' ? code : undefined
}

/** The step that says what went wrong. */
export function failed(error: unknown, otherwise = 'OTHER'): DownloadStep & { type: 'failed' } {
  const detail = error instanceof Error ? error.message : String(error)
  return { type: 'failed', code: codeOf(error) ?? otherwise, detail }
}
