/**
 * TinyP2P (Felten 2004) as a server: `f(proof, n, argument)`, whose `n` says what it does. All in the clear, so only in an
 * open network and with a password of its own.
 */
import * as v from 'valibot'
import type { Inbound, PeerUrl, Source } from '../../streams/ports.js'
import { peerKey } from '../../streams/urls.js'
import type { Answer } from '../http/answer.js'
import { createGuesses } from '../http/guesses.js'
import { sendContent } from './foreign.js'
import { pythonSearch, type Search } from './python-pattern.js'
import { PatternRefused } from './python-tokens.js'
import { Fault, type Method, type Methods, OTHER_FAULT, type SENT } from './serve.js'
import { isTinyName, tinyNames } from './tiny-names.js'
import { isProof } from './tiny-password.js'
import { createTinyPeers } from './tiny-peers.js'
import { toXmlText, type XmlRpcValue } from './values.js'

/** What there is in a file cannot be said in the answer; n = {@link WHOLE} asks for it in another form. */
export const NO_TEXT = 300

/** What `f` does. To the original everything but the first two is a question for content. */
export const SERVERS = 0
export const NAMES = 1
export const CONTENT = 2
/** Ours: content as base64 where it is no text. */
export const WHOLE = 3

export interface TinyInit {
  readonly inbound: Inbound
  readonly password: string
  /** All spellings of our URL, the announced one first. */
  readonly spellings: () => readonly PeerUrl[]
}

const Params = v.strictTuple([v.unknown(), v.unknown(), v.unknown()])
const Urls = v.array(v.unknown())

const noText = () => {
  throw new Fault(NO_TEXT, 'this file is no text that XML can carry; n = 3 gives it as base64')
}
const notFound = () => {
  throw new Fault(OTHER_FAULT, 'there is no such file')
}

export function tinyMethods({ inbound, password, spellings }: TinyInit): Methods {
  const guesses = createGuesses()
  const peers = createTinyPeers((url) => spellings().some((ours) => peerKey(ours) === peerKey(url)))

  /** Somebody elsewhere may have meant his own machine, and have shown his proof to who passes it on to us. */
  const spellingsFor = ({ mayName }: Answer): readonly PeerUrl[] =>
    spellings().filter((url, place) => place === 0 || mayName(url))

  const f: Method = {
    signatures: [
      ['array', 'string', 'int', 'array'],
      ['array', 'string', 'int', 'string'],
      ['string', 'string', 'int', 'string'],
      ['boolean', 'string', 'int', 'string']
    ],
    help: 'TinyP2P: with the HMAC-MD5 of our URL, all servers (0), the names that fit (1) or the content of a file (2).',
    inBatch: false,
    async run(params, answer) {
      const [proof, n, argument] = v.parse(Params, params)
      const { caller, gone$ } = answer
      if (!guesses.mayTry(caller)) return false
      if (!isProof(proof, password, spellingsFor(answer))) {
        await guesses.wrong(caller, gone$)
        // Not a fault: so the original says it, and its clients understand it (WIRE W23).
        return false
      }
      // In Python, False is 0 and True is 1; all the rest is a question for content.
      switch (typeof n === 'boolean' ? Number(n) : n) {
        case SERVERS:
          // Nobody is called back: who joins does not listen yet (WIRE W25).
          peers.learn(v.parse(Urls, argument), answer.mayName)
          return [...spellings().slice(0, 1), ...peers.urls()]
        case NAMES:
          // To a client that comes early the folder must not look empty.
          await inbound.whenListed?.()
          return [await tinyNames(inbound.list, search(v.parse(v.string(), argument)))]
        default:
          return await content(inbound, v.parse(v.string(), argument), n === WHOLE, answer)
      }
    }
  }
  return new Map([['f', f]])
}

function search(pattern: string): Search {
  try {
    return pythonSearch(pattern)
  } catch (error) {
    if (error instanceof PatternRefused) throw new Fault(OTHER_FAULT, toXmlText(error.message))
    throw error
  }
}

async function content(
  { open, openShared = open }: Inbound,
  name: string,
  whole: boolean,
  answer: Answer
): Promise<XmlRpcValue | typeof SENT> {
  let source: Source | undefined
  if (isTinyName(name)) source = await openShared(name).catch(() => undefined)
  if (source === undefined) return notFound()
  return await sendContent(source, { dialect: 'book', missed: notFound, ...(whole ? {} : { noText }) }, false, answer)
}
