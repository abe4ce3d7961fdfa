/** Finds asked by peers that want too much, and answered by peers that say too much. */
import { Agent, request, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { Observable } from 'rxjs'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Finding } from '../../src/streams/ports.js'
import { encodeFound } from '../../src/transport/http/find/answer-lines.js'
import { encodeSearch } from '../../src/transport/http/find/message.js'
import { batches, found, hitOf, hitsOf, searchFor, taken } from '../transport/http/finding.js'
import { connectTo, peer, serverWith, untilClosed } from '../transport/http/peers.js'

/** Far more than anything here takes, also on a machine with much else to do. */
const PATIENT = { timeout: 15_000 }
const HEAD = { 'Content-Type': 'application/x-ndjson' }

/** Somebody who is greeted as a peer is, and answers finds in its own way. */
async function liar(answer: (response: ServerResponse) => void) {
  const honest = await peer()
  const { url } = await serverWith((incoming, response) => {
    if (incoming.url === '/find') {
      incoming.resume()
      answer(response)
      return
    }
    const path = incoming.url ?? '/'
    const onward = request(honest.url + path, { method: 'POST', headers: incoming.headers }, (back) => {
      response.writeHead(back.statusCode ?? 0, back.headers)
      back.pipe(response)
    })
    incoming.pipe(onward)
  })
  const us = await peer()
  return (search = searchFor()) => us.find?.(url, search) ?? found()
}

/** Says this again and again, as fast as it is taken; tells how much was taken, and whether somebody is still there. */
function saysFor(piece: string, times = Number.POSITIVE_INFINITY, last = '') {
  const told = { pieces: 0, closed: false }
  const answer = (response: ServerResponse) => {
    response.writeHead(200, HEAD)
    response.once('close', () => (told.closed = true))
    const go = () => {
      while (!told.closed && told.pieces < times) {
        told.pieces++
        if (!response.write(piece)) return
      }
      if (!told.closed) response.end(last)
    }
    response.on('drain', go)
    go()
  }
  return { told, answer }
}

const usedMiB = () => {
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / 1_048_576
}

const END = '{"end":"all"}\n'
const LINE = `${encodeFound(hitsOf(64, 0, { name: 'n'.repeat(200) }))[0] ?? ''}\n`

describe('a neighbour that answers', () => {
  test('with a million hits is read at our pace, in little memory', { timeout: 60_000 }, async () => {
    const { told, answer } = saysFor(LINE, 15_625, END)
    const finding$ = (await liar(answer))()
    let most = 0
    const base = usedMiB()
    const hits = await new Promise<number>((resolve) => {
      let count = 0
      finding$.subscribe({
        next(finding) {
          if (finding.type !== 'found') return
          count += finding.hits.length
          if (count % 6_400 === 0) most = Math.max(most, usedMiB())
          finding.next()
        },
        complete: () => resolve(count)
      })
    })
    expect(hits).toBe(1_000_000)
    expect(told.pieces).toBe(15_625)
    expect(most - base).toBeLessThan(64)
  })

  test('without end is stopped when we have enough', async () => {
    const { told, answer } = saysFor(LINE)
    const finding$ = (await liar(answer))()
    await new Promise<void>((resolve) => {
      let count = 0
      const subscription = finding$.subscribe((finding) => {
        if (finding.type !== 'found') return
        count += finding.hits.length
        if (count < 10_000) {
          finding.next()
          return
        }
        subscription.unsubscribe()
        resolve()
      })
    })
    await expect.poll(() => told.closed, PATIENT).toBe(true)
    // What was on its way, which the kernel holds.
    expect(told.pieces).toBeLessThan(3_000)
  })

  test('with more than we want is not read, and waits', async () => {
    const { told, answer } = saysFor(LINE)
    const subscription = (await liar(answer))().subscribe()
    let before = -1
    const stands = () => {
      const same = told.pieces > 0 && told.pieces === before
      before = told.pieces
      return same
    }
    await expect.poll(stands, { ...PATIENT, interval: 200 }).toBe(true)
    expect(told.pieces).toBeLessThan(3_000)
    subscription.unsubscribe()
    await expect.poll(() => told.closed, PATIENT).toBe(true)
  })

  test.each<[string, string, Finding['type'], string]>([
    ['a line without end', 'x'.repeat(50_000), 'failed', 'nonsense'],
    ['a line without end, letter by letter', '{', 'failed', 'nonsense'],
    ['bad hits without end', `{"hits":[${Array.from({ length: 64 }, () => '[]').join(',')}]}\n`, 'failed', 'nonsense'],
    ['deep JSON', `${'['.repeat(60_000)}\n`, 'failed', 'nonsense'],
    ['line feeds without end', '\n'.repeat(10_000), 'ended', 'late'],
    ['hits of nothing without end', '{}\n'.repeat(3_000), 'ended', 'late']
  ])('with %s is over, and closed', async (_, piece, type, how) => {
    const { told, answer } = saysFor(piece)
    const deadlineMs = how === 'late' ? 1_500 : 15_000
    const { last } = await taken((await liar(answer))(searchFor('x', { deadlineMs })))
    expect(last).toMatchObject({ type, ...(type === 'ended' ? { how } : { reason: how }) })
    await expect.poll(() => told.closed, PATIENT).toBe(true)
  })
})

