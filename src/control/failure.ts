/** What went wrong, as a value that can be sent. */
import type { Failure } from './messages.js'

/** Anything that was thrown; what is no P2pError is a bug and says so. */
export function failureOf(thrown: unknown): Failure {
  const { code, message, advice } = (thrown ?? {}) as Record<string, unknown>
  return failure(
    typeof code === 'string' && typeof advice === 'string' ? code : 'OTHER',
    typeof message === 'string' ? message : String(thrown),
    typeof advice === 'string' ? advice : 'This looks like a bug of p2p-rx; please report it.'
  )
}

export function failure(code: string, message: string, advice: string): Failure {
  return { type: 'error', code, message, advice }
}

export function isFailure(value: object): value is Failure {
  return 'type' in value && value.type === 'error'
}
