/** What an address to listen at, or to be called at, means for others. */

export function isEverywhere(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname)
}
