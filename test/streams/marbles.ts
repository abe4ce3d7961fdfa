import { type RunHelpers, TestScheduler } from 'rxjs/testing'
import { expect } from 'vitest'

/** A test on virtual time: marbles in, marbles out. */
export function marbles(test: (helpers: RunHelpers & { readonly scheduler: TestScheduler }) => void): () => void {
  return () => {
    const scheduler = new TestScheduler((actual, expected) => {
      expect(actual).toEqual(expected)
    })
    scheduler.run((helpers) => test({ ...helpers, scheduler }))
  }
}
