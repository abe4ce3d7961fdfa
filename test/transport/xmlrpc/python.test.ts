import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeCall,
  decodeResponse,
  encodeCall,
  encodeFault,
  encodeResponse
} from '../../../src/transport/xmlrpc/codec.js'
import { readAnswer } from '../../../src/transport/xmlrpc/content-in.js'
import { contentForm, contentResponse, type ForeignDialect } from '../../../src/transport/xmlrpc/content-out.js'
import { isXmlText, type XmlRpcValue } from '../../../src/transport/xmlrpc/values.js'
import { gathered, inPieces } from './pieces.js'

/** `x` is the interpreter's own XML-RPC library, `data` what it was given, `out` writes bytes. */
const PRELUDE = `
import sys, json, hashlib
try:
    import xmlrpc.client as x
    data, out = sys.stdin.buffer.read(), sys.stdout.buffer.write
except ImportError:
    import xmlrpclib as x
    data, out = sys.stdin.read(), sys.stdout.write
def raw(value):
    if isinstance(value, x.Binary): return value.data
    return value if isinstance(value, bytes) else value.encode('utf-8')
`

interface Interpreter {
  readonly name: string
  readonly command: string
  readonly major: number
}

function interpreters(): Interpreter[] {
  const candidates = ['python3', process.env.P2PRX_PYTHON2 ?? 'python2.7']
  return candidates.flatMap((command) => {
    const { status, stdout } = spawnSync(command, ['-c', 'import sys; print(sys.version_info[0])'], {
      encoding: 'utf8'
    })
    if (status !== 0) return []
    return [{ name: `Python ${stdout.trim()} (${command})`, command, major: Number(stdout) }]
  })
}

function python({ command }: Interpreter, script: string, input: Uint8Array): Buffer {
  const { status, stdout, stderr } = spawnSync(command, ['-c', PRELUDE + script], { input, maxBuffer: 2 ** 28 })
  if (status !== 0) expect.fail(stderr.toString())
  return stdout
}

const present = interpreters()

test('there is a Python to compare with', ({ skip }) => {
  skip(present.length === 0, 'no python3, and no P2PRX_PYTHON2: what Python reads and writes is not checked')
  expect(present).not.toEqual([])
})

describe.each(present)('$name', (interpreter) => {
  const echo = 'params, method = x.loads(data); out(raw(x.dumps(params, method, allow_none=True)))'

  test('reads our calls and writes what we read as the same values', () => {
    const leaf = fc.oneof(
      fc.constant(null),
      fc.boolean(),
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Number.isInteger(value)),
      fc
        .string({ unit: 'binary' })
        .filter(isXmlText)
        .map((text) => text.replaceAll('\r', '')),
      fc.uint8Array().map((bytes) => Buffer.from(bytes))
    )
    const some = fc.oneof(leaf, fc.array(leaf), fc.dictionary(fc.string({ unit: 'grapheme' }).filter(isXmlText), leaf))
    const values: XmlRpcValue[] = [
      ...fc.sample(some, 300),
      '',
      ' a ',
      'x]]>y]]></string></value></param><param><value><string>INJECTED',
      'a<b & c>d]]>e]]>f',
      -0x80000000,
      0x7fffffff,
      { a: [{ b: [] }], c: {} },
      new Date('2024-02-29T12:34:56Z'),
      new Date('2024-02-29T12:34:56.789Z')
    ]
    const back = decodeCall(python(interpreter, echo, encodeCall('some.method', values)))
    expect(back).toEqual({ method: 'some.method', params: values })
  })

  test('reads CR from us, beside markup too', () => {
    const script = 'params, method = x.loads(data); out(raw(params[0]))'
    expect(python(interpreter, script, encodeCall('m', ['a<b\r\nc\rd'])).toString()).toBe('a<b\r\nc\rd')
  })

  test('reads integers beyond 32 bits from us', () => {
    const script = 'params, method = x.loads(data); out(raw(repr([int(n) for n in params]).replace("L", "")))'
    const numbers = [3e9, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]
    expect(python(interpreter, script, encodeCall('m', numbers)).toString()).toBe(`[${numbers.join(', ')}]`)
  })

  test('reads our faults, and we read its', () => {
    const script = `
try: x.loads(data)
except x.Fault as fault: out(raw(x.dumps(x.Fault(fault.faultCode, fault.faultString))))
`
    const fault = { type: 'fault', code: 100, message: "Couldn't find <the> file & so on" }
    expect(decodeResponse(python(interpreter, script, encodeFault(fault.code, fault.message)))).toEqual(fault)
  })

  test('reads our answers', () => {
    const answer = { name: 'a', size: 12, holders: ['http://127.0.0.1:4242'] }
    const script = 'values, method = x.loads(data); out(raw(json.dumps(values[0])))'
    expect(JSON.parse(python(interpreter, script, encodeResponse(answer)).toString())).toEqual(answer)
  })

  const contents: [string, Buffer][] = [
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('hello\n')],
    ['CRLF and lone CR', Buffer.from('a\r\nb\rc')],
    ['markup', Buffer.from('<a b="c">&amp;]]></a>'.repeat(1000))],
    ['UTF-8', Buffer.from('caf\u00e9 \u20ac \u{1f600}\n'.repeat(5000))],
    ['binary', Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * i * 7) % 251))]
  ]
  const unpack = { book: 'values[0]', simple: 'values[0][1]' }

  describe.each<ForeignDialect>(['book', 'simple'])('as a %s peer', (dialect) => {
    test.each(contents)('reads the content we stream: %s', async (_, content) => {
      const form = (await contentForm(inPieces(content, [1000]))) === 'base64' ? 'base64' : 'text'
      const wire = await gathered(contentResponse(inPieces(content, [1001, 7]), form, dialect))
      const script = `values, method = x.loads(data); out(raw(${unpack[dialect]}))`
      expect(python(interpreter, script, wire).equals(content)).toBe(true)
    })

    test.each(contents)('writes content that we read as a stream: %s, in base64', async (_, content) => {
      const value = { book: 'x.Binary(data)', simple: '[1, x.Binary(data)]' }[dialect]
      const wire = python(interpreter, `out(raw(x.dumps((${value},), methodresponse=True)))`, content)
      const answer = await readAnswer(inPieces(wire, [999, 3]), dialect)
      if (answer.type !== 'content') expect.fail(answer.type)
      expect((await gathered(answer.bytes)).equals(content)).toBe(true)
    })

    // Python 3 has no string for bytes that are no UTF-8; Python 2 writes whatever the file holds.
    const texts = contents.filter(([name]) => name !== 'binary' || interpreter.major === 2)

    test.each(texts)('writes content that we read as a stream: %s, as a string', async (_, content) => {
      const text = interpreter.major === 2 ? 'data' : "data.decode('utf-8')"
      const value = { book: text, simple: `[1, ${text}]` }[dialect]
      // Not through raw: an interpreter that reads Latin-1 would have to decode first.
      const write = interpreter.major === 2 ? 'out(wire)' : "out(wire.encode('utf-8'))"
      const wire = python(interpreter, `wire = x.dumps((${value},), methodresponse=True); ${write}`, content)
      const answer = await readAnswer(inPieces(wire, [999, 3]), dialect)
      if (answer.type !== 'content') expect.fail(answer.type)
      expect((await gathered(answer.bytes)).equals(content)).toBe(true)
    })
  })
})
