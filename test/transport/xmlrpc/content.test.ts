import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeResponse, encodeFault, encodeResponse } from '../../../src/transport/xmlrpc/codec.js'
import { readAnswer } from '../../../src/transport/xmlrpc/content-in.js'
import { contentForm, contentResponse, type ForeignDialect } from '../../../src/transport/xmlrpc/content-out.js'
import { XmlRpcError } from '../../../src/transport/xmlrpc/xmlrpc-error.js'
import { cutAt, gathered, inPieces } from './pieces.js'

const PAIR = '<methodResponse><params><param><value><array><data><value><int>1</int></value>'
const PAIR_END = '</data></array></value></param></params></methodResponse>'

function bookAnswer(value: string | Uint8Array): Buffer {
  return Buffer.concat([
    Buffer.from("<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n"),
    Buffer.from(value as string),
    Buffer.from('\n</param>\n</params>\n</methodResponse>\n')
  ])
}

/** What a reader makes of an answer: its content, or whatever else it says, or how it was refused. */
async function understood(body: AsyncIterable<Uint8Array>, dialect: ForeignDialect = 'book'): Promise<unknown> {
  try {
    const answer = await readAnswer(body, dialect)
    return answer.type === 'content' ? await gathered(answer.bytes) : answer
  } catch (error) {
    if (error instanceof XmlRpcError) return error.kind
    throw error
  }
}

/** In one piece, byte by byte, and cut once at each place: all must be understood alike. */
async function understoodHoweverCut(body: Buffer, dialect: ForeignDialect = 'book'): Promise<unknown> {
  const whole = await understood(cutAt(body), dialect)
  expect(await understood(inPieces(body, [1]), dialect)).toEqual(whole)
  for (let at = 0; at <= body.length; at++) expect(await understood(cutAt(body, at), dialect)).toEqual(whole)
  return whole
}

describe('the form in which content can travel', () => {
  test.each<[string, string | Uint8Array, string]>([
    ['nothing', '', 'text'],
    ['ASCII', 'a < b & c\n\t', 'text'],
    ['UTF-8', 'caf\u00e9 \u20ac \u{1f600} \ufffd', 'text'],
    ['CRLF', 'a\r\nb', 'text-cr'],
    ['NUL', 'a\0', 'base64'],
    ['escape', '\u001b[0m', 'base64'],
    ['U+FFFE', 'a\ufffe', 'base64'],
    ['U+FFFF', '\uffffa', 'base64'],
    ['ISO-8859-1', Buffer.from([0x63, 0xe9]), 'base64'],
    ['half a character at the end', Buffer.from([0x61, 0xf0, 0x9f, 0x98]), 'base64'],
    ['a surrogate in UTF-8', Buffer.from([0xed, 0xa0, 0x80]), 'base64'],
    ['too long a form of /', Buffer.from([0xc0, 0xaf]), 'base64'],
    ['bytes that only continue', Buffer.from([0x80, 0x80, 0x80, 0x80]), 'base64']
  ])('of %s', async (_, content, form) => {
    const bytes = Buffer.from(content as string)
    expect(await contentForm(inPieces(bytes, [1]))).toBe(form)
    for (let at = 0; at <= bytes.length; at++) expect(await contentForm(cutAt(bytes, at))).toBe(form)
  })

  test('is known as soon as it is ruled out: the rest is not read', async () => {
    let isLetGo = false
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield await Promise.resolve(Buffer.from('a\0'))
      } finally {
        isLetGo = true
      }
    }
    expect(await contentForm(endless())).toBe('base64')
    expect(isLetGo).toBe(true)
  })
})

