import { describe, expect, test } from 'vitest'
import { createFindings, holdersOf, namedBy } from '../../src/cli/findings.js'
import { networkFiles, rareFiles, totalsOf } from '../../src/cli/network-files.js'
import type { FoundFile } from '../../src/index.js'

const [ANN, BOB, CAT] = ['http://ann:1', 'http://bob:1', 'http://cat:1']
const itself = (url: string) => url

/** A file with a root, which is its key, or with none. */
const file = (name: string, size: number, root: string | undefined, ...holders: string[]): FoundFile => ({
  key: root ?? `${size} ${holders[0]} ${name}`,
  ...{ name, size, holders, hops: 1 },
  ...(root === undefined ? {} : { root })
})

describe('the files of a network', () => {
  test.each([
    ['of nothing are none', [], []],
    [
      'have a copy for each holder, in the order of their names',
      [file('b', 1, 'r1', ANN, BOB), file('a', 2, 'r2', CAT)],
      [
        { name: 'a', size: 2, root: 'r2', copies: 1, holders: [CAT] },
        { name: 'b', size: 1, root: 'r1', copies: 2, holders: [ANN, BOB] }
      ]
    ],
    [
      'of one content are one, whatever it is called',
      [{ ...file('b', 1, 'r', ANN, BOB), otherNames: ['a', 'c'] }],
      [{ name: 'b', otherNames: ['a', 'c'], size: 1, root: 'r', copies: 2, holders: [ANN, BOB] }]
    ],
    [
      'of one name and two contents are two',
      [file('a', 1, 'r1', ANN), file('a', 1, 'r2', BOB)],
      [
        { name: 'a', size: 1, root: 'r1', copies: 1, holders: [ANN] },
        { name: 'a', size: 1, root: 'r2', copies: 1, holders: [BOB] }
      ]
    ],
    [
      'that nobody has hashed are told apart by name and size',
      [file('a', 1, undefined, ANN), file('a', 1, undefined, BOB), file('a', 2, undefined, CAT)],
      [
        { name: 'a', size: 1, copies: 2, holders: [ANN, BOB] },
        { name: 'a', size: 2, copies: 1, holders: [CAT] }
      ]
    ]
  ] as const)('%s', (_, found, expected) => {
    expect(networkFiles(found, itself)).toEqual(expected)
  })

  test('have one copy at a peer with two addresses', () => {
    const named = namedBy([{ url: ANN, urls: [ANN, 'http://ann:2'], state: 'up', failures: 0 }])
    const found = [file('a', 1, 'r', ANN, 'http://ann:2'), file('b', 1, 's', 'http://ann:2', BOB)]
    expect(networkFiles(found, named).map(({ copies }) => copies)).toEqual([1, 2])
    expect(holdersOf(found, named).size).toBe(2)
  })

  test('that one peer has are told peer by peer', () => {
    const found = [
      file('c', 1, 'r1', ANN),
      file('b', 1, 'r2', BOB),
      file('a', 1, 'r3', BOB),
      file('d', 1, 'r4', ANN, BOB)
    ]
    expect(rareFiles(networkFiles(found, itself)).map(({ name }) => name)).toEqual(['c', 'a', 'b'])
  })

  test.each([
    [[file('a', 1, 'r', ANN)], '1 file (1 B) at 1 peer; 1 of them (1 B) at one only'],
    [
      [
        file('a', 1024, 'r', ANN, BOB),
        file('b', 512, undefined, CAT),
        { ...file('c', 512, 's', ANN, BOB), otherNames: ['d'] }
      ],
      '3 files (2.0 KiB) at 3 peers; 1 of them (512 B) at one only; 1 under several names; 1 not hashed yet'
    ]
  ])('are summed up: %j', (found, sentence) => {
    expect(totalsOf(networkFiles(found, itself))).toBe(sentence)
  })
})

test('findings put together what comes in parts, and leave out what belongs to nothing', () => {
  const findings = createFindings()
  const trace = { from: '', to: ANN, depth: 0, outcome: 'missed', hits: 0, tookMs: 1 } as const
  findings.take({ type: 'found', ...file('b', 1, 'r', ANN) })
  findings.take({ type: 'found', ...file('a', 1, 's', ANN) })
  findings.take({ type: 'holder-found', key: 'r', holders: [BOB] })
  findings.take({ type: 'holder-found', key: 'r', holders: [CAT], otherNames: ['x'] })
  findings.take({ type: 'holder-found', key: 'unknown', holders: [CAT] })
  findings.take({ type: 'call', ...trace })
  expect(findings.files()).toEqual([{ ...file('b', 1, 'r', ANN, BOB, CAT), otherNames: ['x'] }, file('a', 1, 's', ANN)])
  expect(findings.calls()).toEqual([trace])
})
