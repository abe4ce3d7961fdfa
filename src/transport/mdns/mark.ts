/** How a network shows itself to those nearby. */
import { createHmac } from 'node:crypto'

/** 128 bits: nobody comes upon another network's mark, and it tells nothing of the secret. */
const MARK_CHARS = 32

/**
 * The mark of the network with this secret: members know it, others cannot tell which network it is. It is the same at all
 * times, so that whoever is nearby twice can see that it is the same one.
 */
export function networkMark(secret: string | Uint8Array): string {
  return createHmac('sha256', secret)
    .update('p2p-rx network on the local network, v1')
    .digest('hex')
    .slice(0, MARK_CHARS)
}