describe('content that we write', () => {
  const dialects: readonly ForeignDialect[] = ['book', 'simple']
  const lengths = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 })
  const texts = fc.string({
    unit: fc.constantFrom('a', '<', '>', '&', '\r', '\n', ';', '\u00e9', '\u20ac', '\u{1f600}')
  })

  test.each(dialects)('as text comes back byte for byte, however both ends cut it, to a %s peer', async (dialect) => {
    await fc.assert(
      fc.asyncProperty(texts, lengths, lengths, async (text, cutsOut, cutsIn) => {
        const content = Buffer.from(text)
        const wire = await gathered(contentResponse(inPieces(content, cutsOut), 'text', dialect))
        expect(await understood(inPieces(wire, cutsIn), dialect)).toEqual(content)
        const whole = decodeResponse(wire)
        expect(whole).toEqual({ type: 'value', value: dialect === 'book' ? text : [1, text] })
      })
    )
  })

  test.each(dialects)('as base64 comes back byte for byte, however both ends cut it, to a %s peer', async (dialect) => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), lengths, lengths, async (bytes, cutsOut, cutsIn) => {
        const content = Buffer.from(bytes)
        const wire = await gathered(contentResponse(inPieces(content, cutsOut), 'base64', dialect))
        expect(await understood(inPieces(wire, cutsIn), dialect)).toEqual(content)
        expect(decodeResponse(wire)).toEqual({ type: 'value', value: dialect === 'book' ? content : [1, content] })
      })
    )
  })

  test('says CR as a reference and has no bare one', async () => {
    const wire = await gathered(contentResponse(cutAt(Buffer.from('a\r\nb')), 'text', 'book'))
    expect(wire.toString()).toContain('<string>a&#13;\nb</string>')
    expect(wire.includes('\r')).toBe(false)
  })

  test.each<[string, Uint8Array]>([
    ['a control character', Buffer.from('abc\u0001')],
    ['half a character', Buffer.from([0x61, 0xe2, 0x82])]
  ])('throws when text turns out to have %s', async (_, bytes) => {
    const wire = gathered(contentResponse(inPieces(bytes, [2]), 'text', 'book'))
    await expect(wire).rejects.toMatchObject({ code: 'INTEGRITY' })
  })
})

