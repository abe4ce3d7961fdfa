import { lastValueFrom, tap, toArray } from 'rxjs'
import { expect, test } from 'vitest'
import { readOpened } from '../../src/streams/local-read.js'
import type { ReadOutcome, Source } from '../../src/streams/ports.js'
import { collect } from '../store/disk.js'

/** Sources that say how many of them are open. */
function sources() {
  let open = 0
  const source = (): Promise<Source> => {
    open += 1
    return Promise.resolve({
      size: 3,
      etag: 'tag',
      async *read() {
        await Promise.resolve()
        yield Buffer.from('abc')
      },
      close: () => {
        open -= 1
        return Promise.resolve()
      }
    })
  }
  return { open: () => open, holdings: { open: source, openRoot: source } }
}

const request = { name: 'x', start: 0 }

test('a file of ours is read as any other, and closed behind it', async () => {
  const { open, holdings } = sources()
  const texts: Promise<Buffer>[] = []
  const read$ = readOpened(holdings, request).pipe(
    tap((outcome) => (outcome.type === 'body' ? texts.push(collect(outcome.bytes)) : 0))
  )
  expect((await lastValueFrom(read$.pipe(toArray()))).map(({ type }) => type)).toEqual(['body'])
  expect([String(await texts[0]), open()]).toEqual(['abc', 0])
})

test('one that is given up before its first byte is closed, whether it is open already or not', async () => {
  const { open, holdings } = sources()
  readOpened(holdings, request).subscribe().unsubscribe()
  await new Promise<ReadOutcome>((begun) => {
    const reading = readOpened(holdings, request).subscribe((outcome) => {
      begun(outcome)
      queueMicrotask(() => reading.unsubscribe())
    })
  })
  await expect.poll(open).toBe(0)
})

test('one that is another content by now is not read', async () => {
  const { open, holdings } = sources()
  const outcomes = await lastValueFrom(readOpened(holdings, { ...request, etag: 'old' }).pipe(toArray()))
  expect([outcomes, open()]).toEqual([[{ type: 'changed' }], 0])
})
