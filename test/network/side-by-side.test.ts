import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { person } from './people.js'

test('one folder is shared with two networks at once, and neither lets in a member of the other', async () => {
  const [ann, bob] = [await person({ 'notes.txt': 'of ann' }), await person()]
  const friends = await ann.start(['--network', 'friends'])
  const work = await ann.start(['--network', 'work'])
  expect((await readdir(join(ann.home, 'state/p2p-rx'))).sort()).toEqual([
    expect.stringMatching(/^files-[0-9a-f]{8}-friends$/),
    expect.stringMatching(/^files-[0-9a-f]{8}-work$/),
    'networks'
  ])

  await bob.run(['join', '-'], await ann.invite(['--network', 'work']))
  expect((await bob.run(['get', 'notes.txt', '-o', '-', '--peer', work.url])).out).toBe('of ann')
  const refused = await bob.run(['get', 'notes.txt', '-o', '-', '--peer', friends.url])
  expect(refused).toMatchObject({ code: 5, out: '' })

  const unclear = await ann.run(['status', '--dir', 'files'])
  expect(unclear.code).toBe(2)
  expect(unclear.err).toMatch(
    /2 peers of yours run, with the state folders .*-friends, .*-work\. Name one with --state-dir/
  )
})
