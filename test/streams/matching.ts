/** Files that fit, as a share tells of them: in batches, each when it is asked for. */
import { Observable } from 'rxjs'
import { P2pError } from '../../src/errors.js'
import type { Library, Match, Matches, Search } from '../../src/streams/ports.js'

export const rootOf = (content: string | number) => Buffer.from(String(content)).toString('hex').padStart(64, '0')

export const fileOf = (name: string, content: string | number = name): Match => ({
  name,
  size: String(content).length,
  modifiedMs: 0,
  root: rootOf(content)
})

export const searchOf = (given: Partial<Search> = {}): Search => ({
  pattern: { kind: 'words', text: 'x' },
  history: [],
  id: 'id',
  asking: [],
  limit: 100,
  deadlineMs: 5_000,
  ...given
})

export interface Matching {
  readonly match: NonNullable<Library['search']>
  /** Tells standing finds of one more. */
  readonly add: (file: Match) => void
  /** Batches that were told. */
  readonly told: () => number
}

/** Words only, all of which occur. `(` makes no sense. */
export function matching(given: readonly Match[], batchFiles = 2): Matching {
  const files = [...given]
  const waiting = new Set<() => void>()
  let told = 0
  const match = ({ text }: { text: string }, { standing = false } = {}) =>
    new Observable<Matches>((asker) => {
      if (text === '(') {
        asker.error(new P2pError('BAD_PATTERN', 'It makes no sense'))
        return undefined
      }
      let at = 0
      let wanted = true
      const give = () => {
        if (!wanted || asker.closed) return
        const batch: Match[] = []
        while (at < files.length && batch.length < batchFiles) {
          const file = files[at++] as Match
          if (text.split(' ').every((word) => file.name.includes(word))) batch.push(file)
        }
        if (batch.length > 0) {
          wanted = false
          told++
          asker.next({
            files: batch,
            next: () => {
              wanted = true
              give()
            }
          })
        } else if (!standing) asker.complete()
      }
      waiting.add(give)
      give()
      return () => waiting.delete(give)
    })
  const add = (file: Match) => {
    files.push(file)
    for (const give of waiting) give()
  }
  return { match, add, told: () => told }
}
