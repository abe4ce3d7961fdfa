import { describe, expect, test } from 'vitest'
import { parsePeersFile } from '../../src/cli/peers-file.js'
import { P2pError } from '../../src/index.js'

const A = 'http://127.0.0.1:4242'
const B = 'http://example.org:80/simple'

describe('a peers file', () => {
  test.each([
    ['nothing at all', '', []],
    ['one URL without a line end', A, [A]],
    ['two in their order', `${B}\n${A}\n`, [B, A]],
    ['blank lines and comments', `# friends\n\n${A}\n   \n  # ${B}\n`, [A]],
    ['a comment after a URL', `${A} # the kitchen\n${B}\t#the attic`, [A, B]],
    ['blanks round a URL', `  ${A}\t\n`, [A]],
    ['the line ends of Windows and of old Macs', `${A}\r\n${B}\r`, [A, B]],
    ['a byte order mark', `\uFEFF${A}\n`, [A]],
    ['one URL twice', `${A}\n${A}\n`, [A]]
  ])('may hold %s', (_, text, urls) => {
    expect(parsePeersFile(text, 'peers.txt')).toEqual(urls)
  })

  test.each([
    ['a word', `${A}\n\nhtp:/x\n`, /^peers\.txt line 3: .*htp:\/x/],
    ['two URLs on a line', `${A} ${B}\n`, /^peers\.txt line 1: /],
    ['a # within the word', `${A}#1\n`, /^peers\.txt line 1: /],
    ['a line after those of Windows', `# x\r\n${A}\r\nhttps:\r\n`, /^peers\.txt line 3: /]
  ])('with %s is refused by its line number', (_, text, message) => {
    expect(() => parsePeersFile(text, 'peers.txt')).toThrow(message)
    expect(() => parsePeersFile(text, 'peers.txt')).toThrow(P2pError)
  })
})
