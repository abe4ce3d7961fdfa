import { firstValueFrom } from 'rxjs'
import { expect, test } from 'vitest'
import { stalled, start } from './network.js'

test('after the first success every question in a tree of three hops is taken back, down to the sockets', async () => {
  const leaves = [await stalled(), await stalled(), await stalled()] as const
  const holder = await stalled()
  const slowBranch = await start({}, { peers: [leaves[0].url, leaves[1].url] })
  const quickBranch = await start({}, { peers: [leaves[2].url, holder.url] })
  const root = await start({}, { peers: [slowBranch.url, quickBranch.url] })

  const answer = firstValueFrom(root.peer.query('wanted.txt'))
  await Promise.all([...leaves, holder].map(({ asked }) => asked))
  expect(leaves.map(({ open }) => open())).toEqual([1, 1, 1])

  holder.offer('wanted.txt', 4)
  expect(await answer).toMatchObject({ name: 'wanted.txt', size: 4, holders: [holder.url] })
  await Promise.all(leaves.map(({ takenBack }) => takenBack))
  expect(leaves.map(({ open }) => open())).toEqual([0, 0, 0])
})

test('unsubscribing from a query takes it back in the whole tree', async () => {
  const leaf = await stalled()
  const middle = await start({}, { peers: [leaf.url] })
  const root = await start({}, { peers: [middle.url] })
  const subscription = root.peer.query('wanted.txt').subscribe()
  await leaf.asked
  subscription.unsubscribe()
  await leaf.takenBack
  expect(leaf.open()).toBe(0)
})