describe('an answer of a book peer is read, however it is cut:', () => {
  test.each<[string, string | Uint8Array, string | Uint8Array]>([
    ['text', '<value><string>hello</string></value>', 'hello'],
    ['text without a type', '<value>hello</value>', 'hello'],
    ['space without a type', '<value> \n </value>', ' \n '],
    ['text without a type that begins with space', '<value>\n a</value>', '\n a'],
    ['text with space round its type', '<value>\n<string> a </string>\n</value>', ' a '],
    ['an empty string', '<value><string></string></value>', ''],
    ['an empty string in short', '<value><string/></value>', ''],
    ['an empty value', '<value></value>', ''],
    ['an empty value in short', '<value/>', ''],
    [
      'references',
      '<value><string>&lt;&gt;&amp;&quot;&apos;&#65;&#x20AC;&#13;&#9;</string></value>',
      '<>&"\'A\u20ac\r\t'
    ],
    ['a reference to a reference', '<value><string>&amp;lt;</string></value>', '&lt;'],
    ['signs of more', '<value><string>]]> a > b</string></value>', ']]> a > b'],
    ['CDATA', '<value><string>a<![CDATA[<b>&amp;]]]]><![CDATA[>]]>c</string></value>', 'a<b>&amp;]]>c'],
    ['CDATA without a type', '<value><![CDATA[]]><![CDATA[a]]></value>', 'a'],
    ['a comment', '<value><string>a<!-- <b> & -->c</string></value>', 'ac'],
    ['bare CRLF', '<value><string>a\r\nb\r</string></value>', 'a\r\nb\r'],
    [
      'bytes that are no UTF-8, beside references',
      Buffer.from('<value><string>caf\xe9 &amp; &#xe9; \x01\xff</string></value>', 'latin1'),
      Buffer.from('caf\xe9 & \xc3\xa9 \x01\xff', 'latin1')
    ],
    ['base64', '<value><base64>AP8=</base64></value>', Buffer.from([0, 255])],
    ['base64 in lines', '<value><base64>\nAP8A\n/w==\n</base64></value>', Buffer.from([0, 255, 0, 255])],
    ['base64 with space everywhere', '<value><base64>A\tP 8\r\n= </base64></value>', Buffer.from([0, 255])],
    ['empty base64', '<value><base64>\n</base64></value>', ''],
    ['empty base64 in short', '<value><base64/></value>', '']
  ])('%s', async (_, value, content) => {
    expect(await understoodHoweverCut(bookAnswer(value))).toEqual(Buffer.from(content as string))
  })

  test.each<[string, string]>([
    ['an integer', '<value><int>1</int></value>'],
    ['a boolean', '<value><boolean>1</boolean></value>'],
    ['nil', '<value><nil/></value>'],
    ['a struct', '<value><struct/></value>'],
    ['a pair, as the other book peer says it', '<value><array><data><value>1</value><value/></data></array></value>'],
    ['two values', '<value>a</value><value>b</value>'],
    ['two types', '<value><string>a</string><string>b</string></value>'],
    ['text beside a type', '<value>a<string>b</string></value>'],
    ['text behind a type', '<value><string>a</string>b</value>'],
    ['an element in the text', '<value><string>a<b/></string></value>'],
    ['another end', '<value><string>a</value></string>'],
    ['an unknown entity', '<value><string>&nbsp;</string></value>'],
    ['a name of every object', '<value><string>&constructor;</string></value>'],
    ['a bare ampersand', '<value><string>a & b</string></value>'],
    ['a bare ampersand at the end', '<value><string>a &</string></value>'],
    ['a reference to no character', '<value><string>&#0;</string></value>'],
    ['a reference to a surrogate', '<value><string>&#xd83d;</string></value>'],
    ['a reference beyond the last character', '<value><string>&#x110000;</string></value>'],
    ['base64 that is cut', '<value><base64>AP8</base64></value>'],
    ['base64 with something else in it', '<value><base64>A*P8</base64></value>'],
    ['base64 of the URL alphabet', '<value><base64>AP-_</base64></value>'],
    ['base64 that goes on after its end', '<value><base64>AP8=AP8=</base64></value>'],
    ['base64 with too many equal signs', '<value><base64>A===</base64></value>'],
    ['an element in base64', '<value><base64>AP8=<b/></base64></value>'],
    ['a markup declaration in the text', '<value><string><!ENTITY a "b"></string></value>'],
    ['a processing instruction in the text', '<value><string><?a?></string></value>']
  ])('%s is refused', async (_, value) => {
    expect(await understoodHoweverCut(bookAnswer(value))).toBe('malformed')
  })

  const good = bookAnswer('<value><string>hello</string></value>').toString()

  test.each<[string, string | Uint8Array, unknown]>([
    ['a byte order mark', `\ufeff${good}`, Buffer.from('hello')],
    ['comments', `<!-- a -->${good.slice(22).replaceAll('\n', '<!-- > -->')}`, Buffer.from('hello')],
    ['UTF-8 declared', good.replace("'?>", "' encoding='UTF-8'?>"), Buffer.from('hello')],
    ['ISO-8859-1 declared', good.replace("'?>", "' encoding='ISO-8859-1'?>"), 'malformed'],
    ['a DOCTYPE', good.replace('<methodR', '<!DOCTYPE a [<!ENTITY b "c">]><methodR'), 'not-xmlrpc'],
    ['text after the end', `${good}x`, 'malformed'],
    ['another answer after the end', good + good, 'malformed'],
    ['no values', '<methodResponse><params/></methodResponse>', 'malformed'],
    ['neither value nor fault', '<methodResponse></methodResponse>', 'malformed'],
    ['nothing', '', 'not-xmlrpc'],
    ['a call', '<methodCall><methodName>a</methodName></methodCall>', 'not-xmlrpc'],
    ['a web page', '<!DOCTYPE html><html><body>502</body></html>', 'not-xmlrpc'],
    ['words', 'Bad Gateway', 'not-xmlrpc'],
    ['UTF-16', Buffer.from(`\ufeff${good}`, 'utf16le'), 'not-xmlrpc']
  ])('with %s', async (_, body, expected) => {
    expect(await understoodHoweverCut(Buffer.from(body as string))).toEqual(expected)
  })
})

