/** `p2p-rx status`: how the peer that runs here is doing. */
import { firstValueFrom, lastValueFrom, takeUntil, toArray } from 'rxjs'
import type { Status, Transfer } from '../control/messages.js'
import type { KnownPeer, Rates } from '../index.js'
import { formatRate } from './amounts.js'
import { answer, writeJson } from './output.js'
import { MAX_PEERS_SHOWN, tellPeer } from './peer-lines.js'
import { transferLine } from './rows.js'
import { orThrow, type RunningFlags, requireRunningPeer } from './running.js'
import { stoppedExitCode, watchStops } from './stop.js'

/** Of many transfers, as many as a screen shows. */
const MAX_TRANSFERS_SHOWN = 20

export interface StatusFlags extends RunningFlags {
  readonly json?: boolean
}

export async function status(flags: StatusFlags): Promise<number> {
  const stops = watchStops()
  const client = await requireRunningPeer(flags)
  const status$ = orThrow(client.status()).pipe(takeUntil(stops.stop$))
  const now = await firstValueFrom(status$, { defaultValue: undefined })
  if (stops.reason !== undefined) return stoppedExitCode(stops.reason)
  if (now === undefined) return 1
  const known = await lastValueFrom(orThrow(client.peers()).pipe(toArray(), takeUntil(stops.stop$)), {
    defaultValue: []
  })
  if (flags.json) writeJson({ ...now, peers: { ...now.peers, list: known } })
  else tell(now, known)
  return 0
}

function tell(status: Status, known: readonly KnownPeer[]): void {
  for (const line of selfLines(status.url, status.network)) answer(line)
  for (const line of linesOf(status)) answer(line)
  for (const peer of known.slice(0, MAX_PEERS_SHOWN)) tellPeer(answer, peer, Date.now())
  if (known.length > MAX_PEERS_SHOWN) answer(`and ${known.length - MAX_PEERS_SHOWN} more peers: p2p-rx peers -v`)
}

/** Who the peer that runs is, and where others reach it. */
export function selfLines(url: string, network: Status['network']): string[] {
  const others = (network?.addresses ?? []).filter((address) => address !== url)
  return [
    rowOf('url', url),
    ...others.map((address) => rowOf('also at', address)),
    ...(network === undefined ? [] : [rowOf('network', network.name), rowOf('id', network.id)])
  ]
}

const rowOf = (name: string, value: string) => `${name.padEnd(11)}${value}`

function linesOf({ dir, peers, files, hashed, problems, transfers, rates }: Status): string[] {
  const rows: readonly (readonly [string, string])[] = [
    ['folder', dir],
    ['peers', `${peers.up} up of ${peers.known} known`],
    [
      'files',
      files === undefined ? 'being read' : hashed === files ? `${files}` : `${files}, ${hashed} of them hashed`
    ],
    ['caps', capsOf(rates)],
    ...problems.map((problem) => ['problem', problem] as const),
    ['transfers', `${transfers.length} under way`]
  ]
  return [
    ...rows.map(([name, value]) => rowOf(name, value)),
    ...transfers.slice(0, MAX_TRANSFERS_SHOWN).map((transfer: Transfer) => `  ${transferLine(transfer)}`),
    ...(transfers.length > MAX_TRANSFERS_SHOWN ? [`  and ${transfers.length - MAX_TRANSFERS_SHOWN} more`] : [])
  ]
}

function capsOf(rates: Rates): string {
  const { uploadBytesPerSecond, downloadBytesPerSecond } = rates
  const { uploadBytesPerSecondPerPeer: upPerPeer, downloadBytesPerSecondPerPeer: downPerPeer } = rates
  return [
    `up ${formatRate(uploadBytesPerSecond)}`,
    `down ${formatRate(downloadBytesPerSecond)}`,
    ...(upPerPeer === undefined ? [] : [`up per peer ${formatRate(upPerPeer)}`]),
    ...(downPerPeer === undefined ? [] : [`down per peer ${formatRate(downPerPeer)}`])
  ].join(', ')
}
