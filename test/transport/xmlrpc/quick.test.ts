import { deepStrictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import serializer from 'xmlrpc/lib/serializer.js'
import { encodeCall, encodeFault, encodeResponse } from '../../../src/transport/xmlrpc/codec.js'
import { type Parsed, parsed } from '../../../src/transport/xmlrpc/deserializer.js'
import { guarded, type Root } from '../../../src/transport/xmlrpc/guard.js'
import { MAX_QUICK_BYTES, quickParsed } from '../../../src/transport/xmlrpc/quick-decode.js'
import { quickCall, quickFault, quickResponse } from '../../../src/transport/xmlrpc/quick-encode.js'
import { isXmlText, MAX_DEPTH, MAX_VALUES, sendable, type XmlRpcValue } from '../../../src/transport/xmlrpc/values.js'
import { XmlRpcError } from '../../../src/transport/xmlrpc/xmlrpc-error.js'

function strict(body: Uint8Array, root: Root): Parsed | XmlRpcError {
  try {
    return parsed(guarded(body, root))
  } catch (error) {
    if (error instanceof XmlRpcError) return error
    throw error
  }
}

/** Whether the quick reader accepts; when it does, the strict one must have read the same, in the same order. */
function accepts(document: string | Uint8Array): boolean {
  const body = Buffer.from(document)
  let isAccepted = false
  for (const root of ['methodCall', 'methodResponse'] as const) {
    const message = quickParsed(body, root)
    if (message === undefined) continue
    const expected = strict(body, root)
    deepStrictEqual(message, expected)
    expect(JSON.stringify(message)).toBe(JSON.stringify(expected))
    isAccepted = true
  }
  return isAccepted
}

function callOf(...values: readonly string[]): string {
  const params = values.map((value) => `<param><value>${value}</value></param>`).join('')
  return `<?xml version="1.0"?><methodCall><methodName>m</methodName><params>${params}</params></methodCall>`
}

const nested = (levels: number): string =>
  callOf('<array><data><value>'.repeat(levels) + '</value></data></array>'.repeat(levels))

const good = callOf('a')

describe('the quick reader accepts', () => {
  test.each<[string, string | Buffer]>([
    ['a call', good],
    ['a call as Python writes it', good.replaceAll('"', "'").replaceAll('>', '>\n')],
    ['a call that declares UTF-8', good.replace('?>', " encoding='utf-8'?>")],
    ['a call without declaration', good.slice(21)],
    ['a call without parameters', encodeCall('m', [])],
    ['a name with space round it', good.replace('>m<', '> \u00a0m\n<')],
    ['space in a string without a type', callOf(' \n', ' a ')],
    ['space round a type', callOf(' <string> a </string>\t')],
    ['references', callOf('&lt;&amp;&gt;&quot;&apos;&#65;&#x42;&#x1F600;&#xd;')],
    ['the end of a CDATA section', callOf(']]>')],
    ['letters beyond ASCII', callOf('é\u{1f600}\ufffd')],
    ['all the types', encodeResponse([1, -1, 3e9, 0.5, 1e-7, 'a', '', true, false, null, [], { a: { '': 1 } }])],
    ['the largest integer', callOf('<i8>-9007199254740991</i8>')],
    ['an int that says -0', callOf('<int>-0</int>')],
    ['a double that says -0', callOf('<double>-0.0</double>')],
    ['members of bad names', encodeResponse(JSON.parse('{"__proto__":1,"constructor":2,"7":3}') as XmlRpcValue)],
    ['a member twice', encodeResponse({ a: 1, b: 2, c: 3 }).toString().replace('>c<', '>a<')],
    ['a fault', encodeFault(100, "Couldn't handle the query")],
    [`${MAX_DEPTH} levels`, nested(MAX_DEPTH)]
  ])('%s', (_, document) => {
    expect(accepts(document)).toBe(true)
  })
})

describe('the quick reader leaves to the strict one', () => {
  test.each<[string, string | Buffer]>([
    ['an attribute', good.replace('<value>', '<value a="b">')],
    ['a comment', good.replace('<value>', '<!-- a --><value>')],
    ['CDATA', callOf('<![CDATA[a]]>')],
    ['a DOCTYPE', good.replace('<methodCall>', '<!DOCTYPE methodCall><methodCall>')],
    ['another encoding', good.replace('?>', ' encoding="iso-8859-1"?>')],
    ['another XML', good.replace('1.0', '1.1')],
    ['a byte order mark', `\ufeff${good}`],
    ['bytes that are not UTF-8', Buffer.from(good, 'latin1').fill(0xe9, 52, 53)],
    ['control characters', callOf('a\u0001')],
    ['U+FFFE', callOf('\ufffe')],
    ['a reference to a control character', callOf('&#1;')],
    ['a reference to half a character', callOf('&#xD83D;&#xDE00;')],
    ['an unknown entity', callOf('&nbsp;')],
    ['an entity named like a property of every object', callOf('&constructor;')],
    ['a reference without an end', callOf('&amp')],
    ['text beside a typed value', callOf('a<int>1</int>')],
    ['text between tags', good.replace('<params>', 'x<params>')],
    ['something behind the end', `${good}x`],
    ['half a call', good.slice(0, -1)],
    ['no method', good.replace('>m<', '> <')],
    ['a parameter of two values', good.replace('</param>', '<value></value></param>')],
    ['parameters twice', good.replace('</methodCall>', '<params/></methodCall>')],
    ['a member without a value', callOf('<struct><member><name>a</name></member></struct>')],
    ['an int with letters', callOf('<int>1x</int>')],
    ['an int that is empty', callOf('<int></int>')],
    ['an int beyond what is exact', callOf('<i8>9007199254740993</i8>')],
    ['an int of 17 digits', callOf('<i8>00000000000000001</i8>')],
    ['2^53', callOf('<i8>9007199254740992</i8>')],
    ['a double that is infinite', callOf('<double>1e999</double>')],
    ['a double in words', callOf('<double>inf</double>')],
    ['a boolean of 2', callOf('<boolean>2</boolean>')],
    ['a date', encodeResponse(new Date(0))],
    ['bytes', encodeResponse(Buffer.from('a'))],
    [`${MAX_DEPTH + 1} levels`, nested(MAX_DEPTH + 1)],
    ['a large message', callOf('x'.repeat(MAX_QUICK_BYTES))]
  ])('%s', (_, document) => {
    expect(accepts(document)).toBe(false)
  })
})

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }).filter(isXmlText),
  fc.constantFrom('__proto__', ' a ', '\r\n', ']]>', '<&>"\'', '\u00a0', '', 'http://127.0.0.1:4242')
)
const { plain } = fc.letrec<{ plain: XmlRpcValue }>((tie) => ({
  plain: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(fc.constant(null), fc.boolean(), fc.integer(), fc.maxSafeInteger(), text),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((n) => !Number.isInteger(n)),
    fc.array(tie('plain'), { maxLength: 4 }),
    fc.dictionary(text, tie('plain'), { maxKeys: 4 })
  )
}))

