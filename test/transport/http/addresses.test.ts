import type { NetworkInterfaceInfo } from 'node:os'
import { expect, test } from 'vitest'
import { addressesAt, ownAddresses } from '../../../src/transport/http/addresses.js'

const at = (address: string, internal = false) =>
  ({ address, family: address.includes(':') ? 'IPv6' : 'IPv4', internal }) as NetworkInterfaceInfo

test('others are told real addresses before those of containers, and none that means nothing to them', () => {
  const interfaces = {
    lo: [at('127.0.0.1', true), at('::1', true)],
    docker0: [at('172.17.0.1')],
    eth0: [at('fe80::1'), at('2001:db8::7'), at('192.168.1.7'), at('169.254.3.4')],
    wlan0: [at('10.0.0.7')]
  }
  expect(ownAddresses(interfaces)).toEqual(['192.168.1.7', '10.0.0.7', '[2001:db8::7]', '172.17.0.1'])
})

test('a peer bound to one address has no other', () => {
  expect(addressesAt('http://192.168.1.7:1', '192.168.1.7', 1)).toEqual(['http://192.168.1.7:1'])
})

test('a peer bound to all of them has the announced one first, which may be of another port', () => {
  const [first, ...others] = addressesAt('http://peer.example:80', '0.0.0.0', 4242)
  expect(first).toBe('http://peer.example:80')
  expect(others.every((url) => url.endsWith(':4242'))).toBe(true)
})
