import { filter, firstValueFrom, lastValueFrom, take, toArray } from 'rxjs'
import { expect, test } from 'vitest'
import { folder } from '../peer/network.js'
import { member, recorded } from './private.js'

test('a URL at which somebody else answers is refused and said, also after a restart, until it is forgotten', async () => {
  const [first, second] = [await member({ 'a.txt': 'a' }), await member({ 'a.txt': 'b' })]
  const line = await recorded(first.url)
  const stateDir = await folder()
  const before = await member({}, { stateDir })
  expect((await firstValueFrom(before.peer.hello(line.url))).id).toBe(first.peer.id)
  await before.peer.close()

  // Where it lives itself it would be found again.
  await first.peer.close()
  line.leadTo(second.url)
  const after = await member({}, { stateDir })
  const changed = firstValueFrom(after.peer.event$.pipe(filter(({ type }) => type === 'id-changed')))
  await expect(firstValueFrom(after.peer.hello(line.url))).rejects.toMatchObject({ code: 'OTHER_ID' })
  expect(await changed).toMatchObject({ url: line.url, pinnedId: first.peer.id, id: second.peer.id })
  await expect(lastValueFrom(after.peer.fetch('a.txt'))).rejects.toMatchObject({ code: 'NETWORK' })

  after.peer.forgetId(line.url)
  expect((await firstValueFrom(after.peer.hello(line.url))).id).toBe(second.peer.id)
})

test('nothing is asked of the one who took the place of another, and it is said once', async () => {
  const [first, second] = [await member(), await member({ 'a.txt': 'b' })]
  const line = await recorded(first.url)
  const reader = await member()
  await firstValueFrom(reader.peer.hello(line.url))
  const events: string[] = []
  reader.peer.event$.subscribe(({ type }) => events.push(type))
  const asked: string[] = []
  second.peer.event$.subscribe(({ type }) => asked.push(type))
  await first.peer.close()
  line.leadTo(second.url)
  // Nobody else is known: whether that has been noticed before the question or by it.
  await expect(lastValueFrom(reader.peer.fetch('a.txt'))).rejects.toMatchObject({
    code: expect.stringMatching(/^(NOT_FOUND|NETWORK)$/) as string
  })
  for (let times = 0; times < 3; times++)
    await expect(firstValueFrom(reader.peer.hello(line.url))).rejects.toMatchObject({ code: 'OTHER_ID' })
  expect(events.filter((type) => type === 'id-changed')).toHaveLength(1)
  const pages = reader.peer.list(line.url).pipe(take(1), toArray())
  await expect(lastValueFrom(pages)).rejects.toMatchObject({ code: 'NETWORK' })
  expect(asked).toEqual([])
})
