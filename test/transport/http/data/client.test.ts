/** The reader's side of the data plane, against holders that do as they like on a bare socket. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { concatMap, lastValueFrom } from 'rxjs'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Memory, ReadOutcome, ReadRequest } from '../../../../src/streams/ports.js'
import type { HttpLimits } from '../../../../src/transport/http/limits.js'
import { bytesOf, gathered, sourceOf } from '../../../compliance/inbound.js'
import { gate, peer, visitor } from '../peers.js'

/** For holders that are to be found too slow; elsewhere a busy machine must not be taken for one. */
const IMPATIENT = { dataHeadTimeoutMs: 300, idleTimeoutMs: 300 } satisfies Partial<HttpLimits>

/** A holder on a bare socket, told of each request's head. `connections` counts. */
async function holder(answer: (socket: Socket, request: string, number: number) => void) {
  const sockets: Socket[] = []
  let number = 0
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
        const request = text.slice(0, end)
        text = text.slice(end + 4)
        answer(socket, request, number++)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets }
}

function us(limits: Partial<HttpLimits> = {}) {
  const transport = visitor({ limits })
  onTestFinished(() => transport.close())
  return transport
}

/** What came of a read, with its content or the code of what broke it. */
async function outcomeOf(read$: ReturnType<ReturnType<typeof us>['read']>) {
  return new Promise<Record<string, unknown> & { type: string }>((resolve) => {
    read$.subscribe((outcome) => {
      if (outcome.type !== 'body') resolve({ ...outcome })
      else
        gathered(outcome.bytes).then(
          (content) => resolve({ type: 'body', content, start: outcome.start, size: outcome.size }),
          (error: unknown) => resolve({ type: 'broken', code: (error as { code?: string }).code })
        )
    })
  })
}

const readFrom = (url: string, request: Partial<ReadRequest> = {}, transport = us()) =>
  outcomeOf(transport.read(url, { name: 'x', start: 0, ...request }))

const OK = (length: number, ...more: string[]) =>
  ['HTTP/1.1 200 OK', `Content-Length: ${length}`, 'ETag: "e"', ...more, '', ''].join('\r\n')

const rangeOf = (request: string) => {
  const [, start, last] = /range: bytes=(\d+)-(\d+)/i.exec(request) ?? []
  return { start: Number(start), end: Number(last) + 1 }
}

const PART = (start: number, end: number, size: number) =>
  `HTTP/1.1 206 P\r\nContent-Length: ${end - start}\r\nContent-Range: bytes ${start}-${end - 1}/${size}\r\nETag: "e"\r\n\r\n`

