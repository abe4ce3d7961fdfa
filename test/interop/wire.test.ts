/** The forms of requests and replies, by hand where Python's own client would hide them. */
import { gzipSync } from 'node:zlib'
import { lastValueFrom } from 'rxjs'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Field, found } from './harness.js'
import { errorCode, fetched, type OurPeer, startPeer } from './our-peer.js'
import { describeWithPythons } from './pythons.js'
import { asBookNode, call, callOf, canned, exchange, faultReply, HANG_UP, head, post, reply } from './raw.js'

const field = new Field()
afterEach(field.clear)

const content = 'the content\n'
const faultCode = (body: string) => Number(/<name>faultCode<\/name>\s*<value>\s*<(?:int|i4)>(\d+)</.exec(body)?.[1])

describe('requests as Python 2 sends them', () => {
  const lasting = new Field()
  const long = 'x'.repeat(2_000_000)
  let us: OurPeer
  beforeAll(async () => {
    us = await startPeer(lasting, { files: { here: content, long } })
  })
  afterAll(lasting.clear)

  test('are answered on / and /RPC2, and with 404 elsewhere', async () => {
    for (const path of ['/', '/RPC2', '/simple'])
      expect(await post(us.url + path, call('query', 'here')), path).toMatchObject({
        status: 200,
        body: expect.stringContaining(content) as string
      })
    for (const path of ['/elsewhere', '/RPC2/more', '/rpc2', '/simpler'])
      expect(await post(us.url + path, call('query', 'here')), path).toMatchObject({ status: 404 })
  })

  test('need no header but those of xmlrpclib', async () => {
    for (const version of ['1.0', '1.1']) {
      const answer = await post(`${us.url}/RPC2`, call('query', 'here'), version)
      expect(answer, version).toMatchObject({ status: 200, body: expect.stringContaining(content) as string })
    }
  })

  test('of HTTP/1.0 get no chunks, however long the reply', async () => {
    const { status, headers, body } = await post(`${us.url}/RPC2`, call('query', 'long'), '1.0')
    expect([status, headers['transfer-encoding']]).toEqual([200, undefined])
    expect(body).toContain(long)
  })

  const string = (inner: string) => `<value><string>${inner}</string></value>`
  const understood: Record<string, string> = {
    'an untyped value': callOf('query', '<value>here</value>'),
    'white space round a typed value': callOf('query', '<value>\n  <string>here</string>\n</value>'),
    CDATA: callOf('query', string('<![CDATA[here]]>')),
    'character references': callOf('query', string('h&#101;&#x72;e')),
    'a byte order mark': `\uFEFF${call('query', 'here')}`,
    'an empty history': callOf('query', string('here'), '<value><array><data></data></array></value>'),
    'an untyped history': callOf(
      'query',
      string('here'),
      '<value><array><data><value>http://h:1</value></data></array></value>'
    ),
    'no declaration': call('query', 'here').replace(/^.*\n/, ''),
    'a comment': call('query', 'here').replace('<params>', '<!-- here --><params>')
  }
  for (const [what, body] of Object.entries(understood))
    test(`are understood with ${what}`, async () => {
      expect(await post(`${us.url}/RPC2`, body)).toMatchObject({
        status: 200,
        body: expect.stringContaining(content) as string
      })
    })

  const doctype = '<?xml version="1.0"?><!DOCTYPE m [<!ENTITY e "here">]>'
  const refused: Record<string, string> = {
    'a DOCTYPE': call('query', 'here').replace(/^.*\n/, '<?xml version="1.0"?><!DOCTYPE methodCall>'),
    'an entity of its own': callOf('query', string('&e;')).replace(/^.*\n/, doctype),
    'a reference to character 0': callOf('query', string('here&#0;')),
    'a missing end': call('query', 'here').replace('</params>\n</methodCall>', ''),
    'no XML at all': 'query here',
    nothing: ''
  }
  for (const [what, body] of Object.entries(refused))
    test(`are refused with ${what}, and the next call is answered`, async () => {
      const { status, body: answer } = await post(`${us.url}/RPC2`, body)
      expect([200, 400]).toContain(status)
      if (status === 200) expect(faultCode(answer)).toBe(1)
      expect(answer).not.toContain(content)
      expect((await post(`${us.url}/RPC2`, call('query', 'here'))).body).toContain(content)
    })

  test('sent in pieces are read as one', async () => {
    const body = call('query', 'here')
    expect((await exchange({ url: us.url }, head(`${us.url}/RPC2`, body), body)).body).toContain(content)
  })

  test('sent twice are answered twice with the same', async () => {
    for (const body of [call('query', 'here'), call('query', 'missing'), call('hello', 'http://127.0.0.1:9')]) {
      const answers = [await post(us.url, body), await post(us.url, body)].map((answer) => [answer.status, answer.body])
      expect(answers[0]).toEqual(answers[1])
    }
  })
})