/** A line for each tag, and only the escapes that must be, as Python's xmlrpc.client has it. */
function pythonic(document: string): string {
  const lines = document.replace('<?xml version="1.0"?>', "<?xml version='1.0'?>\n").replaceAll('/><', '/>\n<')
  const tags = lines.replace(/(<\/?(?:method|param|value|struct|member|name|array|data)[^>]*>)(?=<)/g, '$1\n')
  return tags
    .replaceAll('<data/>', '<data>\n</data>')
    .replaceAll('&#xD;', '\r')
    .replaceAll('<string/>', '<string></string>')
}

const document = fc
  .oneof(
    fc.array(plain, { maxLength: 3 }).map((params) => encodeCall('some.method', params)),
    plain.map((value) => encodeResponse(value)),
    fc.tuple(fc.integer(), text).map(([code, message]) => encodeFault(code, message))
  )
  .map((bytes) => bytes.toString())
  .chain((ours) => fc.constantFrom(ours, pythonic(ours)))

const MARKUP =
  `<value> </value> <value/> <string> </string> <string/> <int> </int> <i4> <i1> <nil/> <ex:i8> <base64> <double>
  <array> <data> <data/> </data></array> <struct> <struct/> </struct> <member> </member> <name> </name> <name/> <boolean>
  <params> <params/> </params> <param> </param> <fault> </fault> <methodName> </methodCall> <methodResponse> <value
  <value><int>1</int></value> <member><name>a</name><value>b</value></member> <param><value><i4>1</i4></value></param>
  <?a?> <!----> <![CDATA[a]]> ]]> < > / ! ? " ' = &amp; &#32; &#x20; &#xA0; &#0065; &#x00; &#65 &#X41; &AMP; & ; &; &#;
  0 1 - + . e -0 -0.0 00 9007199254740993 Infinity NaN a`.split(/\s+/)
const SPACES = [' ', '\n', '\t', '\r\n', '\u000b', '\u00a0', '\u0085', '\u2028', '\ufeff', '\0', '\u0001', '\ufffe', '']
const PIECES = [...MARKUP, ...SPACES, ' a="b"', '<?xml version="1.0"?>', '\u{1f600}']

