/** What a private network may be called. Pure. */
import { P2pError } from './errors.js'

/** The same on every file system and in every URL: none that differ in case only, none that mean another folder. */
const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/

export function isNetworkName(text: string): boolean {
  return NAME.test(text)
}

/** Errors with USAGE. */
export function checkNetworkName(text: string): string {
  if (isNetworkName(text)) return text
  const advice = 'Use up to 63 lower-case letters, digits, - and _.'
  throw new P2pError('USAGE', `${JSON.stringify(text.slice(0, 64))} can be no name of a network`, { advice })
}