describe('an answer of a simple peer', () => {
  test.each<[string, string, unknown]>([
    ['with text', `${PAIR}<value><string>a</string></value>${PAIR_END}`, Buffer.from('a')],
    ['without a type', `${PAIR}<value>a</value>${PAIR_END}`, Buffer.from('a')],
    ['with base64', `${PAIR}<value><base64>YQ==</base64></value>${PAIR_END}`, Buffer.from('a')],
    ['with nothing', `${PAIR}<value/>${PAIR_END}`, Buffer.alloc(0)],
    ['that is a miss', encodeResponse([2, '']).toString(), { type: 'missed' }],
    ['that is a miss with something to it', encodeResponse([2, 'gone']).toString(), { type: 'missed' }],
    ['of neither', encodeResponse([3, '']).toString(), 'malformed'],
    ['of one', encodeResponse([1]).toString(), 'malformed'],
    ['of a miss alone', encodeResponse([2]).toString(), 'malformed'],
    ['of three', encodeResponse([1, 'a', 'b']).toString(), 'malformed'],
    ['of three that miss', encodeResponse([2, 'a', 'b']).toString(), 'malformed'],
    ['of a true', encodeResponse([true, 'a']).toString(), 'malformed'],
    ['of a number', encodeResponse([1, 2]).toString(), 'malformed'],
    ['of none', encodeResponse([]).toString(), 'malformed'],
    ['that the other book peer would give', encodeResponse('a').toString(), 'malformed']
  ])('%s', async (_, body, expected) => {
    expect(await understoodHoweverCut(Buffer.from(body), 'simple')).toEqual(expected)
  })
})

describe('a fault', () => {
  test.each<ForeignDialect>(['book', 'simple'])('of a %s peer is read', async (dialect) => {
    const fault = { type: 'fault', code: 100, message: 'No & <such> file' }
    expect(await understoodHoweverCut(encodeFault(100, 'No & <such> file'), dialect)).toEqual(fault)
  })

  test('is read although a Python 2 peer put a name into it that is no UTF-8', async () => {
    const fault = Buffer.from(encodeFault(1, 'caf?').toString().replace('?</', '\xe9</'), 'latin1')
    expect(await understood(cutAt(fault))).toEqual({ type: 'fault', code: 1, message: 'caf\ufffd' })
  })

  test('that has no code is refused', async () => {
    expect(await understood(cutAt(Buffer.from('<methodResponse><fault></fault></methodResponse>')))).toBe('malformed')
  })
})

describe('an answer that does not end', () => {
  test.each<[string, string]>([
    ['text', '<value><string>hello &amp; goodbye</string></value>'],
    ['text without a type', '<value>hello</value>'],
    ['CDATA', '<value><string><![CDATA[hello]]></string></value>'],
    ['base64', '<value><base64>aGVsbG8=</base64></value>']
  ])('but is cut off at any place throws, and never passes for a short file: %s', async (_, value) => {
    const body = bookAnswer(value)
    const end = body.lastIndexOf('>') + 1
    for (let at = 0; at < end; at++) {
      expect(await understood(inPieces(body.subarray(0, at), [7]))).toMatch(/malformed|not-xmlrpc/)
    }
  })

  test.each(['', '<?xml ', '<methodRes', '<methodResponse><params><param><value><string>hello'])(
    'but breaks throws what broke it, after "%s"',
    async (start) => {
      async function* breaking(): AsyncGenerator<Uint8Array> {
        yield Buffer.from(start)
        await Promise.reject(new Error('ECONNRESET'))
      }
      await expect(understood(breaking())).rejects.toThrow('ECONNRESET')
    }
  )

  test.each<[string, string]>([
    ['a tag', '<'],
    ['space', ' '],
    ['a comment', '<!--'],
    ['a declaration', '<?xml '],
    ['comments', '<!---->']
  ])('but goes on with %s is refused before it fills the memory', async (_, piece) => {
    let sizeBytes = 0
    async function* endless(start: string): AsyncGenerator<Uint8Array> {
      yield Buffer.from(start)
      for (const chunk = Buffer.from(piece.repeat(1000)); ; sizeBytes += chunk.length)
        yield await Promise.resolve(chunk)
    }
    const answer = '<methodResponse><params><param><value><string>a</string>'
    for (const start of ['', '<methodResponse>', answer, `${answer}</value></param></params></methodResponse>`]) {
      sizeBytes = 0
      expect(await understood(endless(start))).toMatch(/too-big|malformed|not-xmlrpc/)
      expect(sizeBytes).toBeLessThan(200_000)
    }
  })
})