describeWithPythons('calls that cannot be answered', (python) => {
  test('are faults, not HTTP errors, on every path', async () => {
    const us = await startPeer(field, { files: { here: content } })
    const client = field.client(python)
    const calls: [string, ...unknown[]][] = [
      ['query'],
      ['query', 'here', [], 'more'],
      ['query', 5],
      ['query', null],
      ['query', ['here']],
      ['query', true],
      ['query', 'missing', 'not a list'],
      ['hello'],
      ['fetch', 'here'],
      ['nothing_of_the_kind'],
      ['_handle', 'here'],
      ['query.__class__'],
      ['system.nothing']
    ]
    for (const path of ['', '/', '/simple']) {
      for (const [method, ...params] of calls)
        expect(
          await client.call(us.url + path, method, ...params),
          JSON.stringify([path, method, ...params])
        ).toMatchObject({ fault: 1 })
      expect(found(await client.call(us.url + path, 'query', 'here')).toString()).toBe(content)
    }
  })
})

describe('a neighbour that is known only by what it sends', () => {
  const value = (inner: string) => `<value>${inner}</value>`
  const http = (head: string, body: string | Buffer) =>
    Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\n${head}\r\n`), Buffer.from(body)])

  async function neighbour(answer: string | Buffer) {
    const server = await canned(asBookNode(() => answer))
    field.atEnd(server.close)
    const us = await startPeer(field)
    await lastValueFrom(us.peer.hello(server.url))
    return { us, server }
  }

  const text = reply(value(`<string>${content}</string>`))
  const chunked = `7\r\n${text.slice(0, 7)}\r\n${(text.length - 7).toString(16)}\r\n${text.slice(7)}\r\n0\r\n\r\n`
  const readable: Record<string, string | Buffer> = {
    'a plain string': text,
    'an untyped value': reply(value(content)),
    'white space round a typed value': reply(value(`\n <string>${content}</string>\n `)),
    CDATA: reply(value(`<string><![CDATA[${content}]]></string>`)),
    'character references': reply(value('<string>th&#101; content&#xA;</string>')),
    base64: reply(value(`<base64>\n${Buffer.from(content).toString('base64').replace(/.{6}/g, '$&\n')}\n</base64>`)),
    'no length': http('', text),
    'no type': http(`Content-Length: ${text.length}\r\n`, text),
    'application/xml': http(`Content-Type: application/xml\r\nContent-Length: ${text.length}\r\n`, text),
    chunks: http('Content-Type: text/xml\r\nTransfer-Encoding: chunked\r\n', chunked)
  }
  for (const [what, answer] of Object.entries(readable))
    test(`is understood with ${what}`, async () => {
      const { us } = await neighbour(answer)
      expect((await fetched(us, 'wanted')).toString()).toBe(content)
    })

  test('gets Content-Length, no chunks, and nothing but query and hello in the end', async () => {
    const { us, server } = await neighbour(text)
    await fetched(us, 'wanted')
    expect(server.requests.filter(({ text: request }) => request.includes('wanted'))).toHaveLength(1)
    for (const { method, text: request } of server.requests) {
      expect(request).toMatch(/^POST \/(RPC2)? HTTP\/1\.[01]\r\n/)
      expect(request).toMatch(/\r\ncontent-length: \d+\r\n/i)
      expect(request).not.toMatch(/\r\n(transfer-encoding|expect):/i)
      // A Python 2 server zips long answers for whoever seems to read that.
      expect(request).not.toMatch(/\r\naccept-encoding:[^\r]*gzip/i)
      expect(method).toMatch(/^(query|hello|p2prx\.\w+)$/)
    }
  })

  test('is asked for the name and the history only', async () => {
    const { us, server } = await neighbour(text)
    await fetched(us, 'wanted')
    const body = server.requests.find((request) => request.text.includes('wanted'))?.text ?? ''
    expect(body.match(/<param>/g)).toHaveLength(2)
    expect(body.slice(body.indexOf('<array>'), body.indexOf('</array>'))).toContain(us.url)
  })

  test('is asked once more when it hangs up without a word', async () => {
    let queries = 0
    const server = await canned(asBookNode(() => (++queries === 1 ? HANG_UP : text)))
    field.atEnd(server.close)
    const us = await startPeer(field)
    await lastValueFrom(us.peer.hello(server.url))
    expect((await fetched(us, 'wanted')).toString()).toBe(content)
    expect(queries).toBe(2)
  })

  for (const [what, answer] of Object.entries({
    'half a reply': text.slice(0, -40),
    'a string in half': http(`Content-Length: ${text.length}\r\n`, text.slice(0, text.indexOf('content'))),
    'an HTTP error': 'HTTP/1.0 500 Oops\r\nContent-Length: 0\r\n\r\n',
    'a DOCTYPE': text.replace(/^.*\n/, '<?xml version="1.0"?><!DOCTYPE x>\n'),
    'gzip nobody asked for': http(
      `Content-Encoding: gzip\r\nContent-Length: ${gzipSync(text).length}\r\n`,
      gzipSync(text)
    ),
    'broken base64': reply(value('<base64>@@@@</base64>')),
    'a number': reply(value('<int>5</int>')),
    'fault 200': faultReply(200),
    'fault 100': faultReply(100)
  }))
    test(`leaves no file behind with ${what}`, async () => {
      const { us } = await neighbour(answer)
      expect(await errorCode(us.peer.fetch('wanted'))).not.toBe('none')
      expect(await errorCode(us.peer.query('wanted'))).not.toBe('none')
    })
})
