/**
 * What every transport owes the actors, whatever carries it. A transport passes by running this suite:
 * `transportCompliance('memory', setup)` in a test file of its own.
 */
import { concatMap, finalize, firstValueFrom, lastValueFrom, NEVER, Observable, of, tap, toArray } from 'rxjs'
import { afterEach, describe, expect, test } from 'vitest'
import { P2pError } from '../../src/errors.js'
import type {
  Finding,
  HashRequest,
  Hit,
  Inbound,
  Offer,
  Outcome,
  Question,
  ReadOutcome,
  ReadRequest,
  Search,
  Trace,
  Transport
} from '../../src/streams/ports.js'
import { bytesOf, gathered, inboundWith, sourceOf } from './inbound.js'

/** Two peers that can reach each other. */
interface TransportPair {
  readonly transportA: Transport
  readonly transportB: Transport
  readonly urlA: string
  readonly urlB: string
  /** Stops both; afterwards nothing of them is left open. */
  readonly stop: () => Promise<void>
}

/** Resolves when both peers listen: A, who calls, with a peer that has nothing, and B with the given one. */
export type TransportSetup = (inboundB: Inbound) => Promise<TransportPair>

/** Port 9 is for discarding; nobody discards any more, so connections to it are refused. */
const nobodyBeside = (url: string) => `${new URL(url).protocol}//127.0.0.1:9`

const NAMES = [
  'plain.txt',
  'with <&]]> in it.txt',
  'carriage\rreturn.txt',
  'lach \u{1f600} grüße/日本.txt',
  '100 %41?#;=+.txt'
]

