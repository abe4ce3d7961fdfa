import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatInvite, P2pError, parseInvite } from '../src/index.js'

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/)
const host = fc.oneof(
  fc.ipV4(),
  // A name that ends in a number would be read as an address.
  fc.tuple(label, fc.stringMatching(/^[a-z]{2,8}$/)).map(([name, top]) => `${name}.${top}`),
  fc.ipV6().map((address) => new URL(`https://[${address}]`).hostname)
)
const invite = fc.record({
  addresses: fc.uniqueArray(
    fc.tuple(host, fc.integer({ min: 1, max: 65_535 })).map(([name, port]) => `https://${name}:${port}`),
    { minLength: 1, maxLength: 8 }
  ),
  name: fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,62}$/),
  secret: fc.uint8Array({ minLength: 16, maxLength: 64 })
})

const SECRET = new Uint8Array(32).fill(7)
const GOOD = formatInvite({ addresses: ['https://192.168.1.7:4242'], name: 'default', secret: SECRET })
const [, FRAGMENT = ''] = GOOD.split('#')

function errorOf(text: string): P2pError {
  try {
    parseInvite(text)
  } catch (error) {
    if (error instanceof P2pError) return error
  }
  throw new Error(`It was read: ${text}`)
}

test('what is written is read again, with white space around it too', () => {
  fc.assert(
    fc.property(invite, fc.stringMatching(/^[ \t\r\n]{0,3}$/), (given, around) => {
      expect(parseInvite(around + formatInvite(given) + around)).toEqual(given)
    })
  )
})

test('an invite is one line, with the secret in the fragment', () => {
  expect(GOOD).toMatch(/^p2prx:\/\/192\.168\.1\.7:4242\/default#[A-Za-z0-9_-]{48}$/)
})

test('the scheme and host names may be in capitals, and one address may stand there twice', () => {
  expect(parseInvite(`P2PRX://ANN.example:443,ann.example:443/default#${FRAGMENT}`).addresses).toEqual([
    'https://ann.example:443'
  ])
})

test('one that is cut off anywhere is refused', () => {
  for (let length = 0; length < GOOD.length; length += 1) expect(errorOf(GOOD.slice(0, length)).code).toBe('BAD_INVITE')
})

test('one wrong character in the secret is found', () => {
  fc.assert(
    fc.property(fc.nat({ max: FRAGMENT.length - 1 }), fc.stringMatching(/^[A-Za-z0-9_-]$/), (at, character) => {
      fc.pre(FRAGMENT[at] !== character)
      const wrong = FRAGMENT.slice(0, at) + character + FRAGMENT.slice(at + 1)
      expect(errorOf(`p2prx://192.168.1.7:4242/default#${wrong}`).code).toBe('BAD_INVITE')
    })
  )
})

test('whatever comes in is an invite or refused as none, and no refusal repeats it', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.string().map((rest) => `p2prx://${rest}`)
      ),
      (text) => {
        try {
          parseInvite(text)
        } catch (error) {
          expect(error).toMatchObject({ code: 'BAD_INVITE' })
          if (text.trim().length > 12) expect((error as P2pError).message).not.toContain(text.trim())
        }
      }
    )
  )
})

describe('what is wrong is said', () => {
  test.each([
    ['nothing', ' ', /There is no invite/],
    ['a web page', 'https://example.org/', /does not begin with p2prx:/],
    ['another program of this kind', 'wormhole-transfer:4-hurricane-equipment', /does not begin with p2prx:/],
    ['a book', `p2prx://${'x'.repeat(3_000)}`, /too long/],
    ['no secret', 'p2prx://192.168.1.7:4242/default', /its secret, behind the #, is missing/],
    ['a secret that is too short', 'p2prx://192.168.1.7:4242/default#AAAA', /does not fit its checksum/],
    ['something behind the secret', `${GOOD}.`, /does not fit its checksum/],
    ['no network', `p2prx://192.168.1.7:4242#${FRAGMENT}`, /names no network/],
    ['a network that leads elsewhere', `p2prx://192.168.1.7:4242/..#${FRAGMENT}`, /names no network/],
    ['a network in two parts', `p2prx://192.168.1.7:4242/a/b#${FRAGMENT}`, /names no network/],
    ['no address', `p2prx:///default#${FRAGMENT}`, /no address/],
    ['an address without a port', `p2prx://192.168.1.7/default#${FRAGMENT}`, /no address/],
    ['a port nobody has', `p2prx://192.168.1.7:65536/default#${FRAGMENT}`, /no address/],
    ['a user in the address', `p2prx://ann@192.168.1.7:1/default#${FRAGMENT}`, /no address/],
    ['an empty address among others', `p2prx://192.168.1.7:1,,x:2/default#${FRAGMENT}`, /no address/],
    [
      'too many addresses',
      `p2prx://${Array.from({ length: 9 }, (_, at) => `h:${at + 1}`).join(',')}/default#${FRAGMENT}`,
      /too many addresses/
    ],
    ['a later version', `p2prx://192.168.1.7:4242/default?until=9#${FRAGMENT}`, /later version/]
  ])('%s', (_, text, message) => {
    const error = errorOf(text)
    expect(error).toMatchObject({ code: 'BAD_INVITE', exitCode: 2 })
    expect(error.message).toMatch(message)
  })
})
