/** Those whom an offer names. */
import type { Found, Offer } from './ports.js'

export function foundIn({ holders, relays = [] }: Pick<Offer, 'holders' | 'relays'>): readonly Found[] {
  const held = holders.map((url): Found => ({ type: 'holder', url }))
  return [...held, ...relays.map((url): Found => ({ type: 'relay', url }))]
}