describe('a caller that', () => {
  const posted = (given = {}) => {
    const body = encodeSearch(searchFor('x', given)).toString()
    const head = 'POST /find HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n'
    return `${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  }

  test('does not read is cut, and the work behind it stops', async () => {
    const { told, finding$ } = batches((nth) => hitsOf(64, nth * 64), 1_000_000)
    const { url } = await peer({ searched: () => finding$ }, { limits: { findSlowReaderTimeoutMs: 300 } })
    const socket = await connectTo(url)
    socket.pause()
    socket.write(posted())
    await expect.poll(() => told.unsubscribed, PATIENT).toBe(true)
    expect(told.batches).toBeLessThan(3_000)
  })

  test('reads byte by byte is cut as well', async () => {
    const { told, finding$ } = batches((nth) => hitsOf(64, nth * 64), 1_000_000)
    const { url } = await peer({ searched: () => finding$ }, { limits: { findSlowReaderTimeoutMs: 300 } })
    const socket = await connectTo(url)
    socket.pause()
    socket.write(posted())
    const sips = setInterval(() => void socket.read(1), 20)
    onTestFinished(() => clearInterval(sips))
    await expect.poll(() => told.unsubscribed, PATIENT).toBe(true)
  })

  test('leaves takes everything behind it along', async () => {
    let open = 0
    const searched = () =>
      new Observable<Finding>((subscriber) => {
        open++
        subscriber.add(() => open--)
        subscriber.next({ type: 'found', hits: [hitOf(1)], next: () => undefined })
      })
    const { url } = await peer({ searched })
    const socket = await connectTo(url)
    socket.write(posted({ standing: true }))
    await expect.poll(() => open, PATIENT).toBe(1)
    socket.destroy()
    await expect.poll(() => open, PATIENT).toBe(0)
  })

  test('opens a thousand finds that stay has eight of them, and others are served', { timeout: 60_000 }, async () => {
    let open = 0
    const searched = (search: { standing?: boolean }) =>
      search.standing === true
        ? new Observable<Finding>((subscriber) => {
            open++
            subscriber.add(() => open--)
          })
        : found(hitOf(1))
    const { url } = await peer({ searched })
    const agent = new Agent({ keepAlive: true, maxSockets: 100 })
    onTestFinished(() => agent.destroy())
    const headers = { 'Content-Type': 'application/json' }
    let declined = 0
    for (let nth = 0; nth < 1_000; nth++) {
      const call = request(`${url}/find`, { method: 'POST', agent, headers }, (response) => {
        void text(response).then(
          (said) => {
            if (said === '{"end":"declined"}\n') declined++
          },
          () => undefined
        )
      })
      call.on('error', () => undefined)
      call.end(encodeSearch(searchFor('x', { standing: true })))
    }
    await expect.poll(() => declined, PATIENT).toBe(992)
    expect(open).toBe(8)
    const us = await peer()
    expect((await taken(us.find?.(url, searchFor()) ?? found())).hits).toEqual([hitOf(1)])
    agent.destroy()
    await expect.poll(() => open, PATIENT).toBe(0)
  })

  test('sends a body that unpacks to much more is refused', async () => {
    const { url } = await peer({ searched: () => found() })
    const body = gzipSync(Buffer.alloc(30_000_000))
    const socket = await connectTo(url)
    const answer = untilClosed(socket)
    socket.write('POST /find HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n')
    socket.write(`Content-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n`)
    socket.write(body)
    expect(await answer).toMatch(/^HTTP\/1\.1 413 /)
  })

  test('asks on and on on one connection without reading is answered the first, and cut', async () => {
    const { told, finding$ } = batches((nth) => hitsOf(64, nth * 64), 1_000_000)
    const { url } = await peer({ searched: () => finding$ }, { limits: { findSlowReaderTimeoutMs: 300 } })
    const socket = await connectTo(url)
    socket.pause()
    for (let nth = 0; nth < 100; nth++) socket.write(posted())
    await expect.poll(() => told.unsubscribed, PATIENT).toBe(true)
    expect(told.subscribed).toBe(1)
  })
})
