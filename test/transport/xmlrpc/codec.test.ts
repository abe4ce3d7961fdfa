import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeCall,
  decodeResponse,
  encodeFault,
  encodeResponse,
  MAX_FAULT_CHARS
} from '../../../src/transport/xmlrpc/codec.js'
import { MAX_MESSAGE_BYTES } from '../../../src/transport/xmlrpc/guard.js'
import { XmlRpcError } from '../../../src/transport/xmlrpc/xmlrpc-error.js'

/** Milliseconds of work done: what others do on the same machine does not count. */
function worked(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

const CORPUS = new URL('../../corpora/xml_attacks/', import.meta.url)

function callOf(...values: readonly string[]): string {
  const params = values.map((value) => `<param><value>${value}</value></param>`).join('')
  return `<?xml version="1.0"?><methodCall><methodName>m</methodName><params>${params}</params></methodCall>`
}

function answerOf(inside: string): string {
  return `<?xml version='1.0'?>\n<methodResponse>${inside}</methodResponse>\n`
}

function faultOf(...members: readonly string[]): string {
  return answerOf(`<fault><value><struct>${members.join('')}</struct></value></fault>`)
}

/** The kind of refusal; what is accepted shows its value, and any other exception goes through. */
function refusal(read: (body: Uint8Array) => unknown, body: string | Uint8Array): unknown {
  try {
    return read(typeof body === 'string' ? Buffer.from(body) : body)
  } catch (error) {
    if (error instanceof XmlRpcError) return error.kind
    throw error
  }
}

function read(...values: readonly string[]): unknown {
  const result = refusal(decodeCall, callOf(...values))
  return typeof result === 'string' ? result : (result as { params: unknown[] }).params[0]
}

describe('a value is read', () => {
  test.each<[string, unknown]>([
    ['<int>1</int>', 1],
    ['<i4> -1 </i4>', -1],
    ['<int>+7</int>', 7],
    ['<int>-0</int>', 0],
    ['<int>3000000000</int>', 3e9],
    ['<i8>9007199254740991</i8>', Number.MAX_SAFE_INTEGER],
    ['<ex:i8>5</ex:i8>', 5],
    ['<i1>1</i1>', 1],
    ['<i2>2</i2>', 2],
    ['<biginteger>2</biginteger>', 2],
    ['<double>1.5</double>', 1.5],
    ['<double>.5</double>', 0.5],
    ['<double> -1e-3\n</double>', -0.001],
    ['<float>2</float>', 2],
    ['<boolean> 1 </boolean>', true],
    ['<boolean>0</boolean>', false],
    ['<nil/>', null],
    ['<ex:nil/>', null],
    ['<nil></nil>', null],
    ['', ''],
    ['  ', '  '],
    ['plain', 'plain'],
    ['<string/>', ''],
    ['<string> a </string>', ' a '],
    [' <string>a</string>\n', 'a'],
    ['<string>a<!-- b -->c</string>', 'ac'],
    ['<string>a<![CDATA[<b>&]]>c</string>', 'a<b>&c'],
    ['<![CDATA[<!DOCTYPE x>]]>', '<!DOCTYPE x>'],
    ['<!-- <!DOCTYPE x> -->a', 'a'],
    ['<string>&lt;&gt;&amp;&quot;&apos;</string>', '<>&"\''],
    ['<string>&#65;&#x1F600;&#00013;</string>', 'A\u{1f600}\r'],
    ['<string>a\r\nb\rc</string>', 'a\r\nb\rc'],
    ['<base64>AP8=</base64>', Buffer.from([0, 255])],
    ['<base64>\n AP\n8=\n</base64>', Buffer.from([0, 255])],
    ['<base64/>', Buffer.alloc(0)],
    ['<dateTime.iso8601>19980717T14:08:55</dateTime.iso8601>', new Date('1998-07-17T14:08:55Z')],
    ['<dateTime.iso8601>1998-07-17T14:08:55.25+02:00</dateTime.iso8601>', new Date('1998-07-17T12:08:55.25Z')],
    ['<dateTime.iso8601>19980717T140855-0130</dateTime.iso8601>', new Date('1998-07-17T15:38:55Z')],
    ['<array><data/></array>', []],
    ['<array> <data> <value>a</value> <value/> </data> </array>', ['a', '']],
    ['<struct/>', {}],
    ['<struct><member><name> a </name><value>b</value></member></struct>', { ' a ': 'b' }],
    ['<struct xmlns:ex="urn:x"><member><name/><value><ex:nil/></value></member></struct>', { '': null }]
  ])('%s', (xml, value) => {
    expect(read(xml)).toEqual(value)
  })
})

describe('a value is refused', () => {
  test.each([
    '<int>12abc</int>',
    '<int>1.9</int>',
    '<int>1e3</int>',
    '<int>0x10</int>',
    '<int/>',
    '<int>- 1</int>',
    '<int>1e+21</int>',
    '<int>9007199254740992</int>',
    '<i8>9223372036854775807</i8>',
    '<i8>1.0</i8>',
    '<double>1.5xyz</double>',
    '<double>NaN</double>',
    '<double>inf</double>',
    '<double>Infinity</double>',
    '<double>1e999</double>',
    '<double>1.2.3</double>',
    '<double>.</double>',
    '<double/>',
    '<boolean>true</boolean>',
    '<boolean>2</boolean>',
    '<boolean/>',
    '<nil>0</nil>',
    '<base64>A</base64>',
    '<base64>AP8</base64>',
    '<base64>A*P8</base64>',
    '<base64>AP-_</base64>',
    '<base64>AP8=AP8=</base64>',
    '<base64>====</base64>',
    '<dateTime.iso8601>99999999T99:99:99</dateTime.iso8601>',
    '<dateTime.iso8601>20230230T00:00:00</dateTime.iso8601>',
    '<dateTime.iso8601>20230201T24:00:00</dateTime.iso8601>',
    '<dateTime.iso8601>2023</dateTime.iso8601>',
    '<dateTime.iso8601/>',
    '<int>1</int>junk',
    'junk<int>1</int>',
    '<int>1</int><int>2</int>',
    '<int>1<int>2</int></int>',
    '<string><b>bold</b></string>',
    '<array>1<data/></array>',
    '<array/>',
    '<array><data/><data/></array>',
    '<array><data><int>1</int></data></array>',
    '<struct><member><name>a</name></member></struct>',
    '<struct><member><value>a</value></member></struct>',
    '<struct><member><value>a</value><name>a</name></member></struct>',
    '<struct><member><name>a</name><name>b</name><value/></member></struct>',
    '<struct><member><name>a</name><value/><value/></member></struct>',
    '<struct><member/></struct>',
    '<struct><name>a</name><value/></struct>',
    '<value/>',
    '<INT>1</INT>',
    '<i64>1</i64>',
    '<script>1</script>',
    '<string>&nbsp;</string>',
    '<string>&constructor;</string>',
    '<string>&AMP;</string>',
    '<string>&lt</string>',
    '<string>&</string>',
    '<string>&#0;</string>',
    '<string>&#1;</string>',
    '<string>&#xD800;</string>',
    '<string>&#xD83D;&#xDE00;</string>',
    '<string>&#xFFFF;</string>',
    '<string>&#1114112;</string>',
    '<string>&#99999999999999999999;</string>',
    '<string>&#-5;</string>',
    '<string>\u0001</string>',
    '<string>\ufffe</string>',
    '<string a="<">x</string>',
    '<string a=b>x</string>',
    '<string',
    '< string>x</string>',
    '<string>x</ string>',
    '<string>x</string a="b">',
    '<string>x</string/>',
    '<string><!-- a -- b --></string>',
    '<string><!-- a </string>',
    '<string><![CDATA[ a </string>',
    '<string><!ENTITY a "b"></string>',
    '<string><!foo></string>',
    '<string><?php ?></string>'
  ])('%s', (xml) => {
    expect(read(xml)).toBe('malformed')
  })
})

describe('a whole call', () => {
  const good = callOf('a')
  const m = { method: 'm', params: ['a'] }
  const notUtf8 = Buffer.concat([Buffer.from('<methodCall><methodName>caf'), Buffer.from([0xe9]), Buffer.from('</')])

  test.each<[string, string | Uint8Array, unknown]>([
    ['as we write it', good, m],
    ['with a byte order mark', `\ufeff${good}`, m],
    ['after an empty line', `\n${good}`, m],
    ['with comments round it', `<!-- a -->${good.slice(21)}<!-- b -->\n`, m],
    ['that declares UTF-8', good.replace('?>', " encoding='utf-8' standalone='yes'?>"), m],
    ['without parameters', '<methodCall><methodName> a.b </methodName></methodCall>', { method: 'a.b', params: [] }],
    ['with no parameters', '<methodCall><methodName>a</methodName><params/></methodCall>', { method: 'a', params: [] }],
    ['that declares ISO-8859-1', good.replace('?>', ' encoding="iso-8859-1"?>'), 'malformed'],
    ['that declares UTF-7', good.replace('?>', ' encoding="UTF-7"?>'), 'malformed'],
    ['in ISO-8859-1', notUtf8, 'malformed'],
    ['in UTF-16', Buffer.from(`\ufeff${good}`, 'utf16le'), 'not-xmlrpc'],
    ['in XML 2', good.replace('1.0', '2.0'), 'malformed'],
    ['twice', good + good.slice(21), 'malformed'],
    ['twice, with a declaration each', good + good, 'malformed'],
    ['with text after it', `${good}x`, 'malformed'],
    ['with a reference after it', `${good}&amp;`, 'malformed'],
    ['with CDATA after it', `${good}<![CDATA[x]]>`, 'malformed'],
    ['cut off', good.slice(0, -1), 'malformed'],
    ['cut off between tags', good.slice(0, -13), 'malformed'],
    ['with tags that cross', good.replace('</value></param>', '</param></value>'), 'malformed'],
    ['without a method', '<methodCall><params/></methodCall>', 'malformed'],
    ['with an empty method', '<methodCall><methodName> </methodName></methodCall>', 'malformed'],
    ['with two methods', '<methodCall><methodName>a</methodName><methodName>b</methodName></methodCall>', 'malformed'],
    ['with the parameters first', '<methodCall><params/><methodName>a</methodName></methodCall>', 'malformed'],
    ['with a parameter of two values', good.replace('</param>', '<value/></param>'), 'malformed'],
    ['with an empty parameter', good.replace('</params>', '<param/></params>'), 'malformed'],
    ['with a fault in it', good.replace(/params/g, 'fault'), 'malformed'],
    ['with text between tags', good.replace('<params>', 'x<params>'), 'malformed'],
    ['with a DOCTYPE', good.replace('<methodCall>', '<!DOCTYPE methodCall><methodCall>'), 'malformed'],
    ['that is nothing', '', 'not-xmlrpc'],
    ['that is space', ' \n', 'not-xmlrpc'],
    ['that is a comment', '<!-- methodCall -->', 'not-xmlrpc'],
    ['that is a declaration', '<?xml version="1.0"?>', 'not-xmlrpc'],
    ['that is JSON', '{"method":"m"}', 'not-xmlrpc'],
    ['that is a web page', '<!doctype html><p>&nbsp;<br>', 'not-xmlrpc'],
    ['that is a web page of old', '<!DOCTYPE html PUBLIC "a"><html/>', 'not-xmlrpc'],
    ['that is an answer', answerOf('<params><param><value/></param></params>'), 'not-xmlrpc'],
    ['that is binary', Buffer.alloc(100), 'not-xmlrpc'],
    ['in capitals', good.toUpperCase(), 'malformed'],
    [
      'of 32 levels',
      callOf('<array><data><value>'.repeat(32) + '</value></data></array>'.repeat(32)),
      expect.anything()
    ],
    ['of 33 levels', callOf('<array><data><value>'.repeat(33) + '</value></data></array>'.repeat(33)), 'too-big']
  ])('%s', (_, body, expected) => {
    expect(refusal(decodeCall, body)).toEqual(expected)
  })

  test('is read the same after one that was refused half-way', () => {
    for (const body of [callOf('<struct><member><name>a</name>'), callOf('<string>&nope;'), good.slice(0, 60)]) {
      expect(refusal(decodeCall, body)).toBe('malformed')
      expect(refusal(decodeCall, good)).toEqual(m)
    }
  })

  test('leaves no trace in the next one', () => {
    decodeCall(Buffer.from(callOf('a', 'b')))
    expect(refusal(decodeCall, '<methodCall><methodName>x</methodName></methodCall>')).toEqual({
      method: 'x',
      params: []
    })
    expect(refusal(decodeResponse, answerOf(''))).toBe('malformed')
  })
})

describe('an answer', () => {
  const code = '<member><name>faultCode</name><value><int>100</int></value></member>'
  const text = '<member><name>faultString</name><value><string>no</string></value></member>'

  test.each<[string, string, unknown]>([
    ['of one value', answerOf('<params><param><value>a</value></param></params>'), { type: 'value', value: 'a' }],
    ['that is a fault', faultOf(code, text), { type: 'fault', code: 100, message: 'no' }],
    ['that is a fault, turned round', faultOf(text, code), { type: 'fault', code: 100, message: 'no' }],
    ['that is a fault with more to say', faultOf(code, text, code), { type: 'fault', code: 100, message: 'no' }],
    ['of nothing', answerOf(''), 'malformed'],
    ['of no parameters', answerOf('<params/>'), 'malformed'],
    ['of two values', answerOf(`<params>${'<param><value/></param>'.repeat(2)}</params>`), 'malformed'],
    ['of a value and a fault', answerOf('<params><param><value/></param></params><fault/>'), 'malformed'],
    ['that is an empty fault', answerOf('<fault></fault>'), 'malformed'],
    ['that is a nil fault', answerOf('<fault><value><nil/></value></fault>'), 'malformed'],
    ['that is a text fault', answerOf('<fault><value>no</value></fault>'), 'malformed'],
    ['that is a fault without code', faultOf(text), 'malformed'],
    ['that is a fault without text', faultOf(code), 'malformed'],
    ['that is a fault with a code in words', faultOf(code.replaceAll('int', 'string'), text), 'malformed'],
    [
      'that is a fault whose text is a struct that answers to toString',
      faultOf(
        code,
        text.replace('<string>no</string>', '<struct><member><name>toString</name><value/></member></struct>')
      ),
      'malformed'
    ],
    ['that is a call', callOf(), 'not-xmlrpc'],
    ['that is a web page', '<html><body>502 Bad Gateway</body></html>', 'not-xmlrpc']
  ])('%s', (_, body, expected) => {
    expect(refusal(decodeResponse, body)).toEqual(expected)
  })
})

describe('a fault', () => {
  test.each<[string, number, string, [number, string]]>([
    ['is read as it was written', 100, "Couldn't find the file fooo", [100, "Couldn't find the file fooo"]],
    ['may say nothing', 1, '', [1, '']],
    ['may quote markup', 1, ']]> <a> & ]]>\r\n', [1, ']]> <a> & ]]>\r\n']],
    [
      'shows a mark for what XML cannot carry',
      1,
      'a\u0001\ud800b\uffff\u{1f600}',
      [1, 'a\ufffd\ufffdb\ufffd\u{1f600}']
    ],
    ['is cut where it is long', 1, 'x'.repeat(5000), [1, 'x'.repeat(MAX_FAULT_CHARS)]],
    ['has an integer for its code', Number.NaN, 'a', [1, 'a']],
    ['has a code of 32 bits', 2 ** 40, 'a', [1, 'a']]
  ])('%s', (_, code, message, [readCode, readMessage]) => {
    const expected = { type: 'fault', code: readCode, message: readMessage }
    expect(decodeResponse(encodeFault(code, message))).toEqual(expected)
  })

  test('can be written whatever the message', () => {
    fc.assert(
      fc.property(fc.double(), fc.string({ unit: 'binary', maxLength: 200 }), (code, message) => {
        expect(decodeResponse(encodeFault(code, message)).type).toBe('fault')
      })
    )
    for (let unit = 0; unit <= 0xffff; unit += 97) encodeFault(1, String.fromCharCode(unit))
  })
})

describe('hostile input is refused in less than a second:', () => {
  const size = 1024 * 1024
  const fill = (before: string, piece: string, after = ''): string =>
    before + piece.repeat(Math.floor((size - before.length - after.length) / piece.length)) + after
  const head = '<methodCall><methodName>a</methodName><params><param><value>'
  const tail = '</value></param></params></methodCall>'

  test.each<[string, string, unknown]>([
    ['a tag that never ends', fill('<methodCall', ' '), 'not-xmlrpc'],
    ['a parameter tag that never ends', fill('<methodCall><params', ' '), 'malformed'],
    ['a declaration that never ends', fill('<?xml version="1.0"', ' '), 'malformed'],
    ['a long name', fill('<methodCall><', 'a', '/></methodCall>'), 'malformed'],
    ['a long markup declaration', fill('<methodCall><!', 'a'), 'malformed'],
    [
      'a markup declaration behind a comment in an attribute',
      fill('<methodCall a="<!--"><!', 'a', '-->'),
      'not-xmlrpc'
    ],
    ['many attributes', fill('<methodCall><params ', 'a="" ', '/>'), 'malformed'],
    ['nested arrays', fill(head, '<array><data><value>'), 'too-big'],
    ['nested structs', fill(head, '<struct><member><name/><value>'), 'too-big'],
    ['nested values', fill(head, '<value>'), 'malformed'],
    ['unclosed names', fill('<methodCall>', '<methodName>'), 'malformed'],
    ['closing tags', fill('<methodCall>', '</abc>'), 'malformed'],
    ['too many values', fill(`${head}<array><data>`, '<value/>', `</data></array>${tail}`).repeat(2), 'too-big'],
    ['opened CDATA', fill(`${head}<string>`, '<![CDATA['), 'malformed'],
    ['opened comments', fill(`${head}<string>`, '<!--'), 'malformed'],
    ['references', fill(`${head}<string>`, '&', `</string>${tail}`), 'malformed'],
    ['a number of a million digits and a letter', fill(`${head}<double>`, '1', `x</double>${tail}`), 'malformed'],
    ['an integer of a million digits', fill(`${head}<int>`, '1', `</int>${tail}`), 'malformed'],
    ['a date of a million digits', fill(`${head}<dateTime.iso8601>`, '1', `</dateTime.iso8601>${tail}`), 'malformed'],
    ['base64 of a million equal signs', fill(`${head}<base64>`, '=', `</base64>${tail}`), 'malformed'],
    ['signs of less', fill('<methodCall>', '<'), 'malformed'],
    ['more than the largest message', 'x'.repeat(MAX_MESSAGE_BYTES + 1), 'too-big']
  ])('%s', (_, body, expected) => {
    const bytes = Buffer.from(body)
    const startMs = worked()
    expect(refusal(decodeCall, bytes)).toBe(expected)
    expect(worked() - startMs).toBeLessThan(1000)
  })

  test.each<[string, string]>([
    ['a megabyte of empty CDATA sections', fill(`${head}<string>`, '<![CDATA[]]>', `</string>${tail}`)],
    ['a megabyte of comments', fill(`${head}<string>`, '<!---->', `</string>${tail}`)],
    ['a megabyte of ampersands', fill(`${head}<string>`, '&amp;', `</string>${tail}`)],
    ['a megabyte of base64 with a space after each character', fill(`${head}<base64>`, 'A A A A ', `</base64>${tail}`)],
    ['a hundred thousand values', fill(`${head}<array><data>`, '<value>abcd</value>', `</data></array>${tail}`)]
  ])('%s is read, in less than a second', (_, body) => {
    const bytes = Buffer.from(body)
    const startMs = worked()
    expect(refusal(decodeCall, bytes)).toMatchObject({ method: 'a' })
    expect(worked() - startMs).toBeLessThan(1000)
  })

  const attacks = readdirSync(CORPUS).filter((name) => name.endsWith('.xml'))

  test('the corpus of attacks is there', () => {
    expect(attacks.length).toBeGreaterThanOrEqual(8)
  })

  test.each(attacks)('%s, alone and round a call', (name) => {
    const attack = readFileSync(new URL(name, CORPUS), 'utf8')
    const startMs = worked()
    expect(refusal(decodeCall, attack)).toMatch(/^(not-xmlrpc|malformed)$/)
    expect(refusal(decodeResponse, attack)).toMatch(/^(not-xmlrpc|malformed)$/)
    const doctype = attack.slice(attack.indexOf('<!DOCTYPE'), attack.lastIndexOf(']>') + 2)
    expect(refusal(decodeCall, doctype + callOf('<string>&a;</string>').slice(21))).toMatch(/^(not-xmlrpc|malformed)$/)
    expect(worked() - startMs).toBeLessThan(1000)
  })

  test('any bytes at all, and any damage to a good call, is read or refused and nothing else', () => {
    const good = encodeResponse({ a: [1, 'b<c', null, true, 0.5], d: Buffer.from('e') })
    const snippets = fc.constantFrom('<', '>', '&', ']]>', '<![CDATA[', '<!--', '</value>', '<value>', '"', '<?', '\0')
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.nat(good.length),
        fc.nat(30),
        snippets,
        (junk, at, cut, piece) => {
          const kinds = ['not-xmlrpc', 'malformed', 'too-big']
          const damaged = [good.subarray(0, at), Buffer.from(piece), good.subarray(at + cut)]
          for (const body of [junk, Buffer.concat([good.subarray(0, at), junk]), Buffer.concat(damaged)]) {
            const result = refusal(decodeResponse, body)
            if (typeof result === 'string') expect(kinds).toContain(result)
            expect(refusal(decodeCall, body)).toMatch(/not-xmlrpc|malformed/)
          }
        }
      ),
      { numRuns: 500 }
    )
  })
})
