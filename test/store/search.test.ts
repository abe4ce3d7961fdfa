import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BehaviorSubject, filter, firstValueFrom, lastValueFrom, type Observable, Subject, scan, tap } from 'rxjs'
import { expect, onTestFinished, test } from 'vitest'
import { createCatalog } from '../../src/store/catalog.js'
import { createLibrary, type FolderLibrary } from '../../src/store/library.js'
import { NOTHING_SHARED } from '../../src/store/nothing-shared.js'
import { createSearch } from '../../src/store/search.js'
import type { Match, Matches, Pattern } from '../../src/streams/ports.js'
import { newFolder } from './disk.js'

const words = (text: string, content = false): Pattern => ({ kind: 'words', text, content })

/** A catalog alone, with a search over it. */
function searched(rootWaitMs?: number) {
  const catalog = createCatalog()
  const { search, close } = createSearch({
    catalog,
    root: () => '',
    searchContent: false,
    ...(rootWaitMs === undefined ? {} : { rootWaitMs })
  })
  onTestFinished(close)
  const put = (name: string, root?: string, identity = name) =>
    catalog.put({ name, size: 1, modifiedMs: 0, identity, ...(root === undefined ? {} : { root }) })
  return { catalog, search, put, close }
}

/** All batches, each asked for at once. */
const all = (found: Observable<Matches>): Promise<readonly Match[]> =>
  lastValueFrom(
    found.pipe(
      tap(({ next }) => next()),
      scan((files, batch) => [...files, ...batch.files], [] as readonly Match[])
    ),
    { defaultValue: [] }
  )

const namesOf = async (found: Observable<Matches>) => (await all(found)).map(({ name }) => name).sort()

/** Follows a standing search; `until` waits for so many files. */
function follow(found: Observable<Matches>) {
  const told: Match[] = []
  const count$ = new BehaviorSubject(0)
  const following = found.subscribe(({ files, next }) => {
    told.push(...files)
    count$.next(told.length)
    next()
  })
  onTestFinished(() => following.unsubscribe())
  const until = async (least: number): Promise<string[]> => {
    await firstValueFrom(count$.pipe(filter((count) => count >= least)))
    return told.map(({ name, root = '-' }) => `${name} ${root}`)
  }
  return { told, until }
}

async function libraryWith(files: Record<string, string | Uint8Array>, searchContent = true): Promise<FolderLibrary> {
  const dir = await newFolder()
  for (const [name, content] of Object.entries(files)) await writeFile(join(dir, name), content)
  const library = createLibrary({ dir, searchContent })
  onTestFinished(() => library.close())
  await library.start()
  return library
}

test('a search gives the files of the share as they are listed', async () => {
  const library = await libraryWith({ 'Annual report.txt': 'a', 'notes.txt': 'b' })
  const { files } = library.list('')
  const find = (pattern: Pattern) => all(library.search?.(pattern) ?? new Subject())
  expect((await find(words('REPORT'))).map(({ name, size }) => ({ name, size }))).toEqual([
    { name: 'Annual report.txt', size: 1 }
  ])
  expect((await find({ kind: 'glob', text: '*.txt' })).length).toBe(files.length)
  expect(await find({ kind: 'name', text: 'notes.tx' })).toEqual([])
  expect((await find({ kind: 'name', text: 'notes.txt' })).length).toBe(1)
  expect((await find({ kind: 'regex', text: '^n' })).length).toBe(1)
})

test('batches have at most 64 files, and the next one comes when it was asked for', async () => {
  const { search, put } = searched()
  for (let i = 0; i < 200; i++) put(`file ${i}`)
  const batches: Matches[] = []
  const watching = search(words('file')).subscribe((batch) => batches.push(batch))
  onTestFinished(() => watching.unsubscribe())
  await lastValueFrom(search(words('nothing')), { defaultValue: undefined })
  expect(batches.map(({ files }) => files.length)).toEqual([64])
  batches[0]?.next()
  await lastValueFrom(search(words('nothing')), { defaultValue: undefined })
  await lastValueFrom(search(words('nothing')), { defaultValue: undefined })
  expect(batches.map(({ files }) => files.length)).toEqual([64, 64])
  expect((await all(search(words('file')))).length).toBe(200)
})

test('a pattern that makes no sense is an error, of a visitor too', async () => {
  const { search } = searched()
  const pattern: Pattern = { kind: 'regex', text: '(' }
  await expect(all(search(pattern))).rejects.toMatchObject({ code: 'BAD_PATTERN' })
  const visitor = NOTHING_SHARED.search
  await expect(all(visitor?.(pattern) ?? new Subject())).rejects.toMatchObject({ code: 'BAD_PATTERN' })
  expect(await all(visitor?.(words('a')) ?? new Subject())).toEqual([])
})

test('searches without end are bounded, and a place is free when one is taken back', async () => {
  const { search } = searched()
  const standing = Array.from({ length: 128 }, () => search(words('x'), { standing: true }).subscribe())
  await expect(all(search(words('x')))).rejects.toMatchObject({ code: 'BUSY' })
  for (const each of standing) each.unsubscribe()
  expect(await all(search(words('x')))).toEqual([])
})

test('a standing search tells what is there, then each file that comes once its root is known', async () => {
  const { search, put } = searched()
  put('report 1', 'r1')
  put('report unhashed')
  put('other', 'r0')
  const { until } = follow(search(words('report'), { standing: true }))
  expect(await until(1)).toEqual(['report 1 r1'])

  put('report 2')
  put('other 2', 'r9')
  put('report 3', 'r3')
  expect(await until(2)).toEqual(['report 1 r1', 'report 3 r3'])
  put('report 2', 'r2')
  put('report unhashed', 'ru')
  expect((await until(4)).slice(2)).toEqual(['report 2 r2', 'report unhashed ru'])

  // Another content under the same name is another file.
  put('report 1', 'r1 new', 'changed')
  expect((await until(5)).at(-1)).toBe('report 1 r1 new')
})