export function transportCompliance(name: string, setup: TransportSetup): void {
  describe(`the ${name} transport`, () => {
    let pair: TransportPair | undefined

    async function start(given: Partial<Inbound> = {}): Promise<TransportPair> {
      pair = await setup(inboundWith(given))
      return pair
    }

    afterEach(async () => {
      await pair?.stop()
      pair = undefined
    })

    const question = (given: Partial<Question> = {}): Question => ({
      name: 'plain.txt',
      history: [],
      asking: [],
      deadlineMs: 10_000,
      ...given
    })

    const offerOf = (fileName: string, holder: string): Offer => ({
      name: fileName,
      size: 5_000_000_000,
      root: '0123456789abcdef'.repeat(4),
      holders: [holder]
    })

    test('introduces its peer to the neighbour and learns what that one speaks', async () => {
      const introduced: string[] = []
      const { transportA, urlA, urlB } = await start({ introduced: (url) => introduced.push(url) })
      const greetings = await all(transportA.hello(urlB))
      expect(greetings).toMatchObject([
        { type: 'greeted', dialect: 'p2prx', roundTripMs: expect.any(Number) as number }
      ])
      expect(introduced).toEqual([urlA])
    })

    test('brings whom the neighbour knows', async () => {
      const contacts = [
        { id: 'ann', urls: ['http://10.0.0.1:1', 'http://10.0.0.2:1'] },
        { urls: ['http://10.0.0.3:1'] }
      ]
      const { transportA, urlB } = await start({ contacts: () => contacts })
      expect(await all(transportA.contacts?.(urlB) ?? of())).toEqual([{ type: 'contacts', contacts }])
    })

    test('brings an offer back', async () => {
      const { transportA, urlB } = await start({ asked: ({ name }, as) => of(offered(offerOf(name, as))) })
      expect(await all(transportA.ask(urlB, question()))).toEqual([offered(offerOf('plain.txt', urlB))])
    })

    test('brings an offer of a file that is not hashed yet back', async () => {
      const offer: Offer = { name: 'plain.txt', size: 0, holders: ['http://127.0.0.1:5001', 'http://127.0.0.1:5002'] }
      const { transportA, urlB } = await start({ asked: () => of(offered(offer)) })
      expect(await all(transportA.ask(urlB, question()))).toEqual([offered(offer)])
    })

    test.each(['missed', 'denied'] as const)('tells that the neighbour %s', async (type) => {
      const { transportA, urlB } = await start({ asked: () => of({ type }) })
      expect(await all(transportA.ask(urlB, question()))).toEqual([{ type }])
    })

    test.each(NAMES)('carries every field of a question about %j', async (fileName) => {
      const heard: { question: Question; as: string }[] = []
      const { transportA, urlA, urlB } = await start({
        asked: (question, as) => {
          heard.push({ question, as })
          return of(offered(offerOf(question.name, as)))
        }
      })
      const sent = question({
        name: fileName,
        history: ['http://127.0.0.1:5001', urlA],
        id: '7b1d7c9e-3f0a-4a0e-9c57-0e2f9f6f3c11',
        asking: ['http://127.0.0.1:5002', 'http://127.0.0.1:5003'],
        deadlineMs: 4_321
      })
      expect(await all(transportA.ask(urlB, sent))).toEqual([offered(offerOf(fileName, urlB))])
      expect(heard).toEqual([{ question: { ...sent, deadlineMs: expect.any(Number) as number }, as: urlB }])
      // Time on the way may be taken off, never added.
      expect(heard[0]?.question.deadlineMs).toBeGreaterThan(3_000)
      expect(heard[0]?.question.deadlineMs).toBeLessThanOrEqual(4_321)
    })

    test('leaves the asker and the asked nothing to share', async () => {
      const history = ['http://127.0.0.1:5001']
      const heard: Question[] = []
      const { transportA, urlB } = await start({
        asked: (question) => {
          heard.push(question)
          return of({ type: 'missed' })
        }
      })
      const asked = all(transportA.ask(urlB, question({ history })))
      history.push('http://127.0.0.1:5002')
      await asked
      history.push('http://127.0.0.1:5003')
      expect(heard[0]?.history).toEqual(['http://127.0.0.1:5001'])
    })

    test('an answer that announces itself comes after its announcement', async () => {
      const { transportA, urlB } = await start({
        asked: ({ name }, as) =>
          of<Outcome[]>({ type: 'answering' }, offered(offerOf(name, as))).pipe(
            concatMap((outcome) => inATurn(outcome))
          )
      })
      const outcomes = await all(transportA.ask(urlB, question()))
      expect(outcomes.at(-1)).toEqual(offered(offerOf('plain.txt', urlB)))
      // Where an answer is short, a transport may hand it over without the announcement.
      expect(outcomes.slice(0, -1).every(({ type }) => type === 'answering')).toBe(true)
      expect(outcomes.length).toBeLessThanOrEqual(2)
    })

    test('a question taken back stops the work behind it', async () => {
      const begun = signal()
      const stopped = signal()
      const { transportA, urlB } = await start({
        asked: () => {
          begun.give()
          return NEVER.pipe(finalize(stopped.give))
        }
      })
      const asking = transportA.ask(urlB, question()).subscribe()
      await within(2_000, begun.given)
      asking.unsubscribe()
      await within(1_000, stopped.given)
    })

    test('a neighbour that stops while it is asked has failed, and its work stops', async () => {
      const begun = signal()
      const stopped = signal()
      const { transportA, urlB, stop } = await start({
        asked: () => {
          begun.give()
          return NEVER.pipe(finalize(stopped.give))
        }
      })
      const outcomes = all(transportA.ask(urlB, question()))
      await within(2_000, begun.given)
      await within(5_000, stop())
      await within(1_000, stopped.given)
      expect((await within(5_000, outcomes)).map(({ type }) => type)).toEqual(['failed'])
    })

    test('a peer that is not there is refused as a value, whatever is wanted of it', async () => {
      const { transportA, urlB } = await start()
      const nobody = nobodyBeside(urlB)
      const refused = { type: 'failed', reason: 'refused', detail: expect.any(String) as string }
      expect(await all(transportA.hello(nobody))).toEqual([refused])
      expect(await all(transportA.ask(nobody, question()))).toEqual([refused])
      expect(await all(transportA.read(nobody, { name: 'plain.txt', start: 0 }))).toEqual([refused])
      expect(await all(transportA.rootOf(nobody, 'plain.txt', 0))).toEqual([refused])
      const hashes = { root: 'ab'.repeat(32), layer: 0, index: 0, length: 1, proofLayers: 0 }
      expect(await all(transportA.hashes(nobody, hashes))).toEqual([refused])
      expect(await all(transportA.list(nobody, ''))).toEqual([refused])
    })

    test('an asked peer that breaks has failed or missed, and the caller does not break with it', async () => {
      const { transportA, urlB } = await start({
        asked: () => {
          throw new Error('a bug')
        }
      })
      const outcomes = await all(transportA.ask(urlB, question()))
      expect(outcomes).toHaveLength(1)
      expect(['failed', 'missed']).toContain(outcomes[0]?.type)
    })

    test('many questions at once all get their own answer', async () => {
      const { transportA, urlB } = await start({
        asked: ({ name }, as) => of(offered(offerOf(name, as))).pipe(concatMap((outcome) => inATurn(outcome)))
      })
      const names = Array.from({ length: 200 }, (_, at) => `file ${at}.txt`)
      const outcomes = await Promise.all(names.map((name) => lastValueFrom(transportA.ask(urlB, question({ name })))))
      expect(outcomes).toEqual(names.map((name) => offered(offerOf(name, urlB))))
    })

    describe('reading', () => {
      const content = bytesOf(200_000)
      const etag = 'e'.repeat(64)

      /** What came of a read, with its bytes read while the stream was open. */
      async function readAll(read$: Observable<ReadOutcome>) {
        const outcome$ = read$.pipe(
          concatMap(async (outcome) => {
            if (outcome.type !== 'body') return outcome
            const { bytes, ...head } = outcome
            return { ...head, content: await gathered(bytes) }
          })
        )
        return within(5_000, all(outcome$))
      }

      async function startWithFile(fileName = 'plain.txt') {
        const opened: ReturnType<typeof sourceOf>[] = []
        const { transportA, urlB, stop } = await start({
          open: (name) => {
            if (name !== fileName) return inboundWith().open(name)
            const source = sourceOf(content, { etag })
            opened.push(source)
            return Promise.resolve(source)
          }
        })
        const read = (request: Partial<ReadRequest> = {}) =>
          transportA.read(urlB, { name: fileName, start: 0, ...request })
        return { read, opened, stop }
      }

      test.each(NAMES)('the whole of %j', async (fileName) => {
        const { read, opened } = await startWithFile(fileName)
        const outcomes = await readAll(read())
        expect(outcomes).toMatchObject([{ type: 'body', size: content.length, start: 0, etag }])
        expect(contentOf(outcomes)?.equals(content)).toBe(true)
        await within(1_000, opened[0]?.closed)
      })

      test.each([
        { start: 0, end: 1 },
        { start: 1, end: 100_000 },
        { start: 65_536, end: 131_072 },
        { start: 199_999, end: 200_000 },
        { start: 199_999, end: undefined },
        { start: 150_000, end: 1_000_000 }
      ])('the bytes from $start to $end', async ({ start, end }) => {
        const { read } = await startWithFile()
        const outcomes = await readAll(read({ start, etag, ...(end !== undefined && { end }) }))
        expect(outcomes).toMatchObject([{ type: 'body', size: content.length, start, etag }])
        expect(contentOf(outcomes)?.equals(content.subarray(start, end))).toBe(true)
      })

      test('an empty file', async () => {
        const source = sourceOf(new Uint8Array(), { etag })
        const { transportA, urlB } = await start({ open: () => Promise.resolve(source) })
        const outcomes = await readAll(transportA.read(urlB, { name: 'empty', start: 0 }))
        expect(outcomes).toMatchObject([{ type: 'body', size: 0, start: 0, etag }])
        expect(contentOf(outcomes)).toHaveLength(0)
        await within(1_000, source.closed)
      })

      test('a file that is another one by now has changed', async () => {
        const { read, opened } = await startWithFile()
        expect(await readAll(read({ etag: 'f'.repeat(64) }))).toEqual([{ type: 'changed' }])
        expect(await readAll(read({ start: 100, etag: 'f'.repeat(64) }))).toEqual([{ type: 'changed' }])
        await within(1_000, Promise.all(opened.map(({ closed }) => closed)))
      })

      test('a file that is not there any more is gone', async () => {
        const { transportA, urlB } = await start()
        expect(await readAll(transportA.read(urlB, { name: 'other.txt', start: 0 }))).toEqual([{ type: 'gone' }])
      })

      test('into memory of the reader, where the transport can do that', async () => {
        const { read } = await startWithFile()
        const own = new Uint8Array(new SharedArrayBuffer(content.length))
        let filled = 0
        const outcomes = await readAll(read({ memory: (count) => own.subarray((filled += count)) }))
        expect(contentOf(outcomes)?.equals(content)).toBe(true)
        if (filled > 0) expect(Buffer.from(own).equals(content)).toBe(true)
      })

      test('an abandoned read closes the file', async () => {
        const large = sourceOf(bytesOf(8_000_000), { etag })
        const { transportA, urlB } = await start({ open: () => Promise.resolve(large) })
        const reading = transportA.read(urlB, { name: 'plain.txt', start: 0 })
        const first = await within(
          2_000,
          new Promise<Uint8Array>((resolve, reject) => {
            const subscription = reading.subscribe((outcome) => {
              if (outcome.type !== 'body') return
              void firstOf(outcome.bytes).then((chunk) => {
                subscription.unsubscribe()
                resolve(chunk)
              }, reject)
            })
          })
        )
        expect(first.length).toBeGreaterThan(0)
        await within(2_000, large.closed)
      })

      test('a reader that stops half-way ends the read, and the file is closed', async () => {
        const large = sourceOf(bytesOf(8_000_000), { etag })
        const { transportA, urlB } = await start({ open: () => Promise.resolve(large) })
        const taken = transportA.read(urlB, { name: 'plain.txt', start: 0 }).pipe(
          concatMap(async (outcome) => {
            if (outcome.type !== 'body') return 0
            for await (const chunk of outcome.bytes) return chunk.length
            return 0
          })
        )
        const lengths = await within(5_000, all(taken))
        expect(lengths).toHaveLength(1)
        expect(lengths[0]).toBeGreaterThan(0)
        await within(2_000, large.closed)
      })

      test('a source that breaks half-way breaks the bytes, never ends them early', async () => {
        const source = sourceOf(content, { etag })
        const breaking = {
          ...source,
          async *read() {
            yield content.subarray(0, 1_000)
            await Promise.resolve()
            throw new Error('the file has changed')
          }
        }
        const { transportA, urlB } = await start({ open: () => Promise.resolve(breaking) })
        const outcome$ = transportA
          .read(urlB, { name: 'plain.txt', start: 0 })
          .pipe(
            concatMap(async (outcome) =>
              outcome.type === 'body' ? gathered(outcome.bytes).then(() => 'whole', codeOf) : outcome.type
            )
          )
        expect(await within(5_000, firstValueFrom(outcome$))).toBe('NETWORK')
        await within(2_000, source.closed)
      })
    })

    describe('reading by root', () => {
      const content = bytesOf(200_000)
      const root = '0123456789abcdef'.repeat(4)
      const startWithRoot = () =>
        start({
          openRoot: (asked) =>
            asked === root ? Promise.resolve(sourceOf(content, { etag: root })) : inboundWith().openRoot(asked)
        })

      test('brings the content, whatever its name is', async () => {
        const { transportA, urlB } = await startWithRoot()
        const outcomes = await all(
          transportA.read(urlB, { name: 'no such name', root, start: 100, end: 150_000 }).pipe(
            concatMap(async (outcome) => {
              if (outcome.type !== 'body') return outcome
              const { bytes, ...head } = outcome
              return { ...head, content: await gathered(bytes) }
            })
          )
        )
        expect(outcomes).toMatchObject([{ type: 'body', size: content.length, start: 100, etag: root }])
        expect(contentOf(outcomes)?.equals(content.subarray(100, 150_000))).toBe(true)
      })

      test('that nobody has is gone', async () => {
        const { transportA, urlB } = await startWithRoot()
        const request = { name: 'plain.txt', root: 'f'.repeat(64), start: 0 }
        expect(await all(transportA.read(urlB, request))).toEqual([{ type: 'gone' }])
      })
    })

    describe('hashes', () => {
      const request = { root: 'ab'.repeat(32), layer: 6, index: 8, length: 4, proofLayers: 3 }

      test('come as they were asked for', async () => {
        const heard: HashRequest[] = []
        const hashes = bytesOf(7 * 32)
        const { transportA, urlB } = await start({
          hashes: (asked) => {
            heard.push(asked)
            return Promise.resolve(hashes)
          }
        })
        const outcomes = await all(transportA.hashes(urlB, request))
        expect(outcomes).toMatchObject([{ type: 'hashes' }])
        const [{ bytes } = { bytes: undefined }] = outcomes as { bytes?: Uint8Array }[]
        expect(Buffer.from(bytes ?? []).equals(hashes)).toBe(true)
        expect(heard).toEqual([request])
      })

      test('of an unknown content are gone', async () => {
        const { transportA, urlB } = await start()
        expect(await all(transportA.hashes(urlB, request))).toEqual([{ type: 'gone' }])
      })

      test('that make no sense have failed', async () => {
        const { transportA, urlB } = await start({
          hashes: () => Promise.reject(new P2pError('BAD_CALL', 'There is no such layer'))
        })
        expect(await all(transportA.hashes(urlB, request))).toMatchObject([{ type: 'failed', reason: 'nonsense' }])
      })

      test('may be asked for many times at once', async () => {
        const { transportA, urlB } = await start({
          hashes: async ({ index }) => inATurn(Buffer.alloc(32, index % 251))
        })
        const asked = Array.from({ length: 100 }, (_, index) => ({ ...request, index, length: 1, proofLayers: 0 }))
        const outcomes = await Promise.all(asked.map((each) => lastValueFrom(transportA.hashes(urlB, each))))
        expect(outcomes.map((outcome) => outcome.type === 'hashes' && outcome.bytes[0])).toEqual(
          asked.map(({ index }) => index % 251)
        )
      })
    })

    describe('the root of a file', () => {
      const root = 'cd'.repeat(32)
      const content = bytesOf(1_000)
      const unhashed = () => Promise.resolve(sourceOf(content, { etag: 's3e8-1' }))

      test('is waited for', async () => {
        const waited: number[] = []
        const { transportA, urlB } = await start({
          open: unhashed,
          rootOf: (_, waitMs) => {
            waited.push(waitMs)
            return inATurn(root)
          }
        })
        const outcomes = await all(transportA.rootOf(urlB, 'plain.txt', 5_000))
        expect(outcomes).toEqual([{ type: 'root', root, size: content.length }])
        expect(waited).toEqual([5_000])
      })

      test('is unknown when it was not found out in time', async () => {
        const { transportA, urlB } = await start({ open: unhashed, rootOf: () => inATurn(undefined) })
        expect(await all(transportA.rootOf(urlB, 'plain.txt', 1_000))).toEqual([{ type: 'unknown' }])
      })

      test('is gone with the file', async () => {
        const { transportA, urlB } = await start()
        expect(await all(transportA.rootOf(urlB, 'plain.txt', 1_000))).toEqual([{ type: 'gone' }])
      })
    })

    test('lists the files of a neighbour page by page', async () => {
      const files = NAMES.map((fileName, at) => ({
        name: fileName,
        size: at * 3_000_000_000,
        modifiedMs: 1_700_000_000_000 + at,
        ...(at > 0 && { root: `${at}`.repeat(64) })
      }))
      const { transportA, urlB } = await start({
        list: (after) =>
          after === ''
            ? { files: files.slice(0, 3), more: true }
            : { files: files.slice(3), more: after !== files[2]?.name }
      })
      expect(await all(transportA.list(urlB, ''))).toEqual([{ files: files.slice(0, 3), more: true }])
      expect(await all(transportA.list(urlB, files[2]?.name ?? ''))).toEqual([{ files: files.slice(3), more: false }])
    })

    describe('a find', () => {
      const root = (at: number) => at.toString(16).padStart(64, '0')
      /** Others of the same network, in the clear or not. */
      const other = (port: number) => `${new URL(pair?.urlB ?? 'http://h').protocol}//127.0.0.1:${port}`
      const hit = (at: number): Hit => ({
        name: `file ${at}.txt`,
        size: at * 3_000_000_000,
        root: root(at),
        holders: [other(5001)],
        hops: 0
      })
      const search = (given: Partial<Search> = {}): Search => ({
        pattern: { kind: 'words', text: 'plain' },
        history: [],
        id: '7b1d7c9e-3f0a-4a0e-9c57-0e2f9f6f3c11',
        asking: [],
        limit: 1_000,
        deadlineMs: 10_000,
        ...given
      })
      const ended: Finding = { type: 'ended', how: 'all' }

      /** A source of so many batches, of one hit each unless given, which tells how many were taken from it. */
      function source(batches: number, batch?: () => readonly Hit[]) {
        let given = 0
        const stopped = signal()
        const finding$ = new Observable<Finding>((asker) => {
          const give = () => {
            if (given === batches) {
              asker.next(ended)
              asker.complete()
              return
            }
            const at = given++
            const hits = batch?.() ?? [hit(at)]
            let asked = false
            asker.next({
              type: 'found',
              hits,
              next: () => {
                if (asked) throw new Error('asked twice')
                asked = true
                setImmediate(give)
              }
            })
          }
          give()
          return stopped.give
        })
        return { finding$, given: () => given, stopped: stopped.given }
      }

      /** What a find says, taken as it comes. */
      async function taken(finding$: Observable<Finding>) {
        const findings = await all(
          finding$.pipe(
            tap((finding) => {
              if (finding.type === 'found') finding.next()
            })
          )
        )
        const hits = findings.flatMap((finding) => (finding.type === 'found' ? finding.hits : []))
        return { hits, last: findings.at(-1) }
      }

      test('brings all hits in their order, and then its end', async () => {
        const { transportA, urlB } = await start({ searched: () => source(100).finding$ })
        if (transportA.find === undefined) return
        const { hits, last } = await taken(transportA.find(urlB, search()))
        expect(hits).toEqual(Array.from({ length: 100 }, (_, at) => hit(at)))
        expect(last).toEqual(ended)
      })

      test('carries every field of what is wanted, and of what is found', async () => {
        const heard: { search: Search; as: string }[] = []
        const found = (): Hit => ({
          ...hit(7),
          name: 'lach \u{1f600} gr\u{fc}\u{df}e/<&]]>.txt',
          holders: [other(5001), other(5002)],
          relays: [other(5003)],
          hops: 2,
          lines: [{ number: 3, text: '  "a" \\ line' }]
        })
        const unhashed = (): Hit => ({ name: 'plain.txt', size: 0, holders: [other(5001)], hops: 0 })
        const told: Trace = { from: 'http://b:1', to: 'http://c:1', depth: 1, outcome: 'failed', hits: 0, tookMs: 5 }
        const traces: Trace[] = [told, { ...told, outcome: 'answered', hits: 3, detail: 'it was there' }]
        const { transportA, urlA, urlB } = await start({
          searched: (search, as) => {
            heard.push({ search, as })
            return of<Finding[]>({ type: 'found', hits: [found(), unhashed()], traces, next: () => undefined }, ended)
          }
        })
        if (transportA.find === undefined) return
        const sent = search({
          pattern: { kind: 'regex', text: 'a "b" \\d\u{1f600}<&', content: true },
          history: [other(5001), urlA],
          asking: [other(5002)],
          limit: 77,
          deadlineMs: 4_321,
          standing: true,
          trace: true
        })
        const findings = await all(transportA.find(urlB, sent))
        expect(findings.filter(({ type }) => type === 'found')).toMatchObject([{ hits: [found(), unhashed()], traces }])
        expect(findings.at(-1)).toEqual(ended)
        expect(heard).toEqual([{ search: { ...sent, deadlineMs: expect.any(Number) as number }, as: urlB }])
        expect(heard[0]?.search.deadlineMs).toBeGreaterThan(3_000)
        expect(heard[0]?.search.deadlineMs).toBeLessThanOrEqual(4_321)
      })

      test('tells how it ended', async () => {
        for (const how of ['all', 'seen', 'declined', 'late'] as const) {
          const { transportA, urlB } = await start({ searched: () => of({ type: 'ended', how }) })
          if (transportA.find === undefined) return
          expect(await all(transportA.find(urlB, search()))).toEqual([{ type: 'ended', how }])
          await pair?.stop()
        }
      })

      test('waits for whoever takes the batches, with no more on the way than a connection holds', async () => {
        const batch = () => Array.from({ length: 64 }, (_, at) => ({ ...hit(at), name: 'n'.repeat(250) }))
        const { finding$, given } = source(1_000, batch)
        const { transportA, urlB } = await start({ searched: () => finding$ })
        if (transportA.find === undefined) return
        let waiting: (() => void) | undefined
        let cameUnasked = false
        let one = signal()
        const finding = transportA.find(urlB, search()).subscribe((each) => {
          if (each.type !== 'found') return
          cameUnasked ||= waiting !== undefined
          waiting = each.next
          one.give()
        })
        for (let taken = 0; taken < 3; taken++) {
          await within(2_000, one.given)
          // Time for much more to come, were it not waited with.
          for (let turn = 0; turn < 200; turn++) await inATurn(undefined)
          one = signal()
          const next = waiting
          waiting = undefined
          next?.()
        }
        finding.unsubscribe()
        expect(cameUnasked).toBe(false)
        // 30 KiB each: what the buffers of the system hold at the most, and a memory network none of it.
        expect(given()).toBeLessThan(500)
      })

      test('taken back stops the work behind it, whether more was asked for or not', async () => {
        for (const asksForMore of [true, false]) {
          const { finding$, stopped } = source(1_000_000)
          const { transportA, urlB } = await start({ searched: () => finding$ })
          if (transportA.find === undefined) return
          const begun = signal()
          const finding = transportA.find(urlB, search()).subscribe((one) => {
            if (one.type !== 'found') return
            if (asksForMore) one.next()
            begun.give()
          })
          await within(2_000, begun.given)
          finding.unsubscribe()
          await within(1_000, stopped)
          await pair?.stop()
        }
      })

      test('has failed when the neighbour stops in the middle', async () => {
        const { finding$, stopped } = source(1_000_000)
        const { transportA, urlB, stop } = await start({ searched: () => finding$ })
        if (transportA.find === undefined) return
        const begun = signal()
        const findings = taken(
          transportA.find(urlB, search()).pipe(
            tap(({ type }) => {
              if (type === 'found') begun.give()
            })
          )
        )
        await within(2_000, begun.given)
        await within(5_000, stop())
        await within(1_000, stopped)
        expect((await within(5_000, findings)).last?.type).toBe('failed')
      })

      test('is declined by a peer that cannot be asked, or breaks', async () => {
        const breaking = {
          searched: () => {
            throw new Error('a bug')
          }
        }
        for (const given of [{}, breaking]) {
          const { transportA, urlB } = await start(given)
          if (transportA.find === undefined) return
          expect(await all(transportA.find(urlB, search()))).toEqual([{ type: 'ended', how: 'declined' }])
          await pair?.stop()
        }
      })

      test('of nobody is refused', async () => {
        const { transportA, urlB } = await start()
        if (transportA.find === undefined) return
        const refused = { type: 'failed', reason: 'refused', detail: expect.any(String) as string }
        expect(await all(transportA.find(nobodyBeside(urlB), search()))).toEqual([refused])
      })
    })

    test('both sides may call', async () => {
      const { transportB, urlA } = await start()
      expect(await all(transportB.ask(urlA, question()))).toEqual([{ type: 'missed' }])
    })
  })
}

const offered = (offer: Offer): Outcome => ({ type: 'offered', offer })

/** What a stream emits until it completes; rejects when it errors, which none may. */
const all = <T>(values$: Observable<T>) => within(10_000, lastValueFrom(values$.pipe(toArray())))

const contentOf = ([first]: object[]) => (first as { content?: Buffer } | undefined)?.content

const codeOf = (error: unknown) => (error as { code?: unknown }).code

const inATurn = <T>(value: T) => new Promise<T>((resolve) => setImmediate(resolve, value))

async function firstOf(bytes: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const { value } = (await bytes[Symbol.asyncIterator]().next()) as { value: Uint8Array }
  return value
}

function signal(): { given: Promise<void>; give: () => void } {
  let give: () => void = () => undefined
  const given = new Promise<void>((resolve) => {
    give = resolve
  })
  return { given, give: () => give() }
}

/** Says what took too long, instead of the whole test doing so. */
async function within<T>(limitMs: number, promise: Promise<T> | undefined): Promise<T> {
  if (promise === undefined) throw new Error('There is nothing to wait for.')
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`This did not happen within ${limitMs} ms.`)), limitMs)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
