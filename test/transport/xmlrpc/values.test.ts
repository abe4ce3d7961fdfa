import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeCall, encodeCall, encodeResponse } from '../../../src/transport/xmlrpc/codec.js'
import { isXmlText, MAX_DEPTH, MAX_VALUES, sendable, type XmlRpcValue } from '../../../src/transport/xmlrpc/values.js'

const loop: unknown[] = []
loop.push(loop)

const bomb = Array.from({ length: 31 }).reduce<unknown>((inner) => [inner, inner], 'x')

function nested(levels: number): unknown {
  return Array.from({ length: levels }).reduce<unknown>((inner) => [inner], 1)
}

describe('what XML-RPC cannot say is refused', () => {
  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['a function', () => 1],
    ['a symbol', Symbol('x')],
    ['a BigInt', 1n],
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['-Infinity', Number.NEGATIVE_INFINITY],
    ['1e21', 1e21],
    ['2^53', 2 ** 53],
    ['an invalid date', new Date(Number.NaN)],
    ['a date in the year 10000', new Date('+010000-01-01T00:00:00Z')],
    ['a date before the year 0', new Date('-000001-01-01T00:00:00Z')],
    ['a control character', 'a\u0001b'],
    ['NUL', '\0'],
    ['U+FFFE', '\ufffe'],
    ['U+FFFF', '\uffff'],
    ['a high surrogate alone', 'a\ud800'],
    ['a low surrogate alone', '\udc00a'],
    ['surrogates in the wrong order', '\udc00\ud800'],
    ['a control character in the name of a member', { 'a\u0001': 1 }],
    ['a Map', new Map()],
    ['a Set', new Set()],
    ['an Error', new Error('x')],
    ['an ArrayBuffer', new ArrayBuffer(2)],
    ['a RegExp', /x/],
    ['a hole in an array', Array(2)],
    ['undefined in an array', [undefined]],
    ['an array that holds itself', loop],
    ['a tree that shares branches until it explodes', bomb],
    [`${MAX_DEPTH + 1} levels`, nested(MAX_DEPTH + 1)],
    [`${MAX_VALUES} values in an array`, Array(MAX_VALUES).fill(0)]
  ])('%s', (_, value) => {
    expect(() => sendable(value)).toThrow(expect.objectContaining({ name: 'P2pError', code: 'BAD_CALL' }))
  })
})

function there(value: XmlRpcValue): unknown {
  return decodeCall(encodeCall('m', [value])).params[0]
}

describe('what XML-RPC can say arrives as it left', () => {
  test.each<[string, XmlRpcValue, unknown?]>([
    ['nothing', null],
    ['true', true],
    ['false', false],
    ['zero', 0],
    ['minus zero', -0],
    ['the largest int', 0x7fffffff],
    ['one more', 0x80000000],
    ['three thousand million', 3e9],
    ['the smallest safe integer', Number.MIN_SAFE_INTEGER],
    ['a fraction', 0.1],
    ['the smallest double', 5e-324],
    ['the empty string', ''],
    ['space', '  '],
    ['markup', '<a b="c">&amp;</a>'],
    ['the end of a CDATA section, twice', 'x]]>y]]></string></value></param><param><value><string>INJECTED'],
    ['CR and LF beside markup', 'a<b\r\nc\rd'],
    ['an emoji', '\u{1f600}'],
    ['the last characters of all', '\ufffd\u{10ffff}\u0085\u007f'],
    ['a Buffer', Buffer.from([0, 255])],
    ['an empty Buffer', Buffer.alloc(0)],
    ['a Uint8Array', new Uint8Array([1, 2]), Buffer.from([1, 2])],
    ['part of a buffer', new Uint8Array([1, 2, 3, 4]).subarray(1, 3), Buffer.from([2, 3])],
    ['a date', new Date('2024-02-29T12:34:56Z')],
    ['a date with milliseconds', new Date('2024-10-27T00:30:00.007Z')],
    ['a date in the year 7', new Date('0007-01-01T00:00:00Z')],
    ['an empty array', []],
    ['an empty struct', {}],
    ['a struct', { a: 1, b: { c: ['d', null] } }],
    ['a member without a name', { '': 1 }],
    ['members that are undefined, which are left out', { a: undefined, b: 1 }, { b: 1 }],
    ['a struct without a prototype', Object.assign(Object.create(null), { a: 1 }) as XmlRpcValue, { a: 1 }],
    ['32 levels', nested(MAX_DEPTH) as XmlRpcValue]
  ])('%s', (_, value, expected = value) => {
    expect(there(value)).toEqual(expected)
  })

  test('members named like properties of every object', () => {
    const sent = JSON.parse('{"__proto__": {"isAdmin": 1}, "constructor": "a", "toString": "b"}') as XmlRpcValue
    const arrived = there(sent) as object
    expect(Object.entries(arrived)).toEqual(Object.entries(sent as object))
    expect((arrived as { isAdmin?: unknown }).isAdmin).toBeUndefined()
    expect(Object.getPrototypeOf(arrived)).toBeNull()
  })

  const leaf = fc.oneof(
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((n) => !Number.isInteger(n) || Number.isSafeInteger(n)),
    fc.string({ unit: 'binary' }).filter(isXmlText),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc.date({ min: new Date('0000-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true })
  )
  const { value: anything } = fc.letrec<{ value: XmlRpcValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      leaf,
      fc.array(tie('value'), { maxLength: 5 }),
      fc.dictionary(fc.string({ unit: 'binary' }).filter(isXmlText), tie('value'), { maxKeys: 5 })
    )
  }))

  test('whatever it is', () => {
    fc.assert(
      fc.property(fc.array(anything, { maxLength: 4 }), (params) => {
        expect(decodeCall(encodeCall('some.method', params))).toEqual({ method: 'some.method', params })
      })
    )
  })
})

test('a date is sent in UTC and says so, whatever the zone of the process', () => {
  const zone = process.env.TZ
  try {
    process.env.TZ = 'America/New_York'
    expect(encodeResponse(new Date('2024-10-27T07:08:09Z')).toString()).toContain('>20241027T07:08:09Z<')
  } finally {
    if (zone === undefined) delete process.env.TZ
    else process.env.TZ = zone
  }
})

test('integers beyond 32 bits are sent as i8, the only type others read them from', () => {
  expect(encodeResponse(3e9).toString()).toContain('<i8>3000000000</i8>')
  expect(encodeResponse(-(2 ** 31)).toString()).toContain('<int>-2147483648</int>')
})

test('a megabyte of bytes is base64, not a struct', () => {
  expect(encodeResponse(new Uint8Array(1e6)).length).toBeLessThan(1.4e6)
})

test('text is XML text exactly when every character of it is', () => {
  const legal = (point: number): boolean =>
    [0x9, 0xa, 0xd].includes(point) ||
    (point >= 0x20 && point <= 0xd7ff) ||
    (point >= 0xe000 && point <= 0xfffd) ||
    point >= 0x10000
  const wrong: number[] = []
  for (let point = 0; point <= 0x10ffff; point += point < 0x11000 ? 1 : 97) {
    if (isXmlText(`a${String.fromCodePoint(point)}b`) !== legal(point)) wrong.push(point)
  }
  expect(wrong).toEqual([])
})