describe('an answer', () => {
  test('may come in pieces that are split anywhere', async () => {
    const answer = `HTTP/1.1 103 Early\r\nX: y\r\n\r\n${OK(5)}hello`
    const { url } = await holder((socket, request) => {
      const at = Number(/files\/(\d+)/.exec(request)?.[1])
      socket.write(answer.slice(0, at))
      setTimeout(() => socket.write(answer.slice(at)), 2)
    })
    const transport = us()
    for (let at = 1; at < answer.length; at++) {
      const outcome = await readFrom(url, { name: String(at) }, transport)
      expect([at, outcome]).toMatchObject([at, { type: 'body', content: Buffer.from('hello') }])
    }
  })

  test('may come byte by byte', async () => {
    const { url } = await holder((socket) => {
      void (async () => {
        socket.setNoDelay()
        for (const byte of `${OK(5)}hello`) {
          socket.write(byte)
          await sleep(1)
        }
      })()
    })
    expect(await readFrom(url)).toMatchObject({ type: 'body', content: Buffer.from('hello') })
  })

  test.each([
    ['no HTTP', 'SSH-2.0-x\r\n\r\n', 'not-a-peer'],
    ['a status that is an error', 'HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n', 'not-a-peer'],
    ['switching protocols', 'HTTP/1.1 101 X\r\n\r\n', 'nonsense'],
    ['interim answers without end', 'HTTP/1.1 100 C\r\n\r\n'.repeat(5), 'nonsense'],
    ['a chunked body', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n', 'nonsense'],
    ['a body without a length', 'HTTP/1.1 200 OK\r\n\r\nhello', 'nonsense'],
    ['two framings', `${OK(5, 'Transfer-Encoding: chunked')}hello`, 'nonsense'],
    ['a packed body', `${OK(5, 'Content-Encoding: gzip')}hello`, 'nonsense'],
    ['a head of 20 KB', OK(5, `X: ${'x'.repeat(20_000)}`), 'nonsense'],
    ['a head of 100 KB without an end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}`, 'nonsense'],
    ['a hundred headers', OK(5, ...Array.from({ length: 100 }, () => 'a: b')), 'nonsense'],
    ['an overloaded holder', 'HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n', 'refused']
  ])('that is %s has failed', async (_, answer, reason) => {
    const { url } = await holder((socket) => socket.write(answer))
    expect(await readFrom(url)).toMatchObject({ type: 'failed', reason })
  })

  test.each([
    ['begins elsewhere', PART(1, 6, 10)],
    ['is longer than asked for', PART(0, 6, 10)],
    ['has another length than its range', PART(0, 5, 10).replace('Length: 5', 'Length: 4')],
    ['is the whole of a file that is longer', OK(10)]
  ])('that %s is nonsense', async (_, head) => {
    const { url } = await holder((socket) => socket.write(`${head}0123456789`))
    expect(await readFrom(url, { start: 0, end: 5 })).toMatchObject({ type: 'failed', reason: 'nonsense' })
  })

  test('that is shorter than it says breaks', async () => {
    const { url } = await holder((socket) => socket.end(`${OK(10)}hello`))
    expect(await readFrom(url)).toEqual({ type: 'broken', code: 'NETWORK' })
  })

  test('that is longer than it says is cut where it said, and the connection is not used again', async () => {
    const { url, sockets } = await holder((socket) => socket.write(`${OK(5)}hello and more`))
    const transport = us()
    for (let at = 0; at < 2; at++)
      expect(await readFrom(url, {}, transport)).toMatchObject({ type: 'body', content: Buffer.from('hello') })
    expect(sockets).toHaveLength(2)
  })

  test('that is reset half-way breaks', async () => {
    const { url } = await holder((socket) => socket.write(`${OK(10)}hello`, () => socket.resetAndDestroy()))
    expect(await readFrom(url)).toEqual({ type: 'broken', code: 'NETWORK' })
  })

  test('whose head is slow has timed out', async () => {
    const { url } = await holder((socket) => socket.write(OK(5).slice(0, 20)))
    expect(await readFrom(url, {}, us(IMPATIENT))).toMatchObject({ type: 'failed', reason: 'timed-out' })
  })

  test('whose bytes come too slowly has timed out, however steadily', async () => {
    const { url } = await holder((socket) => {
      socket.write(OK(1_000_000))
      const drip = setInterval(() => socket.write('x'), 20)
      socket.once('close', () => clearInterval(drip))
    })
    expect(await readFrom(url, {}, us(IMPATIENT))).toEqual({ type: 'broken', code: 'TIMEOUT' })
  })

  test('may be slower than the time-out where it is the reader who is slow', async () => {
    const { url } = await holder((socket) =>
      socket.write(Buffer.concat([Buffer.from(OK(2_000_000)), bytesOf(2_000_000)]))
    )
    const length$ = us({ idleTimeoutMs: 100 })
      .read(url, { name: 'x', start: 0 })
      .pipe(
        concatMap(async (outcome) => {
          if (outcome.type !== 'body') return outcome.type
          let length = 0
          for await (const chunk of outcome.bytes) {
            if (length === 0) await sleep(400)
            length += chunk.length
          }
          return length
        })
      )
    expect(await lastValueFrom(length$)).toBe(2_000_000)
  })
})

describe('connections', () => {
  const echo = (socket: Socket, request: string) => {
    const name = /files\/(\S+)/.exec(request)?.[1] ?? ''
    socket.write(OK(name.length) + name)
  }

  test('are used again by who reads one after the other', async () => {
    const { url, sockets } = await holder(echo)
    const transport = us()
    for (let at = 0; at < 10; at++)
      expect(await readFrom(url, { name: `n${at}` }, transport)).toMatchObject({ content: Buffer.from(`n${at}`) })
    expect(sockets).toHaveLength(1)
  })

  test('carry many short reads, each with its own answer', async () => {
    const content = bytesOf(1_000_000)
    const { url, sockets } = await holder((socket, request) => {
      const { start, end } = rangeOf(request)
      socket.write(Buffer.concat([Buffer.from(PART(start, end, content.length)), content.subarray(start, end)]))
    })
    const transport = us()
    const starts = Array.from({ length: 300 }, (_, at) => at * 3_000)
    const outcomes = await Promise.all(
      starts.map((start) => readFrom(url, { start, end: start + 2_000 + (start % 999) }, transport))
    )
    outcomes.forEach((outcome, at) => {
      const start = starts[at] ?? 0
      const expected = content.subarray(start, start + 2_000 + (start % 999))
      expect((outcome.content as Buffer).equals(expected)).toBe(true)
    })
    expect(sockets.length).toBeLessThanOrEqual(4)
  })

  test('are not shared by long reads', async () => {
    const { url, sockets } = await holder((socket) => setTimeout(() => socket.write(`${OK(5)}hello`), 50))
    const transport = us()
    await Promise.all(Array.from({ length: 5 }, () => readFrom(url, {}, transport)))
    expect(sockets).toHaveLength(5)
  })

  test('have a limit, beyond which reads wait', async () => {
    const { url, sockets } = await holder((socket) => setTimeout(() => socket.write(`${OK(5)}hello`), 10))
    const transport = us()
    const outcomes = await Promise.all(Array.from({ length: 60 }, () => readFrom(url, {}, transport)))
    expect(outcomes.every(({ type }) => type === 'body')).toBe(true)
    expect(sockets).toHaveLength(16)
  })

  test('that went stale cost nothing but one more', async () => {
    const { url, sockets } = await holder((socket, request, number) => {
      if (number === 1) socket.destroy()
      else echo(socket, request)
    })
    const transport = us()
    for (let at = 0; at < 3; at++)
      expect(await readFrom(url, { name: `n${at}` }, transport)).toMatchObject({ content: Buffer.from(`n${at}`) })
    expect(sockets).toHaveLength(2)
  })

  test('that break when they are new have failed', async () => {
    const { url, sockets } = await holder((socket) => socket.destroy())
    expect(await readFrom(url)).toMatchObject({ type: 'failed', reason: 'reset' })
    expect(sockets).toHaveLength(1)
  })

  test('that end with each answer still bring all of what was sent behind one another', async () => {
    const { url } = await holder((socket, request) => {
      const { start, end } = rangeOf(request)
      const head = PART(start, end, 1_000).replace('\r\n', '\r\nConnection: close\r\n')
      if (!socket.writableEnded) socket.end(`${head}${'x'.repeat(end - start)}`)
    })
    const transport = us()
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, at) => readFrom(url, { start: at, end: at + 10 }, transport))
    )
    expect(outcomes.every(({ type }) => type === 'body')).toBe(true)
  })

  test('are closed when their reader leaves half-way', async () => {
    const { url, sockets } = await holder((socket) => socket.write(`${OK(10_000_000)}hello`))
    const reading = us().read(url, { name: 'x', start: 0 })
    await new Promise<void>((resolve) => {
      const subscription = reading.subscribe((outcome) => {
        if (outcome.type !== 'body') return
        subscription.unsubscribe()
        resolve()
      })
    })
    const [socket] = sockets
    if (socket?.closed === false) await once(socket, 'close')
  })

  test('bring the others their answers when one of several readers leaves', async () => {
    const content = bytesOf(100_000)
    const { url } = await holder((socket, request) => {
      const { start, end } = rangeOf(request)
      setTimeout(
        () =>
          socket.write(Buffer.concat([Buffer.from(PART(start, end, content.length)), content.subarray(start, end)])),
        20
      )
    })
    const transport = us()
    const starts = Array.from({ length: 40 }, (_, at) => at * 2_000)
    const reads = starts.map((start, at) => {
      const read$ = transport.read(url, { name: 'x', start, end: start + 2_000 })
      if (at % 3 !== 0) return outcomeOf(read$)
      const subscription = read$.subscribe()
      setTimeout(() => subscription.unsubscribe(), at)
      return undefined
    })
    for (const [at, outcome] of reads.entries()) {
      const start = starts[at] ?? 0
      if (outcome === undefined) continue
      expect(((await outcome).content as Buffer).equals(content.subarray(start, start + 2_000))).toBe(true)
    }
  })

  test('that are idle are closed after their time, and at once by close', async () => {
    const { url, sockets } = await holder(echo)
    const soon = us({ keepAliveTimeoutMs: 50 })
    await readFrom(url, {}, soon)
    await expect.poll(() => sockets[0]?.destroyed).toBe(true)
    const later = us()
    await readFrom(url, {}, later)
    expect(sockets[1]?.destroyed).toBe(false)
    later.close()
    await expect.poll(() => sockets[1]?.destroyed).toBe(true)
  })

  test('what is under way ends with close, and is not tried again', async () => {
    const { url, sockets } = await holder((socket, request, number) => {
      if (number === 0) echo(socket, request)
    })
    const transport = us()
    await readFrom(url, {}, transport)
    const reading = readFrom(url, {}, transport)
    await sleep(20)
    transport.close()
    expect(await reading).toMatchObject({ type: 'failed' })
    expect(sockets).toHaveLength(1)
  })
})

