import { expect, test } from 'vitest'
import { probeMulticast } from '../../src/transport/mdns/probe.js'
import { nearby } from './multicast.js'

const LOOPBACK = '127.0.0.1'

test('multicast that works is heard', async (context) => {
  const { port } = await nearby(context)
  expect(await probeMulticast({ port, interfaces: [LOOPBACK] })).toEqual([
    { address: LOOPBACK, state: 'heard', others: 0 }
  ])
})

test('an address of another computer is told to fail', async () => {
  expect(await probeMulticast({ port: 0, interfaces: ['192.0.2.77'] })).toEqual([
    { address: '192.0.2.77', state: 'failed', others: 0 }
  ])
})

test('without a network there is nothing to look at', async () => {
  expect(await probeMulticast({ interfaces: [] })).toEqual([])
})