/** A change of one document: at a share of its length, so many pieces of it are replaced. */
const change = fc.record({
  place: fc.double({ min: 0, max: 1, noNaN: true }),
  cut: fc.constantFrom(0, 0, 1, 1, 2, 4),
  piece: fc.oneof(fc.constantFrom(...PIECES), fc.string({ unit: 'binary', maxLength: 3 }), fc.constant(undefined)),
  inTags: fc.boolean()
})

describe('whatever the quick reader accepts, the strict one reads the same', () => {
  test('in any message of plain values, of which it accepts all', () => {
    fc.assert(
      fc.property(document, (whole) => {
        expect(accepts(whole)).toBe(true)
      })
    )
  })

  test('in any damaged message', () => {
    let accepted = 0
    fc.assert(
      fc.property(document, fc.array(change, { minLength: 1, maxLength: 3 }), (whole, changes) => {
        let damaged = whole
        for (const { place, cut, piece, inTags } of changes) {
          const parts = inTags ? damaged.split(/(<[^>]*>)/) : Array.from(damaged)
          const at = Math.floor(place * parts.length)
          // Without a piece, something of its own from the other end of the document.
          parts.splice(at, cut, piece ?? parts.at(-at - 1) ?? '')
          damaged = parts.join('')
        }
        if (accepts(damaged)) accepted++
      }),
      { numRuns: 2000 }
    )
    expect(accepted).toBeGreaterThan(100)
  })

  test('in any damaged bytes', () => {
    fc.assert(
      fc.property(document, fc.nat(2000), fc.uint8Array({ minLength: 1, maxLength: 3 }), (whole, at, bytes) => {
        const damaged = Buffer.from(whole)
        damaged.set(bytes, Math.min(at, damaged.length - 3))
        accepts(damaged)
      }),
      { numRuns: 500 }
    )
  })
})

describe('the quick writer', () => {
  const slowCall = (params: readonly unknown[]): string =>
    serializer.serializeMethodCall('a<b', Array.from(params, sendable))

  test('writes to the letter what the package writes of any plain value', () => {
    fc.assert(
      fc.property(plain, fc.array(plain, { maxLength: 3 }), (value, params) => {
        expect(quickResponse(value)).toBe(serializer.serializeMethodResponse(sendable(value)))
        expect(quickFault(value)).toBe(serializer.serializeFault(sendable(value)))
        expect(quickCall('a<b', params)).toBe(slowCall(params))
      })
    )
  })

  test('writes to the letter what the package writes, or leaves it to the package, for anything at all', () => {
    const anything = fc.anything({
      withDate: true,
      withTypedArray: true,
      withSparseArray: true,
      withNullPrototype: true
    })
    const response = (value: unknown): string | undefined => {
      try {
        return serializer.serializeMethodResponse(sendable(value))
      } catch {
        return undefined
      }
    }
    fc.assert(
      fc.property(fc.oneof(anything, fc.double(), fc.string({ unit: 'binary' })), (value) => {
        const quick = quickResponse(value)
        if (quick !== undefined) expect(quick).toBe(response(value))
      }),
      { numRuns: 1000 }
    )
  })

  const loop: unknown[] = []
  loop.push(loop)
  const levels = (count: number): unknown => Array.from({ length: count }).reduce<unknown>((inner) => [inner], 1)

  test.each<[string, unknown]>([
    ['minus zero', -0],
    ['undefined', undefined],
    ['undefined in an array', [undefined]],
    ['a hole in an array', Array(2)],
    ['bytes', Buffer.from('a')],
    ['a date', new Date(0)],
    ['a Map', new Map()],
    ['a BigInt', 1n],
    ['a control character', 'a\u0001'],
    ['half a character', '\ud800'],
    ['an array that holds itself', loop],
    [`${MAX_DEPTH + 1} levels`, levels(MAX_DEPTH + 1)],
    ['a tree that shares branches until it explodes', Array.from({ length: 31 }).reduce<unknown>((i) => [i, i], 'x')],
    [`${MAX_VALUES} values in an array`, Array(MAX_VALUES).fill(0)]
  ])('leaves %s to the package', (_, value) => {
    expect(quickResponse(value)).toBeUndefined()
    expect(quickFault(value)).toBeUndefined()
    expect(quickCall('m', [value])).toBeUndefined()
  })

  test('leaves a hole among the parameters to the package', () => {
    expect(quickCall('m', Array(1))).toBeUndefined()
  })

  test('goes as deep as the package may', () => {
    expect(quickResponse(levels(MAX_DEPTH))).toBe(serializer.serializeMethodResponse(sendable(levels(MAX_DEPTH))))
  })

  test('has a fault for minus zero', () => {
    expect(encodeFault(-0, 'a').toString()).toContain('faultCode')
  })
})