describe('the memory of a reader', () => {
  const content = bytesOf(3_000_000)

  /** Two stretches in turn, as a download uses them; tells when it was asked for memory that is still being read. */
  function stretches(stretchBytes: number, buffer: (bytes: number) => ArrayBufferLike) {
    const both = [new Uint8Array(buffer(stretchBytes)), new Uint8Array(buffer(stretchBytes))]
    let [at, filled, calls] = [0, 0, 0]
    const memory: Memory = (count) => {
      if (calls++ === 0) expect(count).toBe(0)
      filled += count
      if (filled === stretchBytes) {
        at ^= 1
        filled = 0
      }
      return both[at]?.subarray(filled) ?? new Uint8Array()
    }
    return { memory, both }
  }

  test.each([
    ['1 MiB', 1 << 20, (bytes: number) => new ArrayBuffer(bytes)],
    ['1 MiB that is shared by threads', 1 << 20, (bytes: number) => new SharedArrayBuffer(bytes)],
    ['1,000 bytes', 1_000, (bytes: number) => new ArrayBuffer(bytes)],
    ['7 bytes', 7, (bytes: number) => new ArrayBuffer(bytes)]
  ])('of %s is not written again before it was read', async (_, stretchBytes, buffer) => {
    const length = stretchBytes < 100 ? 20_000 : content.length
    const { url } = await holder((socket) => {
      socket.write(Buffer.concat([Buffer.from(OK(length)), content.subarray(0, length)]))
    })
    const lent = stretches(stretchBytes, buffer)
    let [at, slow] = [0, 0]
    const done = gate()
    us()
      .read(url, { name: 'x', start: 0, memory: lent.memory })
      .subscribe((outcome) => {
        void (async () => {
          if (outcome.type !== 'body') throw new Error(outcome.type)
          for await (const chunk of outcome.bytes) {
            expect(lent.both.some(({ buffer: own }) => own === chunk.buffer)).toBe(true)
            if (slow++ % 50 === 0) await sleep(2)
            expect(Buffer.from(chunk).equals(content.subarray(at, at + chunk.length))).toBe(true)
            at += chunk.length
          }
          done.open()
        })()
      })
    await done.opened
    expect(at).toBe(length)
  })

  test('takes nothing of the answer behind', async () => {
    const { url } = await holder((socket, request) => {
      const { start, end } = rangeOf(request)
      socket.write(Buffer.concat([Buffer.from(PART(start, end, content.length)), content.subarray(start, end)]))
    })
    const transport = us()
    await Promise.all(
      Array.from({ length: 32 }, async (_, at) => {
        const own = new Uint8Array(40_000).fill(7)
        const [start, length] = [at * 40_000, 30_000 + at]
        let filled = 0
        const memory: Memory = (count) => own.subarray((filled += count))
        await readFrom(url, { start, end: start + length, memory }, transport)
        expect(Buffer.from(own.subarray(0, length)).equals(content.subarray(start, start + length))).toBe(true)
        expect(own.subarray(length).every((byte) => byte === 7)).toBe(true)
      })
    )
  })

  test('is not touched any more when its reader has left', async () => {
    const own = new Uint8Array(1_000_000)
    const { url, sockets } = await holder((socket) => {
      socket.write(OK(900_000))
      socket.write(content.subarray(0, 1_000))
    })
    let filled = 0
    const transport = us()
    const read$ = transport.read(url, { name: 'x', start: 0, memory: (count) => own.subarray((filled += count)) })
    const left = gate()
    const subscription = read$.subscribe((outcome) => {
      void (async () => {
        if (outcome.type !== 'body') return
        const reader = outcome.bytes[Symbol.asyncIterator]()
        await reader.next()
        await reader.return?.()
        left.open()
      })()
    })
    await left.opened
    own.fill(0)
    sockets[0]?.write(content.subarray(1_000, 900_000))
    await sleep(50)
    expect(own.every((byte) => byte === 0)).toBe(true)
    subscription.unsubscribe()
  })

  test('that is empty too early breaks the read, not the process', async () => {
    const { url } = await holder((socket) => socket.write(`${OK(10)}helloworld`))
    const outcome = await readFrom(url, { memory: () => new Uint8Array(0) })
    expect(outcome.type).toBe('broken')
  })
})