test('a file whose root does not become known is told without it, unless it has gone', async () => {
  const { search, put, catalog } = searched(20)
  const { until } = follow(search(words('report'), { standing: true }))
  put('report gone')
  put('report there')
  catalog.remove('report gone')
  expect(await until(1)).toEqual(['report there -'])
})

test('a standing search whose listener is slow looks at everything again rather than remember it', async () => {
  const { search, put } = searched()
  const names = new Set<string>()
  const first$ = new Subject<Matches>()
  const first = firstValueFrom(first$)
  const isAll = firstValueFrom(
    search(words('f'), { standing: true }).pipe(
      tap(({ files }) => {
        for (const { name } of files) names.add(name)
      }),
      // Only the first one waits.
      tap((batch) => (names.size > 1 ? batch.next() : first$.next(batch))),
      filter(() => names.size === 12_001)
    )
  )
  put('f', 'r')
  const batch = await first
  for (let i = 0; i < 12_000; i++) put(`f ${i}`, `r${i}`)
  batch.next()
  await isAll
  expect(names.size).toBe(12_001)
})

test('closing ends what is under way', async () => {
  const { search, close } = searched()
  const found = all(search(words('x'), { standing: true }))
  await close()
  expect(await found).toEqual([])
})

test('lines of text files are found with their numbers, all words in one line', async () => {
  const library = await libraryWith({
    'a.txt': 'one\r\ntwo Words here\r\nwords\nand HERE, again: words',
    'b.txt': 'words\nhere',
    'latin1.txt': Buffer.from('words here \xe9', 'latin1'),
    'binary.bin': Buffer.concat([Buffer.from('words here'), Buffer.alloc(1)]),
    'words here.txt': ''
  })
  const found = await all(library.search?.(words('words here', true)) ?? new Subject())
  expect(found.map(({ name, lines }) => ({ name, lines }))).toEqual([
    {
      name: 'a.txt',
      lines: [
        { number: 2, text: 'two Words here' },
        { number: 4, text: 'and HERE, again: words' }
      ]
    }
  ])
  const byRegex = library.search?.({ kind: 'regex', text: '^w.*s$', content: true }) ?? new Subject()
  expect(await namesOf(byRegex)).toEqual(['a.txt', 'b.txt'])
})

test('at most 16 lines of a file are told, and of a long line what is around the match', async () => {
  const long = `${'é'.repeat(1_000)} needle ${'😀'.repeat(1_000)}`
  const library = await libraryWith({ 'many.txt': 'needle\n'.repeat(100), 'long.txt': long })
  const found = await all(library.search?.(words('needle', true)) ?? new Subject())
  const lines = (name: string) => found.find((file) => file.name === name)?.lines ?? []
  expect(lines('many.txt').length).toBe(16)
  const [line] = lines('long.txt')
  expect(line?.text.length).toBeLessThanOrEqual(256)
  expect(line?.text).toContain('needle')
  expect(long).toContain(line?.text)
})

test('contents are not looked into where their owner has not said so', async () => {
  const library = await libraryWith({ 'a.txt': 'words' }, false)
  expect(await all(library.search?.(words('words', true)) ?? new Subject())).toEqual([])
})

test('no link leads a look into files out of the share', async () => {
  const dir = await newFolder()
  const outside = await newFolder()
  await writeFile(join(outside, 'secret.txt'), 'canary')
  await mkdir(join(dir, 'sub'))
  await writeFile(join(dir, 'sub', 'secret.txt'), 'canary inside')
  const library = createLibrary({ dir, searchContent: true })
  onTestFinished(() => library.close())
  await library.start()
  await rm(join(dir, 'sub'), { recursive: true })
  await symlink(outside, join(dir, 'sub'))
  expect(await all(library.search?.(words('canary', true)) ?? new Subject())).toEqual([])
})

test('searches of contents wait for each other, up to a point, and all are answered', async () => {
  const library = await libraryWith({ 'a.txt': 'words' })
  const searches = Array.from({ length: 24 }, () => all(library.search?.(words('words', true)) ?? new Subject()))
  const ended = await Promise.allSettled(searches)
  const found = ended.filter((each) => each.status === 'fulfilled' && each.value.length === 1)
  const busy = ended.filter((each) => each.status === 'rejected')
  expect(found.length).toBeGreaterThanOrEqual(18)
  expect(found.length + busy.length).toBe(24)
  for (const each of busy) expect(each).toMatchObject({ reason: { code: 'BUSY' } })
})

test('a standing search of contents tells of texts that come later', async () => {
  const dir = await newFolder()
  await writeFile(join(dir, 'a.txt'), 'needle')
  const library = createLibrary({ dir, searchContent: true })
  onTestFinished(() => library.close())
  await library.start()
  const { until, told } = follow(library.search?.(words('needle', true), { standing: true }) ?? new Subject())
  await until(1)
  await writeFile(join(dir, 'b.txt'), 'hay')
  await writeFile(join(dir, 'c.txt'), 'hay\nneedle')
  await until(2)
  expect(told.map(({ name, lines }) => [name, lines?.[0]?.number])).toEqual([
    ['a.txt', 1],
    ['c.txt', 2]
  ])
})
