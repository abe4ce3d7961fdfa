import { describe, expect, test } from 'vitest'
import { type Facts, judge } from '../../src/cli/doctor-rules.js'

const MINUTE_MS = 60_000

const WELL: Facts = {
  nowMs: Date.UTC(2030, 0),
  version: '1.0.0',
  nodeVersion: 'v20.19.0',
  running: { url: 'https://10.0.0.1:4242', version: '1.0.0', problems: [] },
  network: { type: 'member', name: 'home', id: 'ab'.repeat(32) },
  folders: [{ use: 'shared', path: '/files', state: 'fine', freeBytes: 1024 ** 4 }],
  ports: [{ at: 'https://10.0.0.1:4242', state: 'answers' }],
  multicast: [{ address: '10.0.0.1', state: 'heard', others: 2 }],
  peers: [{ url: 'https://10.0.0.2:4242', id: 'cd'.repeat(32), state: 'up', failures: 0 }]
}

const folder = (state: Facts['folders'][number]['state'], freeBytes = 1024 ** 4): Partial<Facts> => ({
  folders: [{ use: 'shared', path: '/files', state, freeBytes }]
})
const port = (state: Facts['ports'][number]['state']): Partial<Facts> => ({ ports: [{ at: 'Port 4242', state }] })
const multicast = (state: 'heard' | 'silent' | 'failed'): Partial<Facts> => ({
  multicast: [{ address: '10.0.0.1', state, others: 0 }]
})
const failing = (reason: NonNullable<Facts['peers'][number]['reason']>): Partial<Facts> => ({
  peers: [{ url: 'https://x:1', state: 'failing', reason, failures: 1 }]
})
const clock = (clockAheadMs: number): Partial<Facts> => ({
  peers: [{ url: 'https://x:1', state: 'up', failures: 0, clockAheadMs }]
})

describe('what the doctor makes of what it has seen', () => {
  test('where all is well nothing else is said', () => {
    expect(new Set(judge(WELL).map(({ level }) => level))).toEqual(new Set(['ok']))
    expect(judge(WELL).map(({ text }) => text)).toContain(
      `A member of the private network home; this peer is ${'ab'.repeat(32)} there`
    )
  })

  test.each<[string, 'note' | 'bad', string, RegExp, Partial<Facts>]>([
    ['no peer runs', 'note', 'version', /^No peer of yours runs/, { running: undefined }],
    [
      'another version runs',
      'note',
      'version',
      /runs with p2p-rx 0\.9/,
      { running: { url: 'u', version: '0.9', problems: [] } }
    ],
    [
      'the peer has said something',
      'note',
      'problem',
      /said: oh/,
      { running: { url: 'u', version: '1.0.0', problems: ['oh'] } }
    ],
    ['a clock that was never set', 'bad', 'clock', /says 1970-/, { nowMs: 0 }],
    ['the open', 'note', 'network', /everybody who reaches the port/, { network: { type: 'open' } }],
    ['no network', 'note', 'network', /no private network yet/, { network: { type: 'none' } }],
    [
      'a damaged secret',
      'bad',
      'network',
      /^damaged$/,
      { network: { type: 'failed', detail: 'damaged', advice: 'Join.' } }
    ],
    ['a folder that is missing', 'note', 'folder', /not there yet/, folder('missing')],
    ['a file for a folder', 'bad', 'folder', /is a file/, folder('no-folder')],
    ['a folder without rights', 'bad', 'folder', /cannot be read/, folder('unreadable')],
    ['a folder that is read only', 'bad', 'folder', /cannot be written/, folder('unwritable')],
    ['a state that is in use', 'bad', 'folder', /another process/, folder('in-use')],
    ['a full disk', 'bad', 'disk', /^1\.0 MiB are free/, folder('fine', 1024 ** 2)],
    ['a disk that is nearly full', 'note', 'disk', /^512\.0 MiB/, folder('fine', 512 * 1024 ** 2)],
    ['a port in use', 'bad', 'port', /in use/, port('in-use')],
    ['a port that is not for us', 'bad', 'port', /may not be used/, port('forbidden')],
    ['an address of another computer', 'bad', 'port', /no address of this computer/, port('no-address')],
    ['our own address that does not answer', 'bad', 'port', /even from this computer/, port('silent')],
    ['no local network', 'note', 'multicast', /on no local network/, { multicast: [] }],
    ['multicast that is blocked', 'bad', 'multicast', /something blocks it/, multicast('silent')],
    ['multicast that is refused', 'bad', 'multicast', /cannot be sent/, multicast('failed')],
    ['nobody', 'note', 'peer', /No other peer is known/, { peers: [] }],
    [
      'a peer that is new',
      'note',
      'peer',
      /not been reached yet/,
      { peers: [{ url: 'u', state: 'new', failures: 0 }] }
    ],
    ['a wrong name', 'bad', 'peer', /its name leads to no address/, failing('no-name')],
    ['no route', 'bad', 'peer', /no way leads to its address/, failing('no-route')],
    ['nobody at the port', 'bad', 'peer', /nobody listens at that port/, failing('refused')],
    ['silence', 'bad', 'peer', /nothing comes back/, failing('timed-out')],
    ['no TLS', 'bad', 'peer', /speaks in the clear/, failing('no-tls')],
    ['another network', 'bad', 'peer', /in another network, or its secret was changed/, failing('other-network')],
    ['another id', 'bad', 'peer', /somebody else answers there/, failing('other-id')],
    ['somebody we banned', 'note', 'peer', /you have banned it/, failing('unwanted')],
    ['a clock ahead of ours', 'note', 'peer', /is 5 min 0 s ahead of/, clock(5 * MINUTE_MS)],
    ['a clock behind ours', 'note', 'peer', /is 5 min 0 s behind/, clock(-5 * MINUTE_MS)]
  ])('%s is a %s of the check %s', (_, level, check, text, facts) => {
    const told = judge({ ...WELL, ...facts }).filter((finding) => finding.level !== 'ok')
    expect(told).toEqual([expect.objectContaining({ level, check, text: expect.stringMatching(text) as string })])
    if (level === 'bad') expect(told[0]?.advice).toMatch(/\.$/)
  })

  test('a clock that differs by seconds is well', () => {
    expect(judge({ ...WELL, ...clock(MINUTE_MS) }).every(({ level }) => level === 'ok')).toBe(true)
  })

  test('where nobody is looked for nearby nothing is said of multicast', () => {
    const { multicast: _, ...facts } = WELL
    expect(judge(facts).map(({ check }) => check)).not.toContain('multicast')
  })
})
