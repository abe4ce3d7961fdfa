import { describe, expect, test } from 'vitest'
import { traceTree } from '../../src/cli/trace-tree.js'
import type { Trace } from '../../src/index.js'

const [ANN, BOB, CAT, DAN] = ['http://ann:1', 'http://bob:1', 'http://cat:1', 'http://dan:1']

const call = (from: string, to: string, depth: number, more: Partial<Trace> = {}): Trace => ({
  ...{ from, to, depth, outcome: 'missed', hits: 0, tookMs: 12.4 },
  ...more
})

describe('the tree of calls', () => {
  test('has what a peer asked below the call that made it ask', () => {
    expect(
      traceTree([
        call(BOB, DAN, 1, { outcome: 'timed-out', tookMs: 900 }),
        call(BOB, CAT, 1, { outcome: 'answered', hits: 1 }),
        call('http://me:1', ANN, 0, { outcome: 'answered', hits: 2, tookMs: 0.2 }),
        call('http://me:1', BOB, 0, { outcome: 'answered', hits: 3 }),
        call(ANN, BOB, 1, { outcome: 'seen' }),
        call('http://me:1', DAN, 0, { outcome: 'failed', detail: 'refused' })
      ])
    ).toEqual([
      'you',
      '├─ http://ann:1  2 files in 1 ms',
      '│  └─ http://bob:1  had it already, 12 ms',
      '├─ http://bob:1  3 files in 12 ms',
      '│  ├─ http://dan:1  timed out after 900 ms',
      '│  └─ http://cat:1  1 file in 12 ms',
      '└─ http://dan:1  failed after 12 ms: refused'
    ])
  })

  test.each([
    [{ outcome: 'answered', hits: 1 }, '1 file in 12 ms'],
    [{ outcome: 'missed' }, 'nothing, 12 ms'],
    [{ outcome: 'seen' }, 'had it already, 12 ms'],
    [{ outcome: 'declined' }, 'declined, 12 ms'],
    [{ outcome: 'timed-out' }, 'timed out after 12 ms'],
    [{ outcome: 'timed-out', hits: 4 }, 'timed out after 12 ms, with 4 files'],
    [{ outcome: 'taken-back' }, 'taken back after 12 ms'],
    [{ outcome: 'taken-back', hits: 2 }, 'taken back after 12 ms, with 2 files'],
    [{ outcome: 'failed' }, 'failed after 12 ms'],
    [{ outcome: 'failed', detail: 'no way' }, 'failed after 12 ms: no way']
  ] as const)('says of %j: %s', (more, words) => {
    expect(traceTree([call('', ANN, 0, more)])).toEqual(['you', `└─ ${ANN}  ${words}`])
  })

  test('is the asker alone when nobody was asked', () => {
    expect(traceTree([])).toEqual(['you'])
  })

  test('keeps calls whose own call nobody told of', () => {
    expect(traceTree([call(CAT, DAN, 2), call(BOB, CAT, 1), call(BOB, ANN, 1), call('', ANN, 0)])).toEqual([
      'you',
      '└─ http://ann:1  nothing, 12 ms',
      'http://bob:1',
      '├─ http://cat:1  nothing, 12 ms',
      '│  └─ http://dan:1  nothing, 12 ms',
      '└─ http://ann:1  nothing, 12 ms'
    ])
  })

  test('ends where calls go in a circle, and has each once', () => {
    const circle = [call('', ANN, 0), call(ANN, BOB, 1), call(BOB, ANN, 2), call(ANN, ANN, 1), call(ANN, BOB, 3)]
    expect(traceTree(circle)).toHaveLength(1 + circle.length)
  })
})