describe('a long answer', () => {
  const content = Buffer.from('<p class="a">caf\u00e9 &amp; cr\u00e8me</p>\r\n'.repeat(2000))

  test('begins to be handed on before it is here', async () => {
    async function* halting(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('<methodResponse><params><param><value><string>hello')
      await new Promise(() => undefined)
    }
    const answer = await readAnswer(halting(), 'book')
    if (answer.type !== 'content') expect.fail(answer.type)
    const first = await answer.bytes[Symbol.asyncIterator]().next()
    expect(Buffer.from(first.value as Uint8Array).toString()).toBe('hello')
  })

  test.each<['text' | 'base64']>([['text'], ['base64']])('of 64 MiB as %s passes in little memory', async (form) => {
    const sizeBytes = 64 * 1024 * 1024
    async function* source(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < sizeBytes; at += content.length) yield await Promise.resolve(content)
    }
    const before = process.memoryUsage().arrayBuffers
    let peakBytes = 0
    let arrivedBytes = 0
    const answer = await readAnswer(contentResponse(source(), form, 'simple'), 'simple')
    if (answer.type !== 'content') expect.fail(answer.type)
    for await (const piece of answer.bytes) {
      arrivedBytes += piece.length
      peakBytes = Math.max(peakBytes, process.memoryUsage().arrayBuffers - before)
    }
    expect(arrivedBytes).toBe(Math.ceil(sizeBytes / content.length) * content.length)
    expect(peakBytes).toBeLessThan(sizeBytes)
  })

  test('lets go of the body when its reader leaves early, has not begun, or hears a fault', async () => {
    const leave: ((bytes: AsyncIterable<Uint8Array>) => Promise<void>)[] = [
      async (bytes) => {
        for await (const piece of bytes) if (piece.length > 0) break
      },
      async (bytes) => {
        await bytes[Symbol.asyncIterator]().return?.()
      }
    ]
    let letGo = 0
    async function* body(wire: Buffer): AsyncGenerator<Uint8Array> {
      try {
        yield* inPieces(wire, [1000])
      } finally {
        letGo++
      }
    }
    const wire = await gathered(contentResponse(cutAt(content), 'text', 'book'))
    for (const reader of leave) {
      const answer = await readAnswer(body(wire), 'book')
      if (answer.type === 'content') await reader(answer.bytes)
    }
    expect(letGo).toBe(leave.length)
    await readAnswer(body(encodeFault(1, 'a')), 'book')
    await expect(readAnswer(body(wire), 'simple')).rejects.toThrow(XmlRpcError)
    expect(letGo).toBe(leave.length + 2)
  })
})

test('any damage to an answer gives its content, a refusal, and nothing else', async () => {
  const body = bookAnswer('<value><string>a&amp;b<![CDATA[c]]></string></value>')
  const pieces = fc.constantFrom(
    '<',
    '>',
    '&',
    ';',
    ']]>',
    '<![CDATA[',
    '<!--',
    '</value>',
    '</string>',
    '\0',
    '<base64>'
  )
  await fc.assert(
    fc.asyncProperty(
      fc.nat(body.length),
      fc.nat(20),
      pieces,
      fc.integer({ min: 1, max: 40 }),
      async (at, cut, piece, n) => {
        const damaged = Buffer.concat([body.subarray(0, at), Buffer.from(piece), body.subarray(at + cut)])
        const result = await understood(inPieces(damaged, [n]))
        if (!Buffer.isBuffer(result)) expect(['malformed', 'too-big', 'not-xmlrpc']).toContain(result)
      }
    ),
    { numRuns: 500 }
  )
})