test('a holder of ours serves short and long reads at once', async () => {
  const content = bytesOf(4_000_000)
  const them = await peer({ openRoot: (root) => Promise.resolve(sourceOf(content, { etag: root })) })
  const root = 'ab'.repeat(32)
  const transport = us()
  const long = readFrom(them.url, { root }, transport)
  const short = Array.from({ length: 200 }, (_, at) =>
    readFrom(them.url, { root, start: at, end: at + 5_000 }, transport)
  )
  expect(((await long).content as Buffer).equals(content)).toBe(true)
  for (const [at, outcome] of short.entries())
    expect(((await outcome).content as Buffer).equals(content.subarray(at, at + 5_000))).toBe(true)
})

test('bytes of a read that was taken back break, and do not just end', async () => {
  const { url } = await holder((socket) => socket.write(`${OK(10)}hello`))
  const broken = new Promise((resolve) => {
    const subscription = us()
      .read(url, { name: 'x', start: 0 })
      .subscribe((outcome) => {
        if (outcome.type !== 'body') return
        gathered(outcome.bytes).then(resolve, resolve)
        queueMicrotask(() => subscription.unsubscribe())
      })
  })
  expect(await broken).toMatchObject({ code: 'NETWORK' })
})

test('another root than was asked for is nonsense', async () => {
  const { url } = await holder((socket) => socket.write(`${OK(5)}hello`))
  const outcome: ReadOutcome = await lastValueFrom(us().read(url, { name: 'x', root: 'ab'.repeat(32), start: 0 }))
  expect(outcome).toMatchObject({ type: 'failed', reason: 'nonsense' })
})
